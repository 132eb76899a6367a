//! What an instance keeps for `wasi:io/poll`: its clock, and the next moment for which it waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The plugin's clock, and the time of the next alarm that it waits for.
pub(crate) struct Waits {
    origin: Instant,
    due: Due,
}

/// The earliest time among the polled alarms that are not over. The alarms share it.
#[derive(Clone, Default)]
pub(crate) struct Due(Arc<Mutex<Option<Instant>>>);

impl Due {
    pub(crate) fn at(&self, moment: Instant) {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *due = Some(due.map_or(moment, |earlier| earlier.min(moment)));
    }

    pub(crate) fn take(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), due: Due::default() }
    }

    pub(crate) fn due(&self) -> Due {
        self.due.clone()
    }

    /// Nanoseconds since the instance began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
