//! Lines that wait to be written, bounded in bytes. If room is short, the daemon's own lines have priority over those
//! of plugins.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Largest number of bytes of the waiting lines.
const BYTES_MAX: usize = 1 << 20;
/// The part that plugins may fill. The rest is always free for messages of the daemon.
const BYTES_OF_PLUGINS: usize = BYTES_MAX / 2;
/// Overhead of a waiting line in addition to its bytes.
const LINE_BYTES: usize = 64;

/// The author of a line, which decides how much room it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Daemon,
    Plugin,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    /// Signals a new line, or that all lines are written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    lines: VecDeque<String>,
    bytes: usize,
    /// Whether a line is being written.
    writing: bool,
    lost: u64,
    told: u64,
}

fn cost(line: &str) -> usize {
    line.len().saturating_add(LINE_BYTES)
}

impl Queue {
    /// The lock is held only for moments. The state is valid even if the lock is poisoned.
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line with its end, or counts it as lost if there is no room. Never waits for the writer.
    pub(super) fn put(&self, speaker: Speaker, line: String) {
        let limit = match speaker {
            Speaker::Daemon => BYTES_MAX,
            Speaker::Plugin => BYTES_OF_PLUGINS,
        };
        let mut state = self.state();
        let bytes = state.bytes.saturating_add(cost(&line));
        if bytes > limit {
            state.lost = state.lost.saturating_add(1);
            return;
        }
        state.bytes = bytes;
        state.lines.push_back(line);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next line. The caller must call [`Queue::written`] afterwards.
    pub(super) fn take(&self) -> String {
        let mut state = self.state();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.writing = true;
                return line;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that the line taken last is written, or lost.
    pub(super) fn written(&self, line: &str, written: bool) {
        let mut state = self.state();
        state.writing = false;
        state.bytes = state.bytes.saturating_sub(cost(line));
        state.lost = state.lost.saturating_add(u64::from(!written));
        drop(state);
        self.changed.notify_all();
    }

    /// Lines lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.state().lost
    }

    /// Lost lines that are not reported yet; `None` if there are none.
    pub(super) fn untold(&self) -> Option<u64> {
        let state = self.state();
        Some(state.lost.saturating_sub(state.told)).filter(|untold| *untold > 0)
    }

    /// Notes that `lines` lost lines were reported.
    pub(super) fn told(&self, lines: u64) {
        let mut state = self.state();
        state.told = state.told.saturating_add(lines);
    }

    /// Waits until no line waits or is being written, at most until `until`.
    pub(super) fn wait_until_empty(&self, until: Instant) {
        let mut state = self.state();
        while state.writing || !state.lines.is_empty() {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_floods_the_queue_loses_his_own_lines_and_none_of_the_daemons() {
        let queue = Queue::default();
        for _ in 0..100_000 {
            queue.put(Speaker::Plugin, "x".repeat(1_000));
        }
        let held = queue.state().bytes;
        let lost = queue.lost();
        assert!(held <= BYTES_OF_PLUGINS && lost > 99_000, "{held} {lost}");
        queue.put(Speaker::Daemon, "own".to_owned());
        assert_eq!(queue.lost(), lost);
        for _ in 0..100_000 {
            queue.put(Speaker::Daemon, "x".repeat(1_000));
        }
        assert!(queue.state().bytes <= BYTES_MAX);
    }

    #[test]
    fn what_is_lost_is_told_once() {
        let queue = Queue::default();
        queue.put(Speaker::Daemon, "one".to_owned());
        let line = queue.take();
        queue.written(&line, false);
        assert_eq!((queue.lost(), queue.untold()), (1, Some(1)));
        queue.told(1);
        assert_eq!((queue.lost(), queue.untold()), (1, None));
        // No line waits.
        queue.wait_until_empty(Instant::now());
        assert_eq!(queue.state().bytes, 0);
    }
}
