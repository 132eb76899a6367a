//! Ctrl-C, a closed terminal and SIGTERM, noted instead of obeyed, so that the demo ends the daemon and removes its files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

/// Signals that nobody waits for yet.
pub(super) struct Blocked(SigSet);

/// Blocks the signals for this thread and for all threads that it starts from now on.
pub(super) fn block() -> Result<Blocked> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM].into_iter().collect();
    signals.thread_block().context("cannot block signals")?;
    Ok(Blocked(signals))
}

impl Blocked {
    /// Starts the thread that waits for them.
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

/// Whether somebody wants the demo to end.
pub(super) struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    pub(super) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
