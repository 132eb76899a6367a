//! `-R`: carries out the command lines of a file.
//!
//! Everything is read twice: once to see that each line makes sense, before anything is done, and once to do it. So a mistake
//! in the last line changes nothing, and the largest file needs no more memory than the smallest. What comes through a pipe
//! can be read once only and goes into a temporary file without a name first.
//!
//! The kernel makes one entry after the other, whoever asks, and takes nearly all of the time; all that can be done beside it is:
//! all processors check, and one reads ahead while another one sends.

mod check;
mod execution;
mod lines;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;

use ctwarden_format::command::Source;
use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::failure::Failure;
use super::output::Output;
use execution::{Execution, prepare};
use lines::Lines;

/// Steps that wait for the kernel, beside the one that is with it and the one that is prepared.
const AHEAD: usize = 1;

/// Checks all lines, then carries them out.
pub(super) fn file(output: &mut Output, source: &Source) -> Result<(), Failure> {
    let name = match source {
        Source::StandardInput => "/dev/stdin",
        Source::File(name) => name,
    };
    let file = open(source).map_err(|_| Failure::parameter(format!("Failed to open file {name} for reading")))?;
    let whole = file.metadata().map(|about| Lines { file: &file, name, begin: 0, end: about.len() });
    let whole = whole.map_err(|error| Failure::system(&format!("Can't read {name}"), &error))?;
    check::all(&whole)?;
    let mut execution = Execution::begin(output, name)?;
    thread::scope(|scope| {
        let (steps, prepared) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || prepare(&whole, &steps));
        // Where a step fails nobody takes the next one, which ends the preparing.
        prepared.into_iter().try_for_each(|step| execution.take(step))
    })?;
    execution.finish()
}

/// Opens what can be read twice.
fn open(source: &Source) -> io::Result<File> {
    let file = match source {
        Source::StandardInput => File::from(rustix::io::dup(rustix::stdio::stdin())?),
        Source::File(name) => File::open(name)?,
    };
    let from_begin = (&file).stream_position().is_ok_and(|place| place == 0);
    if from_begin && file.metadata()?.is_file() { Ok(file) } else { copy(file) }
}

/// A copy that can be read from its begin, and that nobody else sees.
fn copy(mut from: impl Read) -> io::Result<File> {
    let mut copy = unnamed_file()?;
    io::copy(&mut from, &mut copy)?;
    copy.seek(SeekFrom::Start(0))?;
    Ok(copy)
}

fn unnamed_file() -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let on_disk = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR);
    // Not every file system can do it; memory can.
    let file: OwnedFd = match on_disk {
        Ok(file) => file,
        Err(_) => rustix::fs::memfd_create("conntrack-load", MemfdFlags::CLOEXEC)?,
    };
    Ok(File::from(file))
}
