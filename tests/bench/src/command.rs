//! Runs a peer's command to its end and measures it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::children::Running;
use crate::processor;

/// The cost and the result of one run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The time from before the start until the end was noticed.
    pub(crate) wall: Duration,
    /// Processor time, user and system.
    pub(crate) processor: Duration,
    /// The exit status. `None` if a signal ended the program.
    pub(crate) status: Option<i32>,
    pub(crate) err: String,
}

impl Ran {
    /// The number in "conntrack v1.4.7 (conntrack-tools): 123 flow entries have been …", or 0 without such a line.
    pub(crate) fn entries(&self) -> u64 {
        let before = self.err.split_once(" flow entries have been").map_or("", |(before, _)| before);
        before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Fails unless the program ended with status 0.
    pub(crate) fn good(self, what: &str) -> Result<Self> {
        if self.status == Some(0) {
            return Ok(self);
        }
        let said = self.err.lines().next().unwrap_or("no output").to_owned();
        bail!(
            "{what} failed ({}): {said}",
            self.status.map_or_else(|| "a signal".to_owned(), |s| format!("status {s}"))
        )
    }
}

/// Runs a program with these arguments and discards its output.
pub(crate) fn run(program: impl AsRef<Path>, words: &[&str]) -> Result<Ran> {
    run_into(program, words, Stdio::null())
}

/// Runs a program and writes its output to a file.
pub(crate) fn run_to_file(program: impl AsRef<Path>, words: &[&str], file: &Path) -> Result<Ran> {
    let file = File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
    run_into(program, words, file.into())
}

fn run_into(program: impl AsRef<Path>, words: &[&str], out: Stdio) -> Result<Ran> {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.args(words).env("LC_ALL", "C").stdin(Stdio::null()).stdout(out).stderr(Stdio::piped());
    let before = processor::of_ended()?;
    let begin = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let mut running = Running::new(child);
    let mut err = Vec::new();
    if let Some(mut pipe) = running.get().stderr.take() {
        pipe.read_to_end(&mut err)?;
    }
    let status = running.get().wait()?;
    let wall = begin.elapsed();
    let processor = processor::of_ended()?.saturating_sub(before);
    Ok(Ran { wall, processor, status: status.code(), err: String::from_utf8_lossy(&err).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_entries_is_read_from_what_it_says() {
        let said =
            |err: &str| Ran { wall: Duration::ZERO, processor: Duration::ZERO, status: Some(0), err: err.to_owned() };
        assert_eq!(said("conntrack v1.4.7 (conntrack-tools): 1203 flow entries have been shown.\n").entries(), 1203);
        assert_eq!(said("").entries(), 0);
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let ran = run("sh", &["-c", "echo no such table >&2; exit 3"]).unwrap();
        assert_eq!(ran.good("sh").unwrap_err().to_string(), "sh failed (status 3): no such table");
        assert!(
            run("sh", &["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]).unwrap().processor > Duration::ZERO
        );
    }
}
