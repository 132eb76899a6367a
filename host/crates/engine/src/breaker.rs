//! The breaker: a plugin that spends its budget again and again falls back to observing.
//!
//! A budget alone would let a wrong policy do its worst at a steady rate for ever.

use alloc::collections::VecDeque;
use core::time::Duration;

use ctwarden_model::Steady;

use crate::BreakerLimits;

/// State of one plugin's breaker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    /// When the budget was found used up: at most one for each second, at most as many as open it.
    exhausted: VecDeque<Steady>,
    open_until: Option<Steady>,
}

impl Breaker {
    /// The budget was found used up; tells for how long the breaker opens, if it opens now.
    pub(crate) fn exhausted(&mut self, limits: &BreakerLimits, now: Steady) -> Option<Duration> {
        if self.is_open(now) {
            return None;
        }
        let same_second = |last: &Steady| last.0 / 1_000_000_000 == now.0 / 1_000_000_000;
        if self.exhausted.back().is_some_and(same_second) {
            return None;
        }
        while self.exhausted.front().is_some_and(|first| now.since(*first) >= limits.window) {
            self.exhausted.pop_front();
        }
        self.exhausted.push_back(now);
        if self.exhausted.len() < usize::try_from(limits.exhaustions).unwrap_or(usize::MAX) {
            return None;
        }
        self.exhausted.clear();
        self.open_until = Some(now.plus(limits.observe_for));
        Some(limits.observe_for)
    }

    /// Whether the plugin only observes.
    pub(crate) fn is_open(&self, now: Steady) -> bool {
        self.open_until.is_some_and(|until| until > now)
    }

    /// When it closes, while it is open or its closing has not been noticed yet.
    pub(crate) const fn closes(&self) -> Option<Steady> {
        self.open_until
    }

    /// Notices that it has closed; true once for each opening.
    pub(crate) fn notice_closing(&mut self, now: Steady) -> bool {
        let closed = self.open_until.is_some_and(|until| until <= now);
        if closed {
            self.open_until = None;
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Steady {
        Steady(millis * 1_000_000)
    }

    #[test]
    fn one_storm_does_not_open_it_and_a_repeated_one_does() {
        let limits = BreakerLimits { exhaustions: 3, ..BreakerLimits::default() };
        let mut breaker = Breaker::default();
        for millis in 0..1_000 {
            assert_eq!(breaker.exhausted(&limits, at(millis)), None);
        }
        assert_eq!(breaker.exhausted(&limits, at(1_500)), None);
        assert_eq!(breaker.exhausted(&limits, at(2_500)), Some(limits.observe_for));
        assert!(breaker.is_open(at(2_500)));
        assert!(!breaker.notice_closing(at(302_499)));
        assert!(!breaker.is_open(at(302_500)));
        assert!(breaker.notice_closing(at(302_500)));
        assert!(!breaker.notice_closing(at(302_500)));
    }

    #[test]
    fn exhaustions_far_apart_do_not_add_up() {
        let limits = BreakerLimits { exhaustions: 2, ..BreakerLimits::default() };
        let mut breaker = Breaker::default();
        for minute in 0..10 {
            assert_eq!(breaker.exhausted(&limits, at(minute * 60_000)), None);
        }
        assert!(breaker.exhausted(&limits, at(9 * 60_000 + 1_000)).is_some());
    }
}
