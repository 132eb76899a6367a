//! How long queries about flows wait after a change of the packet filter rules.
//!
//! A rule can stop the kernel from reporting flows. A notification announces each change, and then a thread examines
//! all rules (a look). Until that look has finished, it is unknown whether the kernel reports every flow.

use core::time::Duration;

use ctwarden_model::Steady;

/// Maximum wait of a query for a look. A look takes less than a millisecond with a few hundred rules, and a tenth of a
/// second with a hundred thousand.
const PATIENCE: Duration = Duration::from_millis(200);

/// Content of the notifications of the packet filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleNotice {
    /// Whether rules have changed.
    pub is_changed: bool,
    /// Whether a rule was loaded, or may have been loaded, that stops the kernel from reporting flows.
    pub may_mute: bool,
    /// Whether more notifications wait.
    pub has_more: bool,
}

/// The looks at the rules: which were requested and which have finished.
#[derive(Clone, Copy, Debug)]
pub struct RuleLooks {
    /// Numbers of the last requested look and of the last finished look.
    asked: u64,
    come: u64,
    /// Since when a look is outstanding.
    behind_since: Steady,
    /// Flows may begin or end without an event until this look has finished.
    muted_until: Option<u64>,
    /// Whether unread notifications wait.
    has_more: bool,
}

impl RuleLooks {
    #[must_use]
    pub const fn new(now: Steady) -> Self {
        Self { asked: 0, come: 0, behind_since: now, muted_until: None, has_more: false }
    }

    /// Notifications were read. If rules have changed, returns the number of the look to request.
    pub fn handle_notice(&mut self, notice: RuleNotice, now: Steady) -> Option<u64> {
        let RuleNotice { is_changed, may_mute, has_more } = notice;
        self.has_more = has_more;
        if is_changed {
            if self.asked == self.come {
                self.behind_since = now;
            }
            self.asked += 1;
        }
        if may_mute {
            self.muted_until = Some(self.asked);
        }
        is_changed.then_some(self.asked)
    }

    /// The look of that number has finished.
    pub fn handle_look(&mut self, number: u64) {
        self.come = self.come.max(number);
        if self.muted_until.is_some_and(|look| number >= look) {
            self.muted_until = None;
        }
    }

    /// Whether flows may begin or end without an event, according to the notifications since the last look.
    #[must_use]
    pub const fn may_be_muted(&self) -> bool {
        self.muted_until.is_some()
    }

    /// Until when queries about flows wait for a look, or for notifications to be read. `None` if nothing delays them.
    #[must_use]
    pub fn settles_at(&self, now: Steady) -> Option<Steady> {
        let until = self.behind_since.plus(PATIENCE);
        match (self.has_more, self.asked > self.come && now < until) {
            (true, _) => Some(now),
            (false, true) => Some(until),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const START: Steady = Steady(1_000_000_000);
    const CHANGED: RuleNotice = RuleNotice { is_changed: true, may_mute: false, has_more: false };
    const MUTES: RuleNotice = RuleNotice { is_changed: true, may_mute: true, has_more: false };

    #[test]
    fn a_question_waits_for_the_look_after_a_change() {
        let mut looks = RuleLooks::new(Steady(0));
        assert_eq!(looks.settles_at(START), None);
        assert_eq!(looks.handle_notice(CHANGED, START), Some(1));
        assert_eq!(looks.settles_at(START), Some(START.plus(PATIENCE)));
        looks.handle_look(1);
        assert_eq!(looks.settles_at(START), None);
    }

    #[test]
    fn a_look_that_does_not_come_delays_no_question_for_long() {
        let mut looks = RuleLooks::new(Steady(0));
        looks.handle_notice(CHANGED, START);
        looks.handle_notice(CHANGED, START.plus(PATIENCE / 2));
        assert_eq!(looks.settles_at(START.plus(PATIENCE)), None, "the second change does not begin the wait anew");
    }

    #[test]
    fn notifications_that_wait_are_read_before_a_question() {
        let mut looks = RuleLooks::new(Steady(0));
        looks.handle_notice(RuleNotice { is_changed: false, may_mute: false, has_more: true }, START);
        assert_eq!(looks.settles_at(START), Some(START));
    }

    #[test]
    fn only_a_look_after_the_rule_tells_that_it_does_not_mute() {
        let mut looks = RuleLooks::new(Steady(0));
        looks.handle_notice(CHANGED, START);
        looks.handle_notice(MUTES, START);
        looks.handle_look(1);
        assert!(looks.may_be_muted(), "this look was asked for before the rule was loaded");
        looks.handle_look(2);
        assert!(!looks.may_be_muted());
    }

    proptest! {
        /// Notices and looks at random times. The thread answers in order, late or never.
        #[test]
        fn no_question_waits_beyond_the_patience_and_none_trusts_an_unseen_rule(
            steps in prop::collection::vec((0_u64..90, 0_u8..4), 1..100),
        ) {
            let mut looks = RuleLooks::new(Steady(0));
            let mut now = START;
            let mut outstanding: Vec<(u64, bool)> = Vec::new();
            let mut behind_since = None;
            for (milliseconds, step) in steps {
                now = now.plus(Duration::from_millis(milliseconds));
                match step {
                    0 | 1 => {
                        let notice = if step == 0 { CHANGED } else { MUTES };
                        let number = looks.handle_notice(notice, now).unwrap();
                        outstanding.push((number, notice.may_mute));
                        behind_since.get_or_insert(now);
                    }
                    2 if !outstanding.is_empty() => {
                        looks.handle_look(outstanding.remove(0).0);
                        behind_since = behind_since.filter(|_| !outstanding.is_empty());
                    }
                    _ => {}
                }
                prop_assert_eq!(looks.may_be_muted(), outstanding.iter().any(|(_, mutes)| *mutes));
                let until = behind_since.map(|since: Steady| since.plus(PATIENCE)).filter(|until| now < *until);
                prop_assert_eq!(looks.settles_at(now), until);
            }
        }
    }
}
