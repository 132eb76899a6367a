//! The first reading of a file of commands: checks that each line is valid.
//!
//! It changes nothing, so parts of the file can be read in parallel.

use std::thread;

use ctwarden_format::command;

use super::lines::{Lines, TooLong};
use crate::environment::{HostEnvironment, NAME};
use crate::failure::{Failure, Operation};
use crate::output::say_all;

/// Bytes of a part that is worth a thread.
const PART: u64 = 1 << 20;

/// More threads than this gain little.
const THREADS: usize = 8;

/// The result of a part.
struct Checked {
    /// Number of lines that were read.
    lines: u64,
    /// The first invalid line.
    failure: Option<(u64, Failure)>,
}

/// Reads all lines; the first invalid one is the failure.
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
            let Ok(checked) = part.join() else { return Err(Failure::other("Operation failed: a thread panicked")) };
            if let Some((line, failure)) = checked.failure {
                return Err(failure.at(whole.name, before.saturating_add(line), Operation::Other));
            }
            before = before.saturating_add(checked.lines);
        }
        Ok(())
    })
}

fn check(part: &Lines<'_>) -> Checked {
    let (mut at, machine) = (0, HostEnvironment::default());
    let outcome = part.each(|line, text| {
        at = line;
        let text = text.map_err(TooLong::failure)?;
        if !command::is_saved_entry(text) {
            let parsed = command::line(NAME, text, &machine).map_err(|refused| Failure::Words(Box::new(refused)))?;
            say_all(&parsed.map(|parsed| parsed.warnings).unwrap_or_default());
        }
        Ok(())
    });
    match outcome {
        Ok(lines) => Checked { lines, failure: None },
        Err(failure) => Checked { lines: at, failure: Some((at, failure)) },
    }
}
