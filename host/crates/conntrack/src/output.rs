//! Standard output through one large buffer that is used again and again.
//!
//! A table of a million entries is 150 MB of text: what is written with few system calls and without an allocation for each
//! line is written fastest.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use super::failure::{Failure, TITLE};
use super::sys;

/// How much is gathered before it is written.
const FULL: usize = 64 * 1024;

/// Text on its way to standard output.
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

    /// Whether it is time to write.
    pub(super) const fn is_full(&self) -> bool {
        self.text.len() >= FULL
    }

    /// Writes if it is time to.
    pub(super) fn drain_if_full(&mut self) -> Result<(), Failure> {
        if self.is_full() { self.drain() } else { Ok(()) }
    }

    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        let outcome = write_all(&self.text);
        self.text.clear();
        outcome.map_err(|error| failed(&error))
    }

    /// What has not been written yet.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.text
    }

    /// Forgets the first bytes, which were written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.text.drain(..bytes.min(self.text.len()));
    }
}

/// Why standard output cannot be written to. Does not come back where nobody reads it any more.
pub(super) fn failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // Where the signal cannot be restored the closed pipe is an error to be told.
        drop(sys::end_as_at_broken_pipe());
    }
    Failure::system("Can't write to standard output", error)
}

/// Says a line on standard error. Where that cannot be written there is nobody left to tell.
pub(super) fn say(line: &str) {
    // One write, so that lines of several programs do not mix.
    drop(io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

pub(super) fn say_all(lines: &[String]) {
    for line in lines {
        say(line);
    }
}

/// Says how many entries the command met.
pub(super) fn count_line(count: u64, what: &str) {
    say(&format!("{TITLE}{count} {what}"));
}

/// Standard output as it is, without the line buffer of the standard library.
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
