//! Programs that end with this process, however this process ends.
//!
//! The kernel signals a process at the end of its parent only if the process itself asked for that (`PR_SET_PDEATHSIG`, prctl(2)).
//! `ctwarden` does not ask. So the demo starts itself a second time, asks there, and becomes `ctwarden`: the request outlives
//! execve(2).

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getppid};

/// First word of the second start; the number of the parent, the program and its words follow.
const TETHERED: &str = "--tethered-to";

/// How long the program may take to end in order.
const END_TIME: Duration = Duration::from_secs(10);

/// The command that starts the program. The kernel takes the end of the thread that spawns it for the end of the parent, so only the
/// main thread may do that.
pub(super) fn command(program: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(TETHERED).arg(std::process::id().to_string()).arg(program).stdin(Stdio::null());
    Ok(command)
}

/// A program that runs until it is stopped. It ends with the value, and with this process.
pub(super) struct Service {
    child: Child,
}

impl Service {
    /// Starts it, out of reach of the terminal's Ctrl-C.
    pub(super) fn start<'a>(program: &Path, words: impl IntoIterator<Item = &'a OsStr>) -> io::Result<Self> {
        let child = command(program)?.args(words).process_group(0).stdout(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a service manager would, and waits.
    pub(super) fn stop(mut self) -> io::Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        let since = Instant::now();
        while since.elapsed() < END_TIME {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.has_ended() && self.end().is_err() {
            // Nothing more can be done if these fail.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Becomes the program if [`command`] started this process; returns an error if that fails, and none in any other process.
pub(super) fn become_program() -> Option<Error> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != TETHERED {
        return None;
    }
    become_tethered(words).err()
}

fn become_tethered(mut words: impl Iterator<Item = OsString>) -> Result<Infallible> {
    let parent: i32 = words.next().as_deref().and_then(OsStr::to_str).context("no parent is given")?.parse()?;
    let program = words.next().context("no program is given")?;
    set_pdeathsig(Signal::SIGTERM).context("cannot ask for a signal at the parent's end")?;
    // A parent that ended before the request is not told.
    if getppid() != Pid::from_raw(parent) {
        bail!("the demo has ended");
    }
    // The demo blocks signals, and a mask outlives fork(2) and execve(2), too.
    SigSet::all().thread_unblock().context("cannot unblock signals")?;
    let error = Command::new(&program).args(words).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
