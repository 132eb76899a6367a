//! The fields that the first records of a database have, for a message about a wrong field.

use alloc::string::String;
use alloc::vec::Vec;

use super::damage::Damage;
use super::data::{Data, Kind, Steps};
use crate::excerpt::excerpt;

/// Records that are looked at.
pub(super) const RECORDS: usize = 8;
/// Fields that a message names.
const SHOWN: usize = 16;
/// Fields that are gathered, from which those are chosen.
const GATHERED: usize = 256;
/// Deeper fields are not named.
const DEPTH: usize = 4;
/// Values that are looked at.
const STEPS: u64 = 1 << 16;

pub(super) struct Outline<'d> {
    data: Data<'d>,
    steps: Steps,
    paths: Vec<Vec<String>>,
}

impl<'d> Outline<'d> {
    pub(super) fn new(data: &Data<'d>) -> Self {
        Self { data: *data, steps: Steps::few(STEPS), paths: Vec::new() }
    }

    /// Adds the fields of a record, as far as they can be read.
    pub(super) fn add(&mut self, record: usize) {
        let mut steps = self.steps;
        let _ = gather(self.data, record, &mut Vec::new(), &mut steps, &mut self.paths);
        self.steps = steps;
    }

    /// The fields, those with the fewest steps first.
    pub(super) fn paths(self) -> Vec<String> {
        let mut paths = self.paths;
        paths.sort_by_key(Vec::len);
        paths.iter().take(SHOWN).map(|path| path.join(".")).collect()
    }
}

fn gather(
    data: Data<'_>,
    at: usize,
    path: &mut Vec<String>,
    steps: &mut Steps,
    paths: &mut Vec<Vec<String>>,
) -> Result<(), Damage> {
    let value = data.value(at, steps)?;
    match value.kind {
        Kind::Map | Kind::Array if path.len() >= DEPTH => Ok(()),
        Kind::Map => data.each_key(value, steps, &mut |key, at, steps| {
            path.push(excerpt(core::str::from_utf8(key).unwrap_or("?")));
            let gathered = gather(data, at, path, steps, paths);
            path.pop();
            gathered
        }),
        Kind::Array => {
            let Some(first) = data.element(value, 0, steps)? else { return Ok(()) };
            path.push(String::from("0"));
            let gathered = gather(data, first, path, steps, paths);
            path.pop();
            gathered
        }
        Kind::Bytes => Ok(()),
        Kind::Text | Kind::Double | Kind::Unsigned | Kind::Signed | Kind::Bool | Kind::Float => {
            if !path.is_empty() && paths.len() < GATHERED && !paths.contains(path) {
                paths.push(path.clone());
            }
            Ok(())
        }
    }
}
