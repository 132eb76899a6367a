//! Limits how much a plugin may log.
//!
//! The lines of one call are bounded by the caller, but calls come as fast as packets. A log that a packet can fill is
//! of no use.

use std::time::Instant;

/// Lines a second, and most lines at once after a quiet time.
const PER_SECOND: u32 = 100;
const BURST: u32 = 1_000;

/// The allowance of log lines of one plugin.
#[derive(Debug)]
pub(super) struct LogRate {
    lines: f64,
    filled: Instant,
    left_out: u64,
}

impl LogRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { lines: f64::from(BURST), filled: now, left_out: 0 }
    }

    /// Takes one line from the allowance. Returns how many lines were dropped before it, or `None` if nothing is left.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.lines = passed.mul_add(f64::from(PER_SECOND), self.lines).min(f64::from(BURST));
        self.filled = now;
        if self.lines < 1.0 {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines -= 1.0;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_says_too_much_is_cut_short_and_it_is_told() {
        let begin = Instant::now();
        let mut log_rate = LogRate::new(begin);
        let said = (0..5_000).filter(|_| log_rate.take(begin).is_some()).count();
        assert_eq!(said, 1_000);
        let later = begin + Duration::from_millis(105);
        let said: Vec<_> = (0..5_000).filter_map(|_| log_rate.take(later)).collect();
        assert_eq!((said.len(), said[0], said[1]), (10, 4_000, 0));
    }
}
