//! `-R`: executes the command lines of a file.
//!
//! The file is read twice: first to check every line, then to execute. So a mistake in the last line changes nothing,
//! and the largest file needs no more memory than the smallest. Input from a pipe can be read only once, so it is first
//! copied to an unnamed temporary file.
//!
//! The kernel creates one entry at a time, even for requests from several threads, and takes nearly all of the time.
//! Everything else runs in parallel: all processors check lines, and one thread reads ahead while another one sends.

mod check;
mod execution;
mod lines;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;

use ctwarden_format::command::Source;
use memchr::{memchr_iter, memrchr};
use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::failure::{Failure, Operation};
use super::output::Output;
use super::text_lines::LINE_BYTES;
use execution::{Execution, prepare};
use lines::{Lines, TooLong};

/// Steps that wait for the kernel, besides the one in execution and the one in preparation.
const AHEAD: usize = 1;

/// Checks all lines, then executes them.
pub(super) fn file(output: &mut Output, source: &Source) -> Result<(), Failure> {
    let name = match source {
        Source::StandardInput => "/dev/stdin",
        Source::File(name) => name,
    };
    let file = open(source, name)?;
    let whole = file.metadata().map(|about| Lines { file: &file, name, begin: 0, end: about.len() });
    let whole = whole.map_err(|error| Failure::system(&format!("Can't read {name}"), &error))?;
    check::all(&whole)?;
    let mut execution = Execution::begin(output, name)?;
    thread::scope(|scope| {
        let (steps, prepared) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || prepare(&whole, &steps));
        // If a step fails, nothing receives the next one, which ends the preparation.
        prepared.into_iter().try_for_each(|step| execution.take(step))
    })?;
    execution.finish()
}

/// Maximum bytes of a copy: a multiple of the largest saved table. A copy in memory takes memory from other programs.
const COPY_BYTES: u64 = 8 << 30;
const COPY_BYTES_IN_MEMORY: u64 = 256 << 20;

/// Opens a source that can be read twice.
fn open(source: &Source, name: &str) -> Result<File, Failure> {
    let opened = match source {
        Source::StandardInput => rustix::io::dup(rustix::stdio::stdin()).map(File::from).map_err(io::Error::from),
        Source::File(name) => File::open(name),
    };
    let file = opened.map_err(|_| Failure::parameter(format!("Failed to open file {name} for reading")))?;
    let from_begin = (&file).stream_position().is_ok_and(|place| place == 0);
    // Files of /proc report length 0 and still have content.
    let has_length = file.metadata().is_ok_and(|about| about.is_file() && about.len() > 0);
    if from_begin && has_length { Ok(file) } else { copy(file, name) }
}

/// A private copy that can be read from its start. Endless input is not a file of commands: a line may be too long, or
/// the file too large.
fn copy(mut from: impl Read, name: &str) -> Result<File, Failure> {
    let failed = |error: io::Error| Failure::system(&format!("Can't read {name}"), &error);
    let (mut copy, most) = unnamed_file().map_err(failed)?;
    let mut buffer = vec![0; LINE_BYTES];
    let (mut line, mut line_bytes, mut all) = (1_u64, 0_usize, 0_u64);
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        let part = buffer.get(..read).unwrap_or_default();
        match memrchr(b'\n', part) {
            Some(last) => {
                line += u64::try_from(memchr_iter(b'\n', part).count()).unwrap_or(u64::MAX);
                line_bytes = read - last - 1;
            }
            None => line_bytes += read,
        }
        all += u64::try_from(read).unwrap_or(u64::MAX);
        if line_bytes > LINE_BYTES {
            return Err(TooLong.failure().at(name, line, Operation::Other));
        }
        if all > most {
            return Err(Failure::other(format!("{name} has more than {most} bytes of commands")));
        }
        copy.write_all(part).map_err(|error| Failure::system(&format!("Can't copy {name}"), &error))?;
    }
    copy.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(copy)
}

/// An unnamed temporary file, and the maximum number of bytes to copy into it.
fn unnamed_file() -> io::Result<(File, u64)> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let on_disk = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR);
    // Not every file system supports unnamed files. The fallback is a file in memory.
    let (file, most): (OwnedFd, u64) = match on_disk {
        Ok(file) => (file, COPY_BYTES),
        Err(_) => (rustix::fs::memfd_create("conntrack-load", MemfdFlags::CLOEXEC)?, COPY_BYTES_IN_MEMORY),
    };
    Ok((File::from(file), most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_not_copied_to_its_end() {
        let Err(Failure::Said { status, text }) = copy(io::repeat(0), "/dev/zero") else { panic!("it has an end") };
        assert!(status == 1 && text.contains("(/dev/zero, line 1)"), "{text}");
        let endless = io::Cursor::new(b"-F\n-F\n").chain(io::repeat(b'x'));
        let Err(Failure::Said { text, .. }) = copy(endless, "x") else { panic!("it has an end") };
        assert!(text.contains("(x, line 3)"), "{text}");
    }

    #[test]
    fn a_copy_is_the_same_and_read_from_its_begin() {
        let text = b"-F\n".repeat(100_000);
        let mut copied = Vec::new();
        copy(&text[..], "x").unwrap().read_to_end(&mut copied).unwrap();
        assert_eq!(copied, text);
    }
}
