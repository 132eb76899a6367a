//! How much a plugin may do: a bucket for verdicts a second, a window for the share of the table a minute.
//!
//! The bucket keeps a storm from taking the processor; the share keeps a wrong policy from emptying the table.

use ctwarden_model::Steady;

use crate::PluginLimits;

/// Tokens in billionths, so that a nanosecond at one token a second is a whole number.
const TOKEN: u64 = 1_000_000_000;

/// A token bucket: so many a second, so many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    level: u64,
    filled: Steady,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(burst: u32, now: Steady) -> Self {
        Self { level: u64::from(burst).saturating_mul(TOKEN), filled: now }
    }

    /// Whether a token is there after the time that has passed.
    pub(crate) fn has(&mut self, per_second: u32, burst: u32, now: Steady) -> bool {
        let passed = now.0.saturating_sub(self.filled.0);
        let full = u64::from(burst).saturating_mul(TOKEN);
        self.level = self.level.saturating_add(passed.saturating_mul(per_second.into())).min(full);
        self.filled = self.filled.max(now);
        self.level >= TOKEN
    }

    /// Takes so many tokens if one is there, or what is there of them: whoever takes much waits longer for the next.
    pub(crate) fn take_many(&mut self, tokens: u32, per_second: u32, burst: u32, now: Steady) -> bool {
        let there = self.has(per_second, burst, now);
        if there {
            self.level = self.level.saturating_sub(u64::from(tokens).saturating_mul(TOKEN));
        }
        there
    }

    /// Takes a token if one is there.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32, now: Steady) -> bool {
        let there = self.has(per_second, burst, now);
        if there {
            self.level -= TOKEN;
        }
        there
    }
}

/// Seconds remembered: a minute and the second that is running, so that no minute holds more than the share.
const SECONDS: usize = 61;

/// Deletes in the last minute, by second.
#[derive(Clone, Debug)]
pub(crate) struct LastMinute {
    slots: [u32; SECONDS],
    second: u64,
}

impl LastMinute {
    const fn new() -> Self {
        Self { slots: [0; SECONDS], second: 0 }
    }

    fn advance(&mut self, now: Steady) {
        let second = now.0 / 1_000_000_000;
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for slot in 0..passed {
            self.slot(self.second.saturating_add(slot).saturating_add(1), |count| *count = 0);
        }
        self.second = self.second.max(second);
    }

    fn slot(&mut self, second: u64, change: impl FnOnce(&mut u32)) {
        let index = usize::try_from(second % SECONDS as u64).unwrap_or(0);
        if let Some(count) = self.slots.get_mut(index) {
            change(count);
        }
    }

    fn sum(&mut self, now: Steady) -> u64 {
        self.advance(now);
        self.slots.iter().map(|&count| u64::from(count)).sum()
    }

    fn count(&mut self) {
        self.slot(self.second, |count| *count = count.saturating_add(1));
    }
}

/// What is left of a plugin's budget.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    verdicts: Bucket,
    deleted: LastMinute,
}

impl Budget {
    pub(crate) fn new(limits: &PluginLimits, now: Steady) -> Self {
        Self { verdicts: Bucket::new(limits.verdict_burst, now), deleted: LastMinute::new() }
    }

    /// Takes one verdict out of the budget; false where it is used up, and then nothing is taken. `entries` is the size of
    /// the table, 0 where it is not known: then the floor alone counts.
    pub(crate) fn take(&mut self, limits: &PluginLimits, ends_flow: bool, entries: u32, now: Steady) -> bool {
        if ends_flow && self.deleted.sum(now) >= share(limits, entries) {
            return false;
        }
        if !self.verdicts.take(limits.verdicts_per_second, limits.verdict_burst, now) {
            return false;
        }
        if ends_flow {
            self.deleted.count();
        }
        true
    }
}

/// Deletes allowed in a minute.
fn share(limits: &PluginLimits, entries: u32) -> u64 {
    if limits.table_share_per_minute >= 100 {
        return u64::MAX;
    }
    let share = u64::from(entries).saturating_mul(limits.table_share_per_minute.into()) / 100;
    share.max(limits.table_share_floor.into())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const START: Steady = Steady(7_000_000_000_123);

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(3, START);
        assert_eq!((0..10).filter(|_| bucket.take(2, 3, START)).count(), 3);
        let later = START.plus(Duration::from_millis(500));
        assert_eq!((0..10).filter(|_| bucket.take(2, 3, later)).count(), 1);
        let much_later = START.plus(Duration::from_secs(3_600));
        assert_eq!((0..10).filter(|_| bucket.take(2, 3, much_later)).count(), 3);
    }

    #[test]
    fn no_minute_holds_more_deletes_than_the_share() {
        let limits = PluginLimits { table_share_floor: 5, table_share_per_minute: 1, ..PluginLimits::default() };
        let mut budget = Budget::new(&limits, START);
        let mut taken = alloc::vec::Vec::new();
        for tenth in 0..3_000_u64 {
            let now = START.plus(Duration::from_millis(tenth * 100));
            // 1 % of 1,000 entries.
            if budget.take(&limits, true, 1_000, now) {
                taken.push(now);
            }
        }
        assert!(taken.len() >= 40, "{}", taken.len());
        for (index, first) in taken.iter().enumerate() {
            let within = taken.iter().skip(index).filter(|at| at.since(*first) < Duration::from_secs(60)).count();
            assert!(within <= 10, "{within} in the minute from {first:?}");
        }
    }

    #[test]
    fn a_small_table_has_the_floor_and_a_full_share_has_no_end() {
        let limits = PluginLimits { table_share_floor: 3, ..PluginLimits::default() };
        let mut budget = Budget::new(&limits, START);
        assert_eq!((0..10).filter(|_| budget.take(&limits, true, 0, START)).count(), 3);
        let all = PluginLimits { table_share_per_minute: 100, table_share_floor: 0, ..limits };
        let mut budget = Budget::new(&all, START);
        assert_eq!((0..10).filter(|_| budget.take(&all, true, 0, START)).count(), 10);
    }

    #[test]
    fn what_the_share_refuses_costs_no_verdict() {
        let limits =
            PluginLimits { table_share_floor: 0, verdict_burst: 1, verdicts_per_second: 0, ..PluginLimits::default() };
        let mut budget = Budget::new(&limits, START);
        assert!(!budget.take(&limits, true, 0, START));
        assert!(budget.take(&limits, false, 0, START));
        assert!(!budget.take(&limits, false, 0, START));
    }
}
