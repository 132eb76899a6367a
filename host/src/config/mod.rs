//! The operator's configuration: read, checked, and converted to the types of `model`.
//!
//! Two stages: what was written (text and types, nothing else), and what it means on this system. `ctwarden check`, the
//! start and a reload all run the same [`load`].

mod filter;
mod grants;
mod json;
mod mirrors;
mod names;
mod parse;
mod plugin_source;
pub(crate) mod problem;
mod quantity;
mod rehearsal;
mod resolve;
mod resolved;
mod rule_grants;
mod scalar;
mod scalars;
mod schema;
mod sets;
mod word;
mod wording;
mod written;

use std::path::{Path, PathBuf};

use ctwarden_model::Filter;
use problem::Findings;
pub(crate) use problem::{Problem, Problems, Section};
pub(crate) use quantity::{Period, Size};
pub(crate) use rehearsal::load_for_rehearsal;
pub(crate) use resolved::{
    Budget, ComponentOrigin, Configuration, ControlGroup, Daemon, Destination, Limits, Mirror, OnFailure,
    OperatorsTable, Plugin, Protected, ReplicaUse,
};
pub(crate) use rule_grants::{grant_keys, needed_kinds, needed_labels};
pub(crate) use schema::check_against_schema;

use crate::trusted_path;

/// Largest configuration file. Large lists belong into set files.
const FILE_MAX: u64 = 16 << 20;

/// Reads and checks a configuration file, including the plugins and set files that the file names.
///
/// # Errors
/// Every finding at once, one line each: file, line, key or plugin, what is wrong, and how to repair it.
pub(crate) fn load(file: &Path) -> Result<Configuration, Problems> {
    read(file)?.into_result()
}

/// The content of a configuration file, and the mistakes in its text.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The configuration without the parts that could not be read.
    pub(crate) configuration: Configuration,
    /// Empty if the whole file could be read.
    pub(crate) problems: Vec<Problem>,
}

impl Reading {
    fn into_result(self) -> Result<Configuration, Problems> {
        if self.problems.is_empty() { Ok(self.configuration) } else { Err(Problems(self.problems)) }
    }

    /// Whether all of that section could be read.
    pub(crate) fn has_whole(&self, section: Section) -> bool {
        !self.problems.iter().any(|problem| problem.section == Some(section))
    }
}

/// Reads a configuration file as [`load`] does, and returns the readable part even if other parts are wrong.
///
/// # Errors
/// As [`load`], if nothing of the file could be read.
pub(crate) fn read(file: &Path) -> Result<Reading, Problems> {
    let bytes =
        trusted_path::read(file, FILE_MAX).map_err(|error| Problems(vec![resolve::unreadable(file, &error)]))?;
    read_bytes(file, &bytes)
}

/// Loads a configuration from bytes. Paths in it are relative to the directory of `file`.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_bytes(file: &Path, bytes: &[u8]) -> Result<Configuration, Problems> {
    read_bytes(file, bytes)?.into_result()
}

fn read_bytes(file: &Path, bytes: &[u8]) -> Result<Reading, Problems> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let what = "the file is not UTF-8; save it as UTF-8".to_owned();
            return Err(Problems(vec![Problem {
                file: file.to_path_buf(),
                line: Some(line_at(good, good.len())),
                column: None,
                section: None,
                what,
            }]));
        }
    };
    let mut findings = Findings::new(file, text);
    let Some(written) = parse::parse(text, &mut findings) else { return Err(Problems(findings.into_problems())) };
    let configuration = resolve::resolve(file, &written, &mut findings, |place| line_at(text.as_bytes(), place.start));
    Ok(Reading { configuration, problems: findings.into_problems() })
}

/// The control socket that a configuration names; the rest is not checked. For commands that talk to a daemon.
///
/// # Errors
/// As [`load`].
pub(crate) fn control_socket(file: &Path) -> Result<PathBuf, Problems> {
    let bytes =
        trusted_path::read(file, FILE_MAX).map_err(|error| Problems(vec![resolve::unreadable(file, &error)]))?;
    let text = String::from_utf8_lossy(&bytes);
    let written = parse::parse(&text, &mut Findings::new(file, &text)).unwrap_or_default();
    Ok(resolve::control(&written.daemon))
}

/// A single filter in the syntax of `[[protect]]`: one line for each part, or all on one line with commas between.
///
/// # Errors
/// As [`load`], about the command line instead of a file.
pub(crate) fn one_filter(text: &str) -> Result<Filter, Problems> {
    let text = text.trim();
    let text = if text.contains('\n') || text.starts_with('{') { text.to_owned() } else { format!("{{ {text} }}") };
    let mut findings = Findings::new(Path::new("command line"), &text);
    let written = parse::table(&text, &mut findings);
    let filter = written.map(|written| filter::resolve("filter", &written, &mut findings));
    findings.into_result(filter)
}

/// The line of a byte offset, counted from 1.
fn line_at(text: &[u8], place: usize) -> usize {
    text.iter().take(place).filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
