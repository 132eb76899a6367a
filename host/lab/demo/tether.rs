//! Starts programs that end with this process, however this process ends.
//!
//! The kernel signals a process at the end of its parent only if the process has asked for the signal
//! (`PR_SET_PDEATHSIG`, prctl(2)). `ctwarden` does not ask. So the demo starts itself a second time, asks there, and
//! becomes `ctwarden`. The request survives execve(2).

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

/// First argument of the second start. The parent's process id, the program and its arguments follow.
const TETHERED: &str = "--tethered-to";

/// Longest wait until the program has exited after SIGTERM.
const END_TIME: Duration = Duration::from_secs(10);

/// The command that starts the program. Only the main thread may spawn it: the kernel sends the signal at the end of
/// the spawning thread, not of the process.
pub(super) fn command(program: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(TETHERED).arg(std::process::id().to_string()).arg(program).stdin(Stdio::null());
    Ok(command)
}

/// A running program. It ends when the value is dropped, and with this process.
pub(super) struct TetheredProgram {
    child: Child,
}

impl TetheredProgram {
    /// Starts the program in its own process group, so that Ctrl-C in the terminal does not reach it.
    pub(super) fn start<'a>(program: &Path, words: impl IntoIterator<Item = &'a OsStr>) -> io::Result<Self> {
        let child = command(program)?.args(words).process_group(0).stdout(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Whether the program has exited.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the program as a service manager would, and waits for it.
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

impl Drop for TetheredProgram {
    fn drop(&mut self) {
        if !self.has_ended() && self.end().is_err() {
            // If these calls fail too, nothing more can be done.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Becomes the program if [`command`] started this process. Returns an error if that fails, and `None` in any other
/// process.
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
    // The kernel sends no signal for a parent that ended before the request.
    if getppid() != Pid::from_raw(parent) {
        bail!("the demo has ended");
    }
    // The demo blocks signals, and a signal mask survives fork(2) and execve(2).
    SigSet::all().thread_unblock().context("cannot unblock signals")?;
    let error = Command::new(&program).args(words).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
