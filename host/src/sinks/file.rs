//! Records appended to a file, one JSON line each.
//!
//! This sink does not limit the size of the file. logrotate moves the file away and requests a reopen. The file may be
//! a named pipe. A pipe without a reader is opened as soon as a reader opens it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ctwarden_model::Record;
use rustix::fs::Mode;

use super::lines::Lines;
use super::patient::{Patience, Patient};
use super::sink::{Lost, Sink};
use crate::trusted_path::{self, AccessError};

/// For root and its group: records name the hosts that communicate.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

pub(super) struct FileSink {
    path: PathBuf,
    /// `None` while the file is a pipe without a reader.
    lines: Option<Lines<Patient>>,
    patience: Patience,
}

impl FileSink {
    pub(super) fn open(path: &Path, patience: Patience) -> io::Result<Self> {
        let lines = match open(path) {
            Ok(file) => Some(Lines::new(Patient::new(file, patience.clone()))),
            Err(error) if is_unread_pipe(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_path_buf(), lines, patience })
    }

    fn lines(&mut self) -> Result<&mut Lines<Patient>, Lost> {
        self.lines.as_mut().ok_or_else(|| Lost { written: 0, lines: 1, error: unread_pipe() })
    }
}

/// Never waits: without `O_NONBLOCK`, opening a pipe waits for a reader (fifo(7)).
fn open(path: &Path) -> io::Result<File> {
    trusted_path::append(path, MODE).map_err(|error| {
        if matches!(error, AccessError::NoReader(_)) { unread_pipe() } else { io::Error::other(error) }
    })
}

fn is_unread_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotConnected
}

fn unread_pipe() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "no process reads this pipe")
}

impl Sink for FileSink {
    fn is_ready(&mut self) -> io::Result<()> {
        if self.lines.is_none() {
            let file = open(&self.path)?;
            self.lines = Some(Lines::new(Patient::new(file, self.patience.clone())));
        }
        Ok(())
    }

    fn put(&mut self, _: &Record, line: &str) -> Result<u64, Lost> {
        self.lines()?.put(line)
    }

    fn put_lost(&mut self, _: u64, line: &str) -> Result<(), Lost> {
        self.lines()?.put(line).map(drop)
    }

    fn flush(&mut self) -> Result<u64, Lost> {
        self.lines.as_mut().map_or(Ok(0), Lines::flush)
    }

    /// Continues with the file of that name, or with the old file if the new one cannot be opened.
    fn reopen(&mut self) -> io::Result<()> {
        match open(&self.path) {
            Ok(file) => self.lines = Some(Lines::new(Patient::new(file, self.patience.clone()))),
            Err(error) if is_unread_pipe(&error) => self.lines = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
