//! Why a path is not used.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a path cannot be trusted or opened.
#[derive(Debug, Error)]
pub(crate) enum AccessError {
    /// It is not there.
    #[error("there is no {0}; create it or correct the path")]
    Missing(PathBuf),
    /// It is a directory or a device.
    #[error("{0} is not a regular file; name the file itself")]
    NotAFile(PathBuf),
    /// It is something else.
    #[error("{0} is not a directory; move it away or name another path")]
    NotADirectory(PathBuf),
    /// It is something else.
    #[error("{0} is not a socket; correct the path")]
    NotASocket(PathBuf),
    /// It belongs to somebody.
    #[error("{path} belongs to user {owner}, who could change it; run `chown root {path}` as root")]
    Owner {
        /// The file or directory.
        path: PathBuf,
        owner: u32,
    },
    /// Others than its owner can write to it.
    #[error("{path} can be changed by {who}; run `chmod {mend} {path}`")]
    Writable {
        /// The file or directory.
        path: PathBuf,
        who: &'static str,
        /// Argument of chmod that ends it.
        mend: &'static str,
    },
    /// An access control list lets others write to it.
    #[error("{0} has an access control list that lets others change it; run `setfacl -b {0}`")]
    List(PathBuf),
    /// Another name of a file from elsewhere, in a directory where everybody can make names.
    #[error(
        "{0} has more than one name, and any user can make names in its directory; copy the file to a directory that only \
         root can change"
    )]
    Linked(PathBuf),
    /// The way leads in circles.
    #[error("{0} has too many symbolic links; name the file itself")]
    Links(PathBuf),
    /// Larger than anything that is meant.
    #[error("{path} is larger than {limit} bytes; is it the right file?")]
    TooLarge {
        path: PathBuf,
        /// Bytes it may have.
        limit: u64,
    },
    /// A pipe that nobody reads.
    #[error("{0} is a pipe that nobody reads; start the reader first or name a file")]
    NoReader(PathBuf),
    /// The system would not.
    #[error("cannot {verb} {path}: {error}; check that the daemon's user may do that")]
    Io {
        verb: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// What the system said about a path.
pub(super) fn of_io(verb: &'static str, path: &Path, error: impl Into<io::Error>) -> AccessError {
    let error = error.into();
    if error.kind() == io::ErrorKind::NotFound {
        AccessError::Missing(path.to_path_buf())
    } else {
        AccessError::Io { verb, path: path.to_path_buf(), error }
    }
}
