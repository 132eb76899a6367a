//! Whether connections are tracked in this network namespace.
//!
//! The kernel tracks nothing in a namespace until a rule there needs it, and then only in that rule's family
//! (`nf_ct_netns_get`). Nothing in `/proc` shows it. The doctor uses this evidence, the most certain first: the list of
//! hooks, if the kernel provides one; a connection of its own, which is either tracked or not; the rules.

mod hook_list;
mod own_connection;
mod ruleset;

use ctwarden_model::Family;
use serde::Serialize;

use self::own_connection::OwnConnection;
pub(super) use self::ruleset::{Rules, mutes};
use super::finding::{Finding, Verdict};
use super::per_family::PerFamily;

/// A rule in a chain that no packet reaches: it costs nothing, and tracking is on.
const SWITCH_ON: &str =
    "nft 'add table inet tracking; add chain inet tracking on; add rule inet tracking on ct state new'";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tracking {
    /// Whether the list of hooks contains those of conntrack; `None` if the kernel does not list hooks.
    pub(super) hooks: Option<PerFamily<bool>>,
    /// Result of a connection of the doctor's own over loopback.
    pub(super) own_connection: PerFamily<OwnConnection>,
    /// What the rules of nftables use, including rules of iptables in nftables; `None` if the rules cannot be read.
    pub(super) rules: Option<Rules>,
    /// Tables of the older iptables, whose rules are not examined.
    pub(super) legacy_tables: PerFamily<Vec<String>>,
}

/// The conclusion for one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrackingState {
    On(&'static str),
    Off(&'static str),
    Unknown,
}

impl Tracking {
    /// Gathers the evidence, cheaply enough for a running daemon to repeat it. A connection of its own causes an event.
    /// So it is made only if no other evidence decides, and not if the last one was tracked under the same rules.
    pub(super) fn look(last: Option<&Self>) -> Self {
        let (hooks, rules) = (hook_list::read(), Rules::read());
        let legacy_tables = PerFamily::of(ruleset::legacy_tables);
        let own_connection = PerFamily::of(|family| {
            let uses = rules.as_ref().map(|rules| *rules.tracking.get(family));
            let is_told = hooks.is_some()
                || uses.is_some_and(|rules| rules > 0)
                || (uses.is_some() && legacy_tables.get(family).is_empty());
            let same_rules = |last: &Self| last.rules == rules && last.legacy_tables == legacy_tables;
            let was_tracked = |last: &Self| *last.own_connection.get(family) == OwnConnection::Tracked;
            if is_told {
                OwnConnection::NotMade("not attempted".to_owned())
            } else if last.is_some_and(|last| same_rules(last) && was_tracked(last)) {
                OwnConnection::Tracked
            } else {
                own_connection::try_out(family)
            }
        });
        Self { hooks, own_connection, rules, legacy_tables }
    }

    /// Whether connections of the family are certainly not tracked.
    pub(super) fn is_off(&self, family: Family) -> bool {
        match self.state(family) {
            TrackingState::Off(_) => true,
            TrackingState::On(_) | TrackingState::Unknown => false,
        }
    }

    pub(super) fn gather() -> Self {
        Self {
            hooks: hook_list::read(),
            own_connection: PerFamily::of(own_connection::try_out),
            rules: Rules::read(),
            legacy_tables: PerFamily::of(ruleset::legacy_tables),
        }
    }

    fn state(&self, family: Family) -> TrackingState {
        let rules = self.rules.as_ref().map(|rules| *rules.tracking.get(family));
        let legacy = !self.legacy_tables.get(family).is_empty();
        if let Some(hooks) = &self.hooks {
            return if *hooks.get(family) {
                TrackingState::On("conntrack's hooks are in the list of hooks")
            } else {
                TrackingState::Off("conntrack's hooks are not in the list of hooks")
            };
        }
        match (self.own_connection.get(family), rules) {
            (OwnConnection::Tracked, _) => TrackingState::On("a test connection over loopback was tracked"),
            (_, Some(1..)) => TrackingState::On("rules use it"),
            (OwnConnection::NotTracked, Some(0)) if !legacy => {
                TrackingState::Off("no rule uses it, and a test connection over loopback was not tracked")
            }
            (OwnConnection::NotTracked, _) => TrackingState::Off("a test connection over loopback was not tracked"),
            (OwnConnection::NotMade(_), Some(0)) if !legacy => TrackingState::Off("no rule uses it"),
            (OwnConnection::NotMade(_), _) => TrackingState::Unknown,
        }
    }

    /// `entries` is the current number of entries of the table.
    pub(super) fn judge(&self, entries: Option<u64>) -> Finding {
        let name = "hooks";
        let (ipv4, ipv6) = (self.state(Family::Ipv4), self.state(Family::Ipv6));
        let elsewhere = match entries {
            Some(0) | None => "",
            Some(_) => {
                "; the existing entries were created earlier, or without netfilter's hooks: by conntrack -I, Open \
                 vSwitch or tc"
            }
        };
        let (verdict, value, follows) = match (ipv4, ipv6) {
            (TrackingState::On(how), TrackingState::On(_)) => {
                (Verdict::Good, "active", format!("new connections become entries: {how}"))
            }
            (TrackingState::Off(how), TrackingState::Off(_)) => (
                Verdict::Bad,
                "not active in this network namespace",
                format!("connections are not tracked, so policies see none of them: {how}{elsewhere}"),
            ),
            (TrackingState::On(_), TrackingState::Off(how)) => (
                Verdict::Note,
                "active for IPv4, not for IPv6",
                format!("policies see no IPv6 connections: {how}{elsewhere}"),
            ),
            (TrackingState::Off(how), TrackingState::On(_)) => (
                Verdict::Note,
                "active for IPv6, not for IPv4",
                format!("policies see no IPv4 connections: {how}{elsewhere}"),
            ),
            (TrackingState::Unknown, _) | (_, TrackingState::Unknown) => {
                let finding =
                    Finding::note(name, self.unknown(ipv4, ipv6), format!("cannot determine: {}", self.why_unknown()));
                return finding.change(SWITCH_ON);
            }
        };
        let finding = Finding::new(name, verdict, value, follows);
        if verdict == Verdict::Good { finding } else { finding.change(SWITCH_ON) }
    }

    fn unknown(&self, ipv4: TrackingState, ipv6: TrackingState) -> String {
        let word = |state| match state {
            TrackingState::On(_) => "active",
            TrackingState::Off(_) => "not active",
            TrackingState::Unknown => "unknown",
        };
        format!("IPv4 {}, IPv6 {}", word(ipv4), word(ipv6))
    }

    fn why_unknown(&self) -> String {
        let mut reasons = Vec::new();
        for family in [Family::Ipv4, Family::Ipv6] {
            if self.state(family) != TrackingState::Unknown {
                continue;
            }
            if let OwnConnection::NotMade(why) = self.own_connection.get(family) {
                reasons.push(format!("no test connection over loopback ({why})"));
            }
            if !self.legacy_tables.get(family).is_empty() {
                reasons.push("the rules of iptables-legacy are not examined".to_owned());
            }
        }
        if self.rules.is_none() {
            reasons.push("the rules of nftables cannot be read".to_owned());
        }
        reasons.dedup();
        format!(
            "{}; look for ct or nat in \"nft list ruleset\" and for conntrack or nat in \"iptables-legacy-save\", or \
             see whether \"conntrack -E\" shows anything",
            reasons.join(", ")
        )
    }
}

#[cfg(test)]
impl Tracking {
    /// The facts of a namespace without rules, in which no connection was made.
    pub(super) fn untracked() -> Self {
        Self {
            hooks: None,
            own_connection: PerFamily::of(|_| OwnConnection::NotMade("not attempted".to_owned())),
            rules: Some(Rules::default()),
            legacy_tables: PerFamily::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Tracking {
        Tracking { own_connection: PerFamily::of(|_| OwnConnection::NotTracked), ..Tracking::untracked() }
    }

    fn not_made() -> PerFamily<OwnConnection> {
        PerFamily::of(|_| OwnConnection::NotMade("Network is unreachable".to_owned()))
    }

    fn uses(ipv4: u32, ipv6: u32) -> Option<Rules> {
        Some(Rules { tracking: PerFamily { ipv4, ipv6 }, labels: 0, muting: 0 })
    }

    #[test]
    fn an_empty_namespace_is_not_tracked_and_the_way_out_is_told() {
        let finding = nothing().judge(Some(0));
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.value.starts_with("not active") && finding.follows.contains("no rule uses it"), "{finding:?}");
        assert!(finding.change.unwrap().starts_with("nft "));
        let finding = Tracking { own_connection: not_made(), ..nothing() }.judge(Some(0));
        assert_eq!(finding.verdict, Verdict::Bad, "without loopback the rules tell");
    }

    #[test]
    fn entries_of_an_untracked_namespace_are_explained() {
        assert!(nothing().judge(Some(3)).follows.contains("Open vSwitch"));
        assert!(!nothing().judge(Some(0)).follows.contains("Open vSwitch"));
    }

    #[test]
    fn the_list_of_hooks_is_the_last_word() {
        let hooks = |ipv4, ipv6| Some(PerFamily { ipv4, ipv6 });
        let finding = Tracking { hooks: hooks(true, true), ..nothing() }.judge(None);
        assert_eq!((finding.verdict, finding.value.as_str(), finding.change), (Verdict::Good, "active", None));
        let tracked = PerFamily::of(|_| OwnConnection::Tracked);
        let finding = Tracking { hooks: hooks(false, false), own_connection: tracked, ..nothing() }.judge(None);
        assert_eq!(finding.verdict, Verdict::Bad);
    }

    #[test]
    fn one_tracked_connection_or_one_rule_is_enough() {
        let tracked = PerFamily::of(|_| OwnConnection::Tracked);
        assert_eq!(Tracking { own_connection: tracked, ..nothing() }.judge(None).verdict, Verdict::Good);
        // Loopback may be exempt from tracking (notrack).
        assert_eq!(Tracking { rules: uses(1, 1), ..nothing() }.judge(None).verdict, Verdict::Good);
    }

    #[test]
    fn a_family_that_is_left_out_is_named() {
        let finding = Tracking { rules: uses(2, 0), ..nothing() }.judge(Some(1));
        assert_eq!(finding.verdict, Verdict::Note);
        assert_eq!(finding.value, "active for IPv4, not for IPv6");
        assert!(finding.change.is_some());
        let finding = Tracking { rules: uses(0, 2), ..nothing() }.judge(Some(1));
        assert_eq!(finding.value, "active for IPv6, not for IPv4");
    }

    #[test]
    fn what_cannot_be_told_says_where_to_look() {
        let blind = Tracking { own_connection: not_made(), rules: None, ..nothing() };
        let finding = blind.judge(None);
        assert_eq!((finding.verdict, finding.value.as_str()), (Verdict::Note, "IPv4 unknown, IPv6 unknown"));
        for word in ["Network is unreachable", "the rules of nftables cannot be read", "nft list ruleset"] {
            assert!(finding.follows.contains(word), "{finding:?}");
        }
        let legacy_tables = PerFamily { ipv4: vec!["nat".to_owned()], ipv6: Vec::new() };
        let finding = Tracking { own_connection: not_made(), legacy_tables, ..nothing() }.judge(None);
        assert_eq!((finding.verdict, finding.value.as_str()), (Verdict::Note, "IPv4 unknown, IPv6 not active"));
        assert!(finding.follows.contains("iptables-legacy"), "{finding:?}");
    }
}
