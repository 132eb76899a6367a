//! The two signals that end listening in an orderly way.
//!
//! The command reads them from a file descriptor. So no line is cut, and an open document is closed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};

/// SIGINT and SIGTERM, blocked from now on.
pub(super) struct Signals(SignalFd);

/// Why the wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The file is ready.
    Ready,
    /// One of the signals came.
    End,
}

impl Signals {
    /// Blocks the signals; from now on they wait to be read.
    pub(super) fn hold() -> io::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits until the file is ready or one of the signals came.
    pub(super) fn or(&self, file: BorrowedFd<'_>, for_what: PollFlags) -> io::Result<Next> {
        let mut both = [PollFd::new(&self.0, PollFlags::IN), PollFd::from_borrowed_fd(file, for_what)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut both, None))?;
        let [signal, _] = &both;
        Ok(if signal.revents().is_empty() { Next::Ready } else { Next::End })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
