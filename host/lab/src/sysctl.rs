//! Kernel settings, by their names in `sysctl`.
//!
//! Settings below `net` belong to the network namespace of the calling thread, so each host writes its own.

use std::fs;
use std::io;

use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// The kernel does not have the setting, or not in a user namespace.
    NotThere,
}

#[derive(Debug, Error)]
#[error("cannot set {name} to {value} in {path}{}", way_out(source))]
pub struct SysctlError {
    name: &'static str,
    value: String,
    path: String,
    #[source]
    source: io::Error,
}

fn way_out(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
        "; /proc/sys may only be read here, as in a container without all privileges (docker run --privileged)"
    } else {
        ""
    }
}

/// Writes a setting, unless it already has the value.
pub(crate) fn write(name: &'static str, value: &str) -> Result<Written, SysctlError> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    match fs::read_to_string(&path) {
        Ok(present) if present.trim_end() == value => return Ok(Written::Done),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Written::NotThere),
        // A file that cannot be read may still be writable.
        Err(_) => {}
    }
    fs::write(&path, value).map_err(|source| SysctlError { name, value: value.to_owned(), path, source })?;
    Ok(Written::Done)
}
