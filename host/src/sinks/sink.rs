//! The interface of all sinks.

use std::io;

use ctwarden_model::Record;

/// Records that could not be written, and why.
#[derive(Debug)]
pub(super) struct Lost {
    /// Number of earlier records that reached the destination.
    pub(super) written: u64,
    /// Number of lost records.
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

pub(super) trait Sink: Send {
    /// Checks that the sink can accept records now, and opens the destination if possible. Records wait until the sink
    /// is ready.
    ///
    /// # Errors
    /// Why the sink is not ready.
    fn is_ready(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Accepts a record and its JSON line, and may keep it until [`Sink::flush`]. Returns how many records reached the
    /// destination by this call.
    fn put(&mut self, record: &Record, line: &str) -> Result<u64, Lost>;

    /// Accepts the JSON line that reports lost records. The line is not a record.
    fn put_lost(&mut self, lost: u64, line: &str) -> Result<(), Lost>;

    /// Writes everything accepted, or counts it as lost. Returns how many records reached the destination.
    fn flush(&mut self) -> Result<u64, Lost>;

    /// Reopens the destination if the file was moved away.
    fn reopen(&mut self) -> io::Result<()>;
}
