//! What every sink can do.

use std::io;

use ctwarden_model::Record;

/// Records that could not be written, and why.
#[derive(Debug)]
pub(super) struct Lost {
    /// How many.
    pub(super) lines: u64,
    /// Why.
    pub(super) error: io::Error,
}

/// Where records end.
pub(super) trait Sink: Send {
    /// Takes a record and its JSON line; may keep it until [`Sink::flush`].
    fn put(&mut self, record: &Record, line: &str) -> Result<(), Lost>;

    /// Takes the JSON line that tells of lost records.
    fn put_lost(&mut self, lost: u64, line: &str) -> Result<(), Lost>;

    /// Everything taken is where it belongs, or counted as lost.
    fn flush(&mut self) -> Result<(), Lost>;

    /// Begins anew where the file was moved away.
    fn reopen(&mut self) -> io::Result<()>;
}
