//! Scheduling priority: threads that read events and apply verdicts run first when processors are short.
//!
//! The kernel puts events into a finite buffer even if no thread reads them. Programs that send packets, and plugins,
//! can wait for a processor. The thread that reads events cannot: events that do not fit into the buffer meanwhile are
//! lost.

use std::io;
use std::sync::OnceLock;

use rustix::process::{getpriority_process, setpriority_process};

/// Niceness of a thread: from -20, which goes first, to 19, which goes last (setpriority(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Niceness(pub i32);

/// Niceness before the first call of [`Niceness::raise_priority`].
static STARTED_WITH: OnceLock<Niceness> = OnceLock::new();

impl Niceness {
    /// Default upper bound of the loop's niceness: with it the loop gets nine tenths of a processor that it shares with
    /// an ordinary thread.
    pub(crate) const OF_LOOP: Self = Self(-10);
    pub(crate) const FIRST: Self = Self(-20);
    pub(crate) const LAST: Self = Self(19);

    /// Sets this niceness for the calling thread, if the thread has a larger one, and for all threads that it starts
    /// from now on. Needs `CAP_SYS_NICE`.
    pub(crate) fn raise_priority(self) -> io::Result<()> {
        // On Linux, no process id means the calling thread only, not its whole process.
        let here = Self(getpriority_process(None)?);
        STARTED_WITH.get_or_init(|| here);
        if here > self { self.take() } else { Ok(()) }
    }

    /// Gives the calling thread the niceness with which the program was started. A thread inherits the priority of the
    /// thread that spawns it; call this in a thread that is not latency-critical.
    pub(crate) fn lower_priority() {
        if let Some(ordinary) = STARTED_WITH.get() {
            // Raising the niceness is always allowed. If it fails all the same, the thread runs on with the higher
            // priority.
            let _ = ordinary.take();
        }
    }

    fn take(self) -> io::Result<()> {
        Ok(setpriority_process(None, self.0)?)
    }
}
