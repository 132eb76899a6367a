//! Records Ctrl-C, a closed terminal and SIGTERM instead of ending the process, so that the demo can end the daemon and
//! remove its files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

/// Blocked signals, before a thread waits for them.
pub(super) struct Blocked(SigSet);

/// Blocks the signals for this thread and for all threads that it starts later.
pub(super) fn block() -> Result<Blocked> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM].into_iter().collect();
    signals.thread_block().context("cannot block signals")?;
    Ok(Blocked(signals))
}

impl Blocked {
    /// Starts the thread that waits for the signals.
    pub(super) fn watch(self) -> Result<Interrupts> {
        let interrupts = Interrupts(Arc::default());
        let noted = Arc::clone(&interrupts.0);
        let wait = move || {
            if self.0.wait().is_ok() {
                noted.store(true, Ordering::Relaxed);
            }
        };
        thread::Builder::new().name("interrupts".to_owned()).spawn(wait).context("cannot watch for Ctrl-C")?;
        Ok(interrupts)
    }
}

/// Whether a signal has asked the demo to end.
pub(super) struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    pub(super) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
