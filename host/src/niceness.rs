//! Which threads go first where the processors are short: those that read events and carry verdicts out.
//!
//! The kernel puts events into a finite buffer, whether or not anybody has time to read. Programs that send packets, and plugins,
//! may wait for a processor; whoever reads events loses what does not fit meanwhile.

use std::io;
use std::sync::OnceLock;

use rustix::process::{getpriority_process, setpriority_process};

/// Niceness of a thread: from -20, which goes first, to 19, which goes last (setpriority(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Niceness(pub i32);

/// Niceness before the first call of [`Niceness::raise_priority`].
static STARTED_WITH: OnceLock<Niceness> = OnceLock::new();

impl Niceness {
    /// At most that of the loop if nobody says otherwise: it gets nine tenths of a processor that it shares with an ordinary
    /// thread.
    pub(crate) const OF_LOOP: Self = Self(-10);
    pub(crate) const FIRST: Self = Self(-20);
    pub(crate) const LAST: Self = Self(19);

    /// Gives the calling thread this niceness, where it has a larger one, and all threads that it starts from here on. Needs
    /// `CAP_SYS_NICE`.
    pub(crate) fn raise_priority(self) -> io::Result<()> {
        // On Linux no process id means the calling thread, and no other one of its process.
        let here = Self(getpriority_process(None)?);
        STARTED_WITH.get_or_init(|| here);
        if here > self { self.take() } else { Ok(()) }
    }

    /// Gives the calling thread the niceness that the program was started with. A thread inherits the priority of the one that
    /// spawns it; call this in a thread that is not latency-critical.
    pub(crate) fn lower_priority() {
        if let Some(ordinary) = STARTED_WITH.get() {
            // It goes from less to more, which is always allowed; and if not, nothing is worse than late.
            let _ = ordinary.take();
        }
    }

    fn take(self) -> io::Result<()> {
        Ok(setpriority_process(None, self.0)?)
    }
}
