//! The programs that run at the moment, so that an interrupt leaves none behind.

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running program. Dropping this value kills the program.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Registers the program for [`end_all`].
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

    /// Sends a signal. The program may have ended already.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.0.id(), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // The program may have ended a moment ago.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
        running().remove(&self.0.id());
    }
}

/// Kills all registered programs.
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
