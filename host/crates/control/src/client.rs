//! The client end of the control socket, for the commands: blocking, one request after the other.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::follow::{Follow, Following};
use crate::message::{LINE_MAX, Request, Response};

/// Longer than the daemon allows any answer to take.
const ANSWER_TIME: Duration = Duration::from_secs(90);
/// Longest answer in bytes. An answer may be longer than a request: the status of many plugins.
const ANSWER_MAX: u64 = 64 << 20;

/// Why a request to the daemon failed.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("no ctwarden runs at {0}; start it with `ctwarden run --config FILE`, or name its socket with --socket")]
    NotRunning(PathBuf),
    #[error("{0} is for root and its group only; run as root or join that group (`ls -l {0}` shows it)")]
    NotAllowed(PathBuf),
    /// The request is too long.
    #[error("the message is longer than the allowed {LINE_MAX} bytes; send it in parts")]
    TooLong,
    /// The daemon has closed the connection.
    #[error("the daemon at {0} closed the connection; look at its log")]
    HungUp(PathBuf),
    /// The daemon does not answer.
    #[error("the daemon at {path} did not answer within {ANSWER_TIME:?}; look at its log")]
    Silent { path: PathBuf },
    /// The daemon uses another version of the protocol.
    #[error(
        "this version does not understand the answer of the daemon at {path}: {error}; use the daemon's own version"
    )]
    Answer {
        path: PathBuf,
        /// What is wrong with the answer.
        error: serde_json::Error,
    },
    /// The daemon does not fulfil the request.
    #[error("{0}")]
    Refused(String),
    /// A system call failed.
    #[error("cannot talk to the daemon at {path}: {error}; look at its log")]
    Io { path: PathBuf, error: io::Error },
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// Connects to the daemon's socket.
    ///
    /// # Errors
    /// [`ClientError`] with the remedy.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let of_io = |error: io::Error| {
            let path = path.to_path_buf();
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
                ClientError::NotRunning(path)
            } else if error.kind() == ErrorKind::PermissionDenied {
                ClientError::NotAllowed(path)
            } else {
                ClientError::Io { path, error }
            }
        };
        let stream = UnixStream::connect(path).map_err(of_io)?;
        stream.set_read_timeout(Some(ANSWER_TIME)).map_err(of_io)?;
        stream.set_write_timeout(Some(ANSWER_TIME)).map_err(of_io)?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_path_buf() })
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`]. A refusal by the daemon is not an error but [`Response::Error`].
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        let answer_error = |error| ClientError::Answer { path: self.path.clone(), error };
        let mut line = serde_json::to_vec(request).map_err(answer_error)?;
        line.push(b'\n');
        if line.len() > LINE_MAX {
            return Err(ClientError::TooLong);
        }
        // A daemon that refuses the connection answers and hangs up before it reads. Its answer matters more than a
        // write error.
        let written = self.stream.get_mut().write_all(&line);
        let mut answer = Vec::new();
        let read = (&mut self.stream).take(ANSWER_MAX).read_until(b'\n', &mut answer);
        let of_io = |error: io::Error| {
            let path = self.path.clone();
            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
                ClientError::Silent { path }
            } else if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
                ClientError::HungUp(path)
            } else {
                ClientError::Io { path, error }
            }
        };
        if let Err(error) = read {
            return Err(of_io(written.err().unwrap_or(error)));
        }
        if !answer.ends_with(b"\n") {
            return Err(written.err().map_or_else(|| ClientError::HungUp(self.path.clone()), of_io));
        }
        serde_json::from_slice(&answer).map_err(answer_error)
    }

    /// Sends a request and waits for the answer, as [`Self::ask`] does.
    ///
    /// # Errors
    /// [`ClientError`], also if the daemon refuses the request.
    pub fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        let response = self.ask(request)?;
        if let Response::Error(why) = response { Err(ClientError::Refused(why)) } else { Ok(response) }
    }

    /// Follows records: sends the request and returns the daemon's answer with the stream of records.
    ///
    /// # Errors
    /// [`ClientError`], also if the daemon refuses the request.
    pub fn follow(mut self, follow: &Follow) -> Result<(Following, Records), ClientError> {
        let response = self.request(&Request::Follow(Box::new(follow.clone())))?;
        let Response::Following(following) = response else { return Err(self.unexpected(&response)) };
        let of_io = |error| ClientError::Io { path: self.path.clone(), error };
        // A record may take any time to come.
        self.stream.get_mut().set_read_timeout(None).map_err(of_io)?;
        Ok((following, Records { stream: self.stream, path: self.path }))
    }

    /// The error about an answer to another request.
    #[must_use]
    pub fn unexpected(&self, answer: &Response) -> ClientError {
        let error = serde::de::Error::custom(format_args!("it is the answer to another request: {}", answer.name()));
        ClientError::Answer { path: self.path.clone(), error }
    }
}

/// The records that a client follows.
#[derive(Debug)]
pub struct Records {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Records {
    /// Waits for the next record: one line of JSON without its end. `None` after the daemon has closed the connection.
    ///
    /// # Errors
    /// [`ClientError::Io`] if the connection fails.
    pub fn next_line(&mut self) -> Result<Option<String>, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(ANSWER_MAX).read_until(b'\n', &mut line);
        match read {
            Ok(_) if line.pop() == Some(b'\n') => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            // The daemon has ended in the middle of a line, or between two.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(ClientError::Io { path: self.path.clone(), error }),
        }
    }

    /// Whether a line can be read without waiting, as far as known.
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        !self.stream.buffer().is_empty()
    }
}

impl AsFd for Records {
    /// The connection, to wait for it together with others.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.get_ref().as_fd()
    }
}
