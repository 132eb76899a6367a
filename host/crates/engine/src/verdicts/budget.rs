//! How much a plugin may change: a token bucket for verdicts a second, and a window for the share of the table a
//! minute.
//!
//! The bucket keeps a storm of verdicts from using up the processor. The share keeps a wrong policy from emptying the
//! table. A short timeout also empties the table, only later, so it counts as a delete.

use ctwarden_model::Steady;

use crate::PluginLimits;

/// One token in billionths. The tokens of one nanosecond are then a whole number at any rate.
const TOKEN: u64 = 1_000_000_000;

/// A token bucket with a rate per second and a burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    level: u64,
    filled: Steady,
}

impl Bucket {
    pub(crate) fn new(burst: u32, now: Steady) -> Self {
        Self { level: u64::from(burst).saturating_mul(TOKEN), filled: now }
    }

    /// Adds the tokens for the time that has passed. Returns whether at least one token is available.
    pub(crate) fn has(&mut self, per_second: u32, burst: u32, now: Steady) -> bool {
        let passed = now.0.saturating_sub(self.filled.0);
        let full = u64::from(burst).saturating_mul(TOKEN);
        self.level = self.level.saturating_add(passed.saturating_mul(per_second.into())).min(full);
        self.filled = self.filled.max(now);
        self.level >= TOKEN
    }

    /// Takes `tokens` tokens, or all available tokens if there are fewer. Returns false if none is available. A caller
    /// that takes many tokens waits longer for the next one.
    pub(crate) fn take_many(&mut self, tokens: u32, per_second: u32, burst: u32, now: Steady) -> bool {
        let there = self.has(per_second, burst, now);
        if there {
            self.level = self.level.saturating_sub(u64::from(tokens).saturating_mul(TOKEN));
        }
        there
    }

    /// Takes one token if one is available.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32, now: Steady) -> bool {
        let there = self.has(per_second, burst, now);
        if there {
            self.level -= TOKEN;
        }
        there
    }
}

/// Number of remembered seconds: a minute and the current second. No minute then holds more than the share.
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

    /// When the count leaves room for `wanted` more deletes within `most`. Returns `None` if there is room now.
    fn has_room_at(&mut self, wanted: u64, most: u64, now: Steady) -> Option<Steady> {
        let mut sum = self.sum(now).saturating_add(wanted.min(most));
        if sum <= most {
            return None;
        }
        // The oldest second leaves the window first. Each second leaves it `SECONDS` after its own time.
        let oldest = self.second.saturating_sub(SECONDS as u64 - 1);
        for second in oldest..=self.second {
            let counted = usize::try_from(second % SECONDS as u64).ok().and_then(|index| self.slots.get(index));
            sum = sum.saturating_sub(counted.copied().unwrap_or(0).into());
            if sum <= most {
                return Some(Steady(second.saturating_add(SECONDS as u64).saturating_mul(1_000_000_000)));
            }
        }
        None
    }

    fn count(&mut self) {
        self.slot(self.second, |count| *count = count.saturating_add(1));
    }
}

/// The remaining budget of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    verdicts: Bucket,
    deleted: LastMinute,
}

impl Budget {
    pub(crate) fn new(limits: &PluginLimits, now: Steady) -> Self {
        Self { verdicts: Bucket::new(limits.verdict_burst, now), deleted: LastMinute::new() }
    }

    /// Spends one verdict. Returns false, and spends nothing, if the budget is used up. `entries` is the size of the
    /// table. If the size is not known, `entries` is 0 and only the floor counts.
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

impl Budget {
    /// When the budget has room for several of `deletes` deletes: all of them, but at most a tenth of the share and
    /// half of the burst. One delete at a time would be too few, because each attempt has to find the flows again.
    pub(crate) fn returns(&mut self, limits: &PluginLimits, deletes: u64, entries: u32, now: Steady) -> Steady {
        let share = share(limits, entries);
        let wanted = deletes.min(share.div_ceil(10)).min(u64::from(limits.verdict_burst.div_ceil(2))).max(1);
        let of_share = self.deleted.has_room_at(wanted, share, now).unwrap_or(now);
        self.verdicts.has(limits.verdicts_per_second, limits.verdict_burst, now);
        let missing = wanted.saturating_mul(TOKEN).saturating_sub(self.verdicts.level);
        let nanos = missing.div_ceil(u64::from(limits.verdicts_per_second.max(1)));
        of_share.max(now.plus(core::time::Duration::from_nanos(nanos)))
    }
}

/// Whether a timeout of `seconds` counts as a delete. Such a timeout ends an idle flow before deletes within the share
/// could end the whole table. At a share of 10 % a minute that takes ten minutes.
pub(crate) const fn ends_soon(limits: &PluginLimits, seconds: u32) -> bool {
    let share = if limits.table_share_per_minute == 0 { 1 } else { limits.table_share_per_minute };
    seconds < 6_000_u32.div_ceil(share)
}

/// Number of deletes allowed in a minute.
pub(crate) fn share(limits: &PluginLimits, entries: u32) -> u64 {
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
    fn the_budget_tells_when_it_returns() {
        let limits = PluginLimits { table_share_floor: 100, ..PluginLimits::default() };
        let mut budget = Budget::new(&limits, START);
        assert_eq!(budget.returns(&limits, 5, 0, START), START);
        let later = START.plus(Duration::from_secs(20));
        assert_eq!((0..200).filter(|_| budget.take(&limits, true, 0, START)).count(), 100);
        let returns = budget.returns(&limits, 500, 0, later);
        assert!(!budget.take(&limits, true, 0, Steady(returns.0 - 1)), "not a moment earlier");
        assert!(returns.since(START) <= Duration::from_secs(61), "{returns:?}");
        assert_eq!((0..200).filter(|_| budget.take(&limits, true, 0, returns)).count(), 100);
        let slow = PluginLimits { verdicts_per_second: 2, verdict_burst: 10, ..limits };
        let mut budget = Budget::new(&slow, START);
        assert_eq!((0..200).filter(|_| budget.take(&slow, true, 0, START)).count(), 10);
        let returns = budget.returns(&slow, 500, 0, START);
        assert_eq!(
            (0..200).filter(|_| budget.take(&slow, true, 0, returns)).count(),
            5,
            "half of what it may do at once"
        );
    }

    #[test]
    fn a_timeout_counts_as_a_delete_until_deletes_could_have_ended_the_table() {
        for (share, seconds) in [(0, 6_000), (1, 6_000), (10, 600), (50, 120), (99, 61), (100, 60)] {
            let limits = PluginLimits { table_share_per_minute: share, ..PluginLimits::default() };
            assert!(ends_soon(&limits, 0) && ends_soon(&limits, seconds - 1), "{share} %");
            assert!(!ends_soon(&limits, seconds) && !ends_soon(&limits, u32::MAX), "{share} %");
        }
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
