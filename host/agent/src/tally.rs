//! What the agent itself has sent, lost and still holds, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number of the tally.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The number, which begins at zero again.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Records that the daemon told the agent.
    pub(crate) followed: Count,
    /// Records that the daemon could not tell the agent, because the agent was too slow.
    pub(crate) missed: Count,
    pub(crate) syslog_sent: Count,
    pub(crate) syslog_lost: Count,
    pub(crate) webhook_sent: Count,
    /// Alerts that found the spool full, or that the webhook refused for good.
    pub(crate) webhook_lost: Count,
    /// Alerts that wait for the webhook.
    pub(crate) webhook_waiting: Count,
    /// Alerts that the daemon has held back as repetitions or over budget.
    pub(crate) held_back: Count,
}
