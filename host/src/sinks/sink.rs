//! What every sink can do.

use std::io;

use ctwarden_model::Record;

/// Records that could not be written, and why.
#[derive(Debug)]
pub(super) struct Lost {
    /// How many of those that were taken before are where they belong.
    pub(super) written: u64,
    /// How many are lost.
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

pub(super) trait Sink: Send {
    /// Whether records can be put now; opens what can be opened. Records wait until they can.
    ///
    /// # Errors
    /// Why they cannot.
    fn is_ready(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes a record and its JSON line; may keep it until [`Sink::flush`]. Gives how many records have come to where they
    /// belong by this.
    fn put(&mut self, record: &Record, line: &str) -> Result<u64, Lost>;

    /// Takes the JSON line that tells of lost records; it is no record.
    fn put_lost(&mut self, lost: u64, line: &str) -> Result<(), Lost>;

    /// Everything taken is where it belongs, which is how many records, or counted as lost.
    fn flush(&mut self) -> Result<u64, Lost>;

    /// Begins anew where the file was moved away.
    fn reopen(&mut self) -> io::Result<()>;
}
