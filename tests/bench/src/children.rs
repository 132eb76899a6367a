//! Programs that run at the moment, so that an interrupt leaves none behind.

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that is ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Keeps it in mind.
    pub(crate) fn new(child: Child) -> Self {
        running().insert(child.id());
        Self(child)
    }

    pub(crate) const fn get(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal; it may have ended meanwhile.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.0.id(), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It may have ended just now.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
        running().remove(&self.0.id());
    }
}

/// Ends all that run.
pub(crate) fn end_all() {
    for id in running().iter() {
        send(*id, Signal::SIGKILL);
    }
}

fn send(id: u32, signal: Signal) {
    if let Ok(id) = i32::try_from(id) {
        // A program that has ended needs no signal.
        let _ = kill(Pid::from_raw(id), signal);
    }
}
