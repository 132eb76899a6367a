//! Standard output through one large, reused buffer.
//!
//! A table of a million entries is 150 MB of text. Output is fastest with few system calls and without an allocation
//! per line.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use super::failure::{Failure, TITLE};
use super::sys;

/// Bytes that are collected before a write.
const FULL: usize = 64 * 1024;

/// Buffer of the text for standard output.
pub(super) struct Output {
    text: Vec<u8>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { text: Vec::with_capacity(FULL + FULL / 4) }
    }

    pub(super) const fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Whether enough is collected for a write.
    pub(super) const fn is_full(&self) -> bool {
        self.text.len() >= FULL
    }

    /// Writes if enough is collected.
    pub(super) fn drain_if_full(&mut self) -> Result<(), Failure> {
        if self.is_full() { self.drain() } else { Ok(()) }
    }

    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        let outcome = write_all(&self.text);
        self.text.clear();
        outcome.map_err(|error| failed(&error))
    }

    /// The bytes that are not written yet.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.text
    }

    /// Discards the first bytes, which were written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.text.drain(..bytes.min(self.text.len()));
    }
}

/// Why standard output cannot be written. Does not return if its reader closed the pipe.
pub(super) fn failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // If the signal cannot be restored, the closed pipe is reported as an error.
        drop(sys::end_as_at_broken_pipe());
    }
    Failure::system("Can't write to standard output", error)
}

/// Writes a line to standard error. A failure of that write cannot be reported anywhere.
pub(super) fn say(line: &str) {
    // One write, so lines of several programs do not mix.
    drop(io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

pub(super) fn say_all(lines: &[String]) {
    for line in lines {
        say(line);
    }
}

/// Reports how many entries the command counted.
pub(super) fn count_line(count: u64, what: &str) {
    say(&format!("{TITLE}{count} {what}"));
}

/// Standard output without the line buffer of the standard library.
pub(super) fn stdout() -> BorrowedFd<'static> {
    rustix::stdio::stdout()
}

fn write_all(mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(stdout(), text))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => text = text.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}
