//! Records appended to a file, one JSON line each.
//!
//! Nothing here limits its size: rotation is logrotate's work, which moves the file away and has the daemon reopen it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ctwarden_model::Record;
use rustix::fs::Mode;

use super::lines::Lines;
use super::sink::{Lost, Sink};
use crate::trusted_path;

/// For root and its group: records name who talks to whom.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

/// A file.
pub(super) struct FileSink {
    path: PathBuf,
    lines: Lines<File>,
}

impl FileSink {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_path_buf(), lines: Lines::new(open(path)?) })
    }
}

fn open(path: &Path) -> io::Result<File> {
    trusted_path::append(path, MODE).map_err(io::Error::other)
}

impl Sink for FileSink {
    fn put(&mut self, _: &Record, line: &str) -> Result<(), Lost> {
        self.lines.put(line)
    }

    fn put_lost(&mut self, _: u64, line: &str) -> Result<(), Lost> {
        self.lines.put(line)
    }

    fn flush(&mut self) -> Result<(), Lost> {
        self.lines.flush()
    }

    /// Goes on with the file of that name; with the old one where that cannot be opened.
    fn reopen(&mut self) -> io::Result<()> {
        self.lines.replace(open(&self.path)?);
        Ok(())
    }
}
