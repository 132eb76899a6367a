//! Why a path is not used.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a path cannot be trusted or opened.
#[derive(Debug, Error)]
pub(crate) enum AccessError {
    /// The path does not exist.
    #[error("there is no {0}; create it or correct the path")]
    Missing(PathBuf),
    /// The path is a directory or a device.
    #[error("{0} is not a regular file; name the file itself")]
    NotAFile(PathBuf),
    /// The path is not a directory.
    #[error("{0} is not a directory; move it away or name another path")]
    NotADirectory(PathBuf),
    /// The path is not a socket.
    #[error("{0} is not a socket; correct the path")]
    NotASocket(PathBuf),
    /// The file or directory belongs to another user.
    #[error("{path} belongs to user {owner}, so that user could change it; run `chown root {path}` as root")]
    Owner {
        /// The file or directory with the wrong owner.
        path: PathBuf,
        owner: u32,
    },
    /// Users other than the owner can write to the file or directory.
    #[error("{path} can be changed by {who}; run `chmod {mend} {path}`")]
    Writable {
        /// The file or directory that others can write to.
        path: PathBuf,
        who: &'static str,
        /// Argument of chmod that removes the permission.
        mend: &'static str,
    },
    /// An access control list lets others write to the file.
    #[error("{0} has an access control list that lets others change it; run `setfacl -b {0}`")]
    List(PathBuf),
    /// The name may be a second link to a file elsewhere, because everybody can create names in the directory.
    #[error(
        "{0} has more than one hard link, and any user can create links in its directory; copy the file to a directory \
         that only root can change"
    )]
    Linked(PathBuf),
    /// The path contains a loop of symbolic links, or too many of them.
    #[error("{0} has too many symbolic links; name the file itself")]
    Links(PathBuf),
    /// The file is larger than the limit.
    #[error("{path} is larger than {limit} bytes; is it the right file?")]
    TooLarge {
        path: PathBuf,
        /// Largest allowed size in bytes.
        limit: u64,
    },
    /// The path is a pipe that no process reads.
    #[error("no process reads the pipe {0}; start the reader first or name a file")]
    NoReader(PathBuf),
    /// A system call failed.
    #[error("cannot {verb} {path}: {error}; check that the daemon's user may do that")]
    Io {
        verb: &'static str,
        /// The file or directory of the call.
        path: PathBuf,
        /// The error of the system call.
        error: io::Error,
    },
}

/// An error of a system call on a path.
pub(super) fn of_io(verb: &'static str, path: &Path, error: impl Into<io::Error>) -> AccessError {
    let error = error.into();
    if error.kind() == io::ErrorKind::NotFound {
        AccessError::Missing(path.to_path_buf())
    } else {
        AccessError::Io { verb, path: path.to_path_buf(), error }
    }
}
