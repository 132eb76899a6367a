//! The part of the findings on which the running daemon acts: which events arrive, and which connections are tracked.
//!
//! A replica of the table that misses the begin of a flow gives wrong answers, and a table that no connection enters
//! proves nothing. The messages of the kernel show neither case. So the daemon examines the same facts as the doctor,
//! and judges them alike.

mod rule_changes;
mod watch;

use ctwarden_control::Warning;
use ctwarden_engine::Tracked;
use ctwarden_model::Family;

pub(crate) use self::rule_changes::{RuleChanges, RuleNews};
pub(crate) use self::watch::SenseWatch;
use super::finding::{Finding, Verdict};
use super::muting;
use super::setting::Setting;
use super::switches::{judge_events, sends_events};
use super::tracking::Tracking;

/// The setting that turns off events of new entries.
const EVENTS: &str = "net.netfilter.nf_conntrack_events";

/// The setting alone, which is quick to read repeatedly.
#[derive(Debug, Default)]
pub(crate) struct EventSwitch(Setting);

impl EventSwitch {
    /// Its value; `None` if the kernel has no such setting.
    pub(crate) fn read(&mut self) -> Option<u64> {
        self.0.read(EVENTS)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Senses {
    tracking: Tracking,
    /// [`EVENTS`]; `None` if the kernel has no such setting.
    events: Option<u64>,
}

impl Senses {
    /// Gathers the facts. `last` is the previous result: facts that cannot have changed since then are not tested
    /// again.
    pub(crate) fn look(last: Option<&Self>) -> Self {
        let events = EventSwitch::default().read();
        Self { tracking: Tracking::look(last.map(|last| &last.tracking)), events }
    }

    /// Replaces the value of the setting by the one that [`EventSwitch`] reads now.
    pub(crate) const fn set_switch(&mut self, events: Option<u64>) {
        self.events = events;
    }

    /// Whether every flow that begins sends an event, and every such flow that ends. A flow that is older than the
    /// daemon may end without an event (2, the default of [`EVENTS`]). No flow is missed that way.
    pub(crate) fn hears_every_flow(&self) -> bool {
        sends_events(self.events) && self.tracking.rules.as_ref().is_some_and(|rules| rules.muting == 0)
    }

    /// The families in which connections are tracked, as far as is certain.
    pub(crate) fn tracked(&self) -> Tracked {
        Tracked { ipv4: !self.tracking.is_off(Family::Ipv4), ipv6: !self.tracking.is_off(Family::Ipv6) }
    }

    /// What prevents policies from working, each with the consequence and the command that changes it.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let hooks = self.tracking.judge(None);
        if self.tracked() != Tracked::ALL {
            warnings.push(warning("conntrack is ", hooks));
        }
        if !sends_events(self.events) {
            warnings.push(warning("", judge_events(self.events)));
        }
        let muting = muting::judge(self.tracking.rules.as_ref());
        if muting.verdict != Verdict::Good {
            warnings.push(warning("", muting));
        }
        warnings
    }
}

fn warning(begin: &str, finding: Finding) -> Warning {
    let Finding { name, value, follows, change, verdict: _ } = finding;
    Warning { about: name.to_owned(), text: format!("{begin}{value}: {follows}"), change }
}

#[cfg(test)]
mod tests {
    use super::super::per_family::PerFamily;
    use super::super::tracking::Rules;
    use super::*;

    fn senses(events: Option<u64>, rules: Option<Rules>) -> Senses {
        let tracking = Tracking { rules, ..Tracking::untracked() };
        Senses { tracking, events }
    }

    fn tracking(ipv4: u32, ipv6: u32, muting: u32) -> Option<Rules> {
        Some(Rules { tracking: PerFamily { ipv4, ipv6 }, labels: 0, muting })
    }

    fn abouts(senses: &Senses) -> Vec<String> {
        senses.warnings().into_iter().map(|warning| warning.about).collect()
    }

    #[test]
    fn a_tracked_namespace_whose_entries_send_events_is_heard_without_a_warning() {
        for events in [1, 2] {
            let senses = senses(Some(events), tracking(1, 1, 0));
            assert!(senses.hears_every_flow());
            assert_eq!((senses.tracked(), abouts(&senses)), (Tracked::ALL, vec![]));
        }
    }

    #[test]
    fn whatever_keeps_a_flow_from_saying_that_it_begins_or_ends_is_told() {
        for (events, rules, about) in [
            (Some(0), tracking(1, 1, 0), "events"),
            (None, tracking(1, 1, 0), "events"),
            (Some(1), tracking(1, 1, 1), "event_rules"),
            (Some(2), tracking(1, 1, 3), "event_rules"),
        ] {
            let senses = senses(events, rules);
            assert!(!senses.hears_every_flow(), "{senses:?}");
            assert_eq!(abouts(&senses), [about], "{senses:?}");
        }
        let unread = senses(Some(1), None);
        assert!(!unread.hears_every_flow() && abouts(&unread).contains(&"event_rules".to_owned()));
        let both = senses(Some(0), tracking(1, 1, 2));
        assert_eq!(abouts(&both), ["events", "event_rules"]);
    }

    #[test]
    fn the_switch_alone_can_change_the_answer() {
        let mut senses = senses(Some(1), tracking(1, 1, 0));
        senses.set_switch(Some(0));
        assert!(!senses.hears_every_flow());
        senses.set_switch(Some(2));
        assert!(senses.hears_every_flow());
    }

    #[test]
    fn a_namespace_without_tracking_is_told_with_the_command_that_switches_it_on() {
        let off = senses(Some(1), tracking(0, 0, 0));
        assert_eq!(off.tracked(), Tracked { ipv4: false, ipv6: false });
        let [warning] = off.warnings().try_into().unwrap();
        assert!(
            warning.to_string().starts_with("hooks: conntrack is not active in this network namespace: "),
            "{warning}"
        );
        assert!(warning.text.contains("no rule uses it") && warning.change.unwrap().starts_with("nft "));
        let half = senses(Some(1), tracking(1, 0, 0));
        assert_eq!((half.tracked(), abouts(&half)), (Tracked { ipv4: true, ipv6: false }, vec!["hooks".to_owned()]));
    }

    #[test]
    fn what_is_not_certain_counts_as_tracked() {
        let unknown = senses(Some(1), None);
        assert_eq!(unknown.tracked(), Tracked::ALL);
    }
}
