//! The daemon's end of the control socket.
//!
//! The server moves lines: it sends each request into a channel together with a channel for the answer, and the event
//! loop answers. Lines, clients and times are bounded, so a client can neither fill the memory nor block the daemon.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ctwarden_control::{Follow, LINE_MAX, Request, Response, plain_json};
use nix::unistd::{Gid, Uid};
use rustix::fs::{FileType, Mode};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, UCred};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::seats::{Seat, Seats};
use crate::config::ControlGroup;
use crate::following::Followers;
use crate::trusted_path::{AccessError, Directory};

/// Time within which a line must be complete once it has begun. Between lines a client may wait without a limit: `send`
/// reads from pipes.
const LINE_TIME: Duration = Duration::from_secs(10);
/// Time within which an answer must be ready. It is longer than a call of a plugin and the outcomes of its verdicts
/// take by default.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Time within which a client must read its answer.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// How many bytes of records are written at once, about.
const WRITE_MAX: usize = 64 << 10;

/// A request and the channel for its answer. If that channel is dropped, the client gets "stopping".
#[derive(Debug)]
pub(crate) struct ControlRequest {
    pub request: Request,
    /// Takes the answer of the event loop.
    pub answer: oneshot::Sender<Response>,
}

/// Why the socket could not be created.
#[derive(Debug, Error)]
pub(crate) enum BindError {
    /// The directory cannot be created, or other users could replace its content.
    #[error("control socket: {0}; or name another path in [daemon] control")]
    Access(#[from] AccessError),
    /// The path has no file name.
    #[error("{0} names no file; write the path of a socket in [daemon] control")]
    NoName(PathBuf),
    /// Another daemon uses the socket.
    #[error("{path} belongs to a running ctwarden (process {pid}); stop that process or set another [daemon] control")]
    InUse {
        path: PathBuf,
        /// Process id of that daemon, as far as known.
        pid: String,
    },
    /// A file that is no socket has this name.
    #[error("{0} exists and is not a socket; move it away or name another path in [daemon] control")]
    NotASocket(PathBuf),
    /// The group cannot be set.
    #[error(
        "cannot give {path} to the group {group}: {error}; run as root, or name a group of the daemon's user in [daemon] control-group"
    )]
    Group {
        /// The socket or its directory.
        path: PathBuf,
        group: String,
        error: io::Error,
    },
    /// A system call failed.
    #[error("cannot listen at {path}: {error}; name another path in [daemon] control")]
    Io { path: PathBuf, error: io::Error },
}

/// The bound and locked socket. Dropping it removes the socket.
#[derive(Debug)]
pub(crate) struct ControlServer {
    listener: StdListener,
    directory: Directory,
    name: OsString,
    gid: u32,
    /// Locked while the daemon runs. The holder of the lock may replace the socket of a daemon that died.
    _lock: File,
}

impl ControlServer {
    /// Creates the socket for root and a group (`None`: the process's own). The directory is created if it is missing.
    ///
    /// # Errors
    /// [`BindError`] that names the path and the remedy.
    pub(crate) fn bind(path: &Path, group: Option<&ControlGroup>) -> Result<Self, BindError> {
        let of_io = |error| BindError::Io { path: path.to_path_buf(), error };
        let name = path.file_name().ok_or_else(|| BindError::NoName(path.to_path_buf()))?;
        let directory = directory(path.parent().unwrap_or(Path::new("/")), group)?;
        let lock = lock(&directory, name)?;
        match directory.look(name)? {
            None => {}
            Some(FileType::Socket) => directory.remove(name)?,
            Some(_) => return Err(BindError::NotASocket(path.to_path_buf())),
        }
        // No other user can change what the path leads to: its directory was checked, and so were all above it.
        let listener = StdListener::bind(path).map_err(of_io)?;
        let gid = group.map_or_else(|| Gid::effective().as_raw(), |group| group.gid);
        // From here on a failure removes the socket again.
        let server = Self { listener, directory, name: name.to_owned(), gid, _lock: lock };
        if let Some(group) = group {
            let given = server.directory.give_to_group(name, group.gid);
            given.map_err(|error| BindError::group(path, group, error))?;
        }
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
        server.directory.set_mode(name, mode).map_err(of_io)?;
        server.listener.set_nonblocking(true).map_err(of_io)?;
        Ok(server)
    }

    /// Serves clients until the receiver of the channel is dropped. Runs on a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// If the socket cannot be registered with the runtime.
    pub(crate) async fn serve(self, requests: mpsc::Sender<ControlRequest>, followers: Followers) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let seats = Arc::new(Seats::default());
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => {
                        // Most likely no file descriptors are left. Some clients end before long.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = requests.closed() => return Ok(()),
            };
            let (requests, seats, followers) = (requests.clone(), Arc::clone(&seats), followers.clone());
            let gid = self.gid;
            tokio::spawn(async move {
                let privileged = stream.peer_cred().is_ok_and(|peer| is_privileged(&peer));
                let seat = match stream.peer_cred() {
                    Ok(peer) if may_ask(&peer, gid) => seats.take(peer.uid(), privileged),
                    Ok(peer) => {
                        Err(format!("user {} may not use this socket; run as root or join its group", peer.uid()))
                    }
                    Err(error) => Err(format!("cannot read the user of this connection: {error}")),
                };
                let (from, to) = stream.into_split();
                let mut client = Connection { from: BufReader::new(from), to, requests, followers, privileged };
                match seat {
                    Err(refusal) => drop(client.answer(&Response::Error(refusal)).await),
                    Ok(seat) => drop(client.serve(&seat).await),
                }
            });
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // The lock ensures that this is our socket.
        drop(self.directory.remove(&self.name));
    }
}

impl BindError {
    fn group(path: &Path, group: &ControlGroup, error: io::Error) -> Self {
        Self::Group { path: path.to_path_buf(), group: group.name.clone(), error }
    }
}

/// Opens the directory of the socket. A new directory is open to the group and to no other users.
fn directory(path: &Path, group: Option<&ControlGroup>) -> Result<Directory, BindError> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Directory::open(path)?) };
    let above = Directory::open_or_make(above, Mode::from_raw_mode(0o755))?;
    // A link leads to a directory that belongs to the operator.
    if above.look(name)?.is_some() {
        return Ok(Directory::open(path)?);
    }
    let made = above.make(name, Mode::RWXU | Mode::RGRP | Mode::XGRP)?;
    if let Some(group) = group {
        above.give_to_group(name, group.gid).map_err(|error| BindError::group(path, group, error))?;
    }
    Ok(made)
}

/// Takes the lock next to the socket, and writes our process id into it for a second daemon to report.
fn lock(directory: &Directory, socket: &OsStr) -> Result<File, BindError> {
    let mut name = socket.to_owned();
    name.push(".lock");
    let of_io = |error| BindError::Io { path: directory.path().join(&name), error };
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
    let mut file = directory.open_or_make_file(&name, mode)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            drop(file.take(20).read_to_string(&mut pid));
            let pid = pid.trim();
            let pid = if pid.is_empty() { "unknown" } else { pid }.to_owned();
            return Err(BindError::InUse { path: directory.path().join(socket), pid });
        }
        Err(TryLockError::Error(error)) => return Err(of_io(error)),
    }
    file.set_len(0).map_err(of_io)?;
    file.seek(SeekFrom::Start(0)).map_err(of_io)?;
    writeln!(file, "{}", std::process::id()).map_err(of_io)?;
    Ok(file)
}

/// Whether the peer is root, the daemon's own user, or a member of the group. The kernel has already checked the
/// socket's mode. This check holds even if the mode was loosened.
fn may_ask(peer: &UCred, gid: u32) -> bool {
    is_privileged(peer) || peer.gid() == gid || has_group(peer.pid(), gid)
}

/// Whether the peer is root or the daemon's own user. No other user may keep these out.
fn is_privileged(peer: &UCred) -> bool {
    peer.uid() == 0 || peer.uid() == Uid::effective().as_raw()
}

/// Whether the process has the group among its supplementary groups (proc_pid_status(5)). False if the process is gone.
fn has_group(pid: Option<i32>, gid: u32) -> bool {
    let Some(pid) = pid else { return false };
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    groups.is_some_and(|groups| groups.split_whitespace().any(|group| group.parse() == Ok(gid)))
}

struct Connection {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
    requests: mpsc::Sender<ControlRequest>,
    followers: Followers,
    /// Whether the client is root or the daemon's own user.
    privileged: bool,
}

/// Why no line was read.
enum NoLine {
    /// The client has disconnected.
    End,
    /// The client gets the reason and is cut off, because the start of the next line is unknown.
    Refused(String),
}

impl Connection {
    async fn serve(&mut self, seat: &Seat) -> io::Result<()> {
        loop {
            seat.serve(false);
            let line = tokio::select! {
                line = self.line() => line?,
                () = seat.leave() => return self.make_room().await,
            };
            // Half a line does not keep a seat: only a whole request is served.
            if !seat.serve(true) {
                return self.make_room().await;
            }
            let line = match line {
                Ok(line) => line,
                Err(NoLine::End) => return Ok(()),
                Err(NoLine::Refused(why)) => return self.answer(&Response::Error(why)).await,
            };
            let response = match serde_json::from_slice(&line) {
                Ok(Request::Follow(follow)) => return self.follow(&follow).await,
                Ok(request) => self.ask(request).await,
                Err(error) => {
                    let forms = "for example \"status\" or {\"send\":{\"plugin\":\"NAME\",\"text\":\"…\"}}";
                    Response::Error(format!("not a request: {error}; write {forms}"))
                }
            };
            self.answer(&response).await?;
        }
    }

    /// Writes records until the client closes its end of the connection. A client may stop reading for any time: it
    /// holds one of few places and a bounded queue.
    async fn follow(&mut self, follow: &Follow) -> io::Result<()> {
        let mut followed = match self.followers.follow(follow, self.privileged).await {
            Ok(followed) => followed,
            Err(why) => return self.answer(&Response::Error(why)).await,
        };
        self.answer(&Response::Following(std::mem::take(&mut followed.following))).await?;
        for line in std::mem::take(&mut followed.kept) {
            self.to.write_all(line.as_bytes()).await?;
        }
        let Some(lines) = &mut followed.lines else { return Ok(()) };
        let mut gathered = Vec::new();
        loop {
            gathered.clear();
            tokio::select! {
                line = lines.next() => match line {
                    Some(line) => gathered.extend_from_slice(line.as_bytes()),
                    None => return Ok(()),
                },
                // The end of the client, or a request that cannot be answered any more.
                _ = self.from.fill_buf() => return Ok(()),
            }
            while gathered.len() < WRITE_MAX
                && let Some(line) = lines.next_now()
            {
                gathered.extend_from_slice(line.as_bytes());
            }
            self.to.write_all(&gathered).await?;
        }
    }

    async fn make_room(&mut self) -> io::Result<()> {
        let why = "this waiting connection was closed to make room for another; nothing was done, connect again";
        self.answer(&Response::Error(why.to_owned())).await
    }

    async fn line(&mut self) -> io::Result<Result<Vec<u8>, NoLine>> {
        // Only the wait for the first byte has no limit.
        if self.from.fill_buf().await?.is_empty() {
            return Ok(Err(NoLine::End));
        }
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        let mut limited = (&mut self.from).take(limit);
        match timeout(LINE_TIME, limited.read_until(b'\n', &mut line)).await {
            Err(_) => Ok(Err(NoLine::Refused(format!("the line did not end within {LINE_TIME:?}")))),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) if line.ends_with(b"\n") => Ok(Ok(line)),
            Ok(Ok(_)) if line.len() >= LINE_MAX => {
                Ok(Err(NoLine::Refused(format!("the line is longer than {LINE_MAX} bytes; send less at once"))))
            }
            Ok(Ok(_)) => Ok(Err(NoLine::End)),
        }
    }

    async fn ask(&self, request: Request) -> Response {
        let stopping = || Response::Error("the daemon is stopping".to_owned());
        let (answer, answered) = oneshot::channel();
        let exchange = async {
            self.requests.send(ControlRequest { request, answer }).await.ok()?;
            answered.await.ok()
        };
        match timeout(ANSWER_TIME, exchange).await {
            Ok(Some(response)) => response,
            Ok(None) => stopping(),
            Err(_) => Response::Error(format!("no answer within {ANSWER_TIME:?}; look at `ctwarden status`")),
        }
    }

    async fn answer(&mut self, response: &Response) -> io::Result<()> {
        let mut line = plain_json::to_string(response)?;
        line.push('\n');
        timeout(WRITE_TIME, self.to.write_all(line.as_bytes())).await?
    }
}
