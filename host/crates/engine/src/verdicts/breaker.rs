//! The breaker: sets a plugin to observe when it keeps exceeding its budget.
//!
//! A budget alone would let a wrong policy do its worst at a steady rate forever. But a policy that fights a full table
//! also exceeds its budget, and is needed at that time. A used-up budget alone therefore does not open the breaker. The
//! breaker opens when the excess is as large as the budget itself.

use alloc::collections::VecDeque;
use core::time::Duration;

use ctwarden_model::Steady;

use crate::BreakerLimits;

/// Verdicts and flows that were over budget in one second.
#[derive(Clone, Copy, Debug)]
struct Second {
    since: Steady,
    refused: u64,
}

/// Until when a plugin only observes, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenBreaker {
    pub(crate) until: Steady,
    /// Flows and verdicts that were over budget within the window.
    pub(crate) refused: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    /// Seconds of the window in which the budget was used up.
    exhausted: VecDeque<Second>,
    opened: Option<OpenBreaker>,
}

impl Breaker {
    /// Counts one flow, or one verdict about no flow, that is over budget. `budget` is the budget for the window.
    /// Returns how long the breaker opens, if it opens now.
    ///
    /// A policy that asks for slightly too much does not open the breaker. A policy that keeps asking for twice its
    /// budget does.
    pub(crate) fn exhausted(&mut self, limits: &BreakerLimits, budget: u64, now: Steady) -> Option<Duration> {
        if self.is_open(now) {
            return None;
        }
        while self.exhausted.front().is_some_and(|first| now.since(first.since) >= limits.window) {
            self.exhausted.pop_front();
        }
        let same_second = |last: &&mut Second| last.since.0 / 1_000_000_000 == now.0 / 1_000_000_000;
        match self.exhausted.back_mut().filter(same_second) {
            Some(last) => last.refused = last.refused.saturating_add(1),
            None => self.exhausted.push_back(Second { since: now, refused: 1 }),
        }
        let refused = self.exhausted.iter().fold(0_u64, |sum, second| sum.saturating_add(second.refused));
        let seconds = usize::try_from(limits.exhaustions).unwrap_or(usize::MAX);
        if self.exhausted.len() < seconds || refused < budget {
            return None;
        }
        self.exhausted.clear();
        self.opened = Some(OpenBreaker { until: now.plus(limits.observe_for), refused });
        Some(limits.observe_for)
    }

    /// Whether the plugin only observes.
    pub(crate) fn is_open(&self, now: Steady) -> bool {
        self.opened.is_some_and(|opened| opened.until > now)
    }

    /// Until when the breaker is open, and why. The value stays until `notice_closing` notices that the breaker has
    /// closed.
    pub(crate) const fn opened(&self) -> Option<OpenBreaker> {
        self.opened
    }

    /// When the breaker closes. The value stays until `notice_closing` notices that the breaker has closed.
    pub(crate) fn closes(&self) -> Option<Steady> {
        self.opened.map(|opened| opened.until)
    }

    /// Notices that the breaker has closed. Returns true once for each opening.
    pub(crate) fn notice_closing(&mut self, now: Steady) -> bool {
        self.opened.take_if(|opened| opened.until <= now).is_some()
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
            assert_eq!(breaker.exhausted(&limits, 10, at(millis)), None);
        }
        assert_eq!(breaker.exhausted(&limits, 10, at(1_500)), None);
        assert_eq!(breaker.exhausted(&limits, 10, at(2_500)), Some(limits.observe_for));
        assert_eq!(breaker.opened(), Some(OpenBreaker { until: at(302_500), refused: 1_002 }));
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
            assert_eq!(breaker.exhausted(&limits, 1, at(minute * 60_000)), None);
        }
        assert!(breaker.exhausted(&limits, 1, at(9 * 60_000 + 1_000)).is_some());
    }

    #[test]
    fn a_handful_beyond_a_large_budget_does_not_open_it() {
        let limits = BreakerLimits::default();
        let mut breaker = Breaker::default();
        for second in 0..3_600 {
            for _ in 0..10 {
                assert_eq!(breaker.exhausted(&limits, 1_000, at(second * 1_000)), None);
            }
        }
        let opens = (3_600..3_700)
            .find(|second| (0..17).any(|_| breaker.exhausted(&limits, 1_000, at(second * 1_000)).is_some()));
        assert!(opens.is_some_and(|second| second < 3_660), "seventeen a second are a thousand a minute: {opens:?}");
    }
}
