//! Which threads go first where the processors are short: those that read events and carry verdicts out.
//!
//! The kernel puts events into a finite buffer, whether or not anybody has time to read. Programs that send packets, and plugins,
//! may wait for a processor; whoever reads events loses what does not fit meanwhile.

use std::io;

use rustix::process::{getpriority_process, setpriority_process};

/// Niceness of a thread: from -20, which goes first, to 19, which goes last (setpriority(2)). A thread that starts another one
/// hands it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Niceness(pub i32);

impl Niceness {
    /// At most that of the loop if nobody says otherwise: it gets nine tenths of a processor that it shares with an ordinary
    /// thread.
    pub(crate) const OF_LOOP: Self = Self(-10);
    /// Goes first.
    pub(crate) const FIRST: Self = Self(-20);
    /// Goes last.
    pub(crate) const LAST: Self = Self(19);

    /// That of the calling thread.
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self(getpriority_process(None)?))
    }

    /// Makes it that of the calling thread, which needs `CAP_SYS_NICE` where it is less than it has.
    pub(crate) fn take(self) -> io::Result<()> {
        // On Linux no process id means the calling thread, and no other one of its process.
        Ok(setpriority_process(None, self.0)?)
    }
}
