//! The first reading of a file of commands: whether each line makes sense.
//!
//! It changes nothing, so that parts of the file can be read at the same time.

use std::thread;

use super::lines::Lines;
use crate::failure::{Failure, Operation};
use crate::say_all;

/// A part that is worth a thread.
const PART: u64 = 1 << 20;

/// More threads than this gain little.
const THREADS: usize = 8;

/// What became of a part.
struct Checked {
    /// How many lines it has, as far as it was read.
    lines: u64,
    /// The first line that makes no sense.
    failure: Option<(u64, Failure)>,
}

/// Reads all lines; the first that makes no sense is the failure.
pub(super) fn all(whole: &Lines<'_>) -> Result<(), Failure> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let size = whole.end.div_ceil(u64::try_from(threads).unwrap_or(1)).max(PART);
    thread::scope(|scope| {
        let parts = (0..whole.end).step_by(usize::try_from(size).unwrap_or(usize::MAX));
        let parts: Vec<_> = parts
            .map(|begin| Lines { begin, end: begin.saturating_add(size).min(whole.end), ..*whole })
            .map(|part| scope.spawn(move || check(&part)))
            .collect();
        let mut before = 0_u64;
        for part in parts {
            let Ok(checked) = part.join() else { return Err(Failure::other("Operation failed: a thread died")) };
            if let Some((line, failure)) = checked.failure {
                return Err(failure.at(whole.name, before.saturating_add(line), Operation::Other));
            }
            before = before.saturating_add(checked.lines);
        }
        Ok(())
    })
}

fn check(part: &Lines<'_>) -> Checked {
    let mut at = 0;
    let outcome = part.each(|line, said| {
        at = line;
        let parsed = said.map_err(|refused| Failure::Words(Box::new(refused)))?;
        say_all(&parsed.warnings);
        Ok(())
    });
    match outcome {
        Ok(lines) => Checked { lines, failure: None },
        Err(failure) => Checked { lines: at, failure: Some((at, failure)) },
    }
}
