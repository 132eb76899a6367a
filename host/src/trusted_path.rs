//! Opening paths that nobody but root and the daemon's own user could have changed.
//!
//! The daemon acts as root. A file that another user can write, or can replace because a directory on the way is theirs,
//! hands that user the network, or root's hand to write with. So every path that the daemon opens goes through this module:
//! configuration, components, set files, state, compiled code, records, alerts, the control socket and its lock.
//!
//! A path is walked name by name from the root, each name looked up in a directory that is held open. Links are read from
//! the handle that was checked. Nothing can be exchanged between a check and its use.

mod directory;
mod error;
mod trust;
mod walk;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Mode};

pub(crate) use self::directory::Directory;
pub(crate) use self::error::AccessError;
use self::error::of_io;
use self::walk::{Found, Walk};

/// A regular file, open for reading.
///
/// # Errors
/// [`AccessError`] where the file cannot be read or others could change it.
pub(crate) fn open(path: &Path) -> Result<File, AccessError> {
    match Walk::along(path)?.find()? {
        Found::Directory(directory) => Err(AccessError::NotAFile(directory.path().to_path_buf())),
        Found::Name(directory, name) => directory.open_file(&name),
    }
}

/// The bytes of a regular file, which may be so many.
///
/// # Errors
/// As [`open`], and where the file is larger.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, AccessError> {
    read_from(open(path)?, path, limit)
}

/// All of an open file, unless it is larger than the limit.
pub(crate) fn read_from(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, AccessError> {
    // Room at once for what is there: growing step by step copies a large component several times.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length.saturating_add(1)).unwrap_or_default());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| of_io("read", path, error))?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > limit) {
        return Err(AccessError::TooLarge { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// A file to append to, made with that mode where it is missing. A pipe or a device is opened too, without waiting for
/// whoever is at its other end.
///
/// # Errors
/// [`AccessError`] where it cannot be opened or made, or others could change it.
pub(crate) fn append(path: &Path, mode: Mode) -> Result<File, AccessError> {
    match Walk::along(path)?.find()? {
        Found::Directory(directory) => Err(AccessError::NotAFile(directory.path().to_path_buf())),
        Found::Name(directory, name) => directory.append(&name, mode),
    }
}

/// Checks a socket that is to be sent to: whoever could exchange it would be told what is meant for another.
///
/// # Errors
/// [`AccessError`] where it is missing, no socket, or others could have made it.
pub(crate) fn check_socket(path: &Path) -> Result<(), AccessError> {
    match Walk::along(path)?.find()? {
        Found::Directory(directory) => Err(AccessError::NotASocket(directory.path().to_path_buf())),
        Found::Name(directory, name) => match directory.look(&name)? {
            Some(FileType::Socket) => Ok(()),
            Some(_) => Err(AccessError::NotASocket(directory.path().join(&name))),
            None => Err(AccessError::Missing(directory.path().join(&name))),
        },
    }
}

#[cfg(test)]
mod tests;
