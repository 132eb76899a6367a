//! Records on standard output, one JSON line each.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use ctwarden_model::Record;

use super::lines::Lines;
use super::patient::{Patience, Patient};
use super::sink::{Lost, Sink};

/// Standard output, without the line buffer of the standard library, which keeps data that it could not write.
pub(super) struct StdoutSink(Lines<Patient>);

impl StdoutSink {
    pub(super) fn open(patience: Patience) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self(Lines::new(Patient::new(file, patience))))
    }
}

impl Sink for StdoutSink {
    fn put(&mut self, _: &Record, line: &str) -> Result<u64, Lost> {
        self.0.put(line)
    }

    fn put_lost(&mut self, _: u64, line: &str) -> Result<(), Lost> {
        self.0.put(line).map(drop)
    }

    fn flush(&mut self) -> Result<u64, Lost> {
        self.0.flush()
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}
