//! Opening paths that only root and the daemon's own user could have changed.
//!
//! The daemon acts as root. Suppose another user can write a file, or owns a directory on the way and can replace the
//! file. Then that user controls the network, or makes root write to a file of their choice. So every path that the
//! daemon opens goes through this module: configuration, components, set files, state, compiled code, records, alerts,
//! the control socket and its lock.
//!
//! A path is walked name by name from the root, and each name is looked up in a directory that is held open. Links are
//! read from the handle that was checked. Nothing can be exchanged between a check and its use.

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

/// Opens a regular file for reading.
///
/// # Errors
/// [`AccessError`] if the file cannot be read or others could change it.
pub(crate) fn open(path: &Path) -> Result<File, AccessError> {
    match Walk::along(path)?.find()? {
        Found::Directory(directory) => Err(AccessError::NotAFile(directory.path().to_path_buf())),
        Found::Name(directory, name) => directory.open_file(&name),
    }
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and if the file is larger than the limit.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, AccessError> {
    read_from(open(path)?, path, limit)
}

/// Reads all of an open file, unless it is larger than the limit.
pub(crate) fn read_from(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, AccessError> {
    // Reserve the whole length at once: growing step by step copies a large component several times.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length.saturating_add(1)).unwrap_or_default());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| of_io("read", path, error))?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > limit) {
        return Err(AccessError::TooLarge { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// Opens a file to append to, and creates it with `mode` if it is missing. A pipe or a device is opened too, without
/// waiting for the other end.
///
/// # Errors
/// [`AccessError`] if the file cannot be opened or created, or others could change it.
pub(crate) fn append(path: &Path, mode: Mode) -> Result<File, AccessError> {
    match Walk::along(path)?.find()? {
        Found::Directory(directory) => Err(AccessError::NotAFile(directory.path().to_path_buf())),
        Found::Name(directory, name) => directory.append(&name, mode),
    }
}

/// Checks a socket before something is sent to it: a user who could exchange the socket would receive messages for
/// another.
///
/// # Errors
/// [`AccessError`] if the path is missing or no socket, or others could have created it.
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
