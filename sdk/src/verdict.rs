//! Verdicts: an action, its target, and the reason.
//!
//! Verdicts are plain values. The host checks each verdict (grant, protection, budget, breaker, mode), acts, and counts
//! its outcome.

use std::fmt;

use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::filter::bit_numbers;
use crate::{Alert, Block, Filter, Flow, FlowKey, Masked, Prefix, Service};

/// Kind of a verdict. A policy declares the kinds that it wants, and the operator grants kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictKind {
    /// The kind of [`delete`] verdicts.
    Delete,
    /// The kind of [`kill`] verdicts.
    Kill,
    /// The kind of [`mark`] verdicts.
    Mark,
    /// The kind of [`labels`] verdicts.
    Labels,
    /// The kind of [`timeout`] verdicts.
    Timeout,
    /// The kind of [`alert`](crate::alert()) verdicts.
    Alert,
    /// The kind of [`log`] verdicts.
    Log,
    /// The kind of [`block`](crate::block()) verdicts.
    Block,
    /// The kind of [`unblock`] verdicts.
    Unblock,
    /// The kind of [`protect`] verdicts.
    Protect,
    /// The kind of [`sweep`] verdicts.
    Sweep,
}

impl VerdictKind {
    /// Returns the name in the configuration and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Kill => "kill",
            Self::Mark => "mark",
            Self::Labels => "labels",
            Self::Timeout => "timeout",
            Self::Alert => "alert",
            Self::Log => "log",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Protect => "protect",
            Self::Sweep => "sweep",
        }
    }

    pub(crate) fn flags(kinds: &[Self]) -> wit::VerdictKinds {
        kinds
            .iter()
            .map(|kind| match kind {
                Self::Delete => wit::VerdictKinds::DELETE,
                Self::Kill => wit::VerdictKinds::KILL,
                Self::Mark => wit::VerdictKinds::MARK,
                Self::Labels => wit::VerdictKinds::LABELS,
                Self::Timeout => wit::VerdictKinds::TIMEOUT,
                Self::Alert => wit::VerdictKinds::ALERT,
                Self::Log => wit::VerdictKinds::LOG,
                Self::Block => wit::VerdictKinds::BLOCK,
                Self::Unblock => wit::VerdictKinds::UNBLOCK,
                Self::Protect => wit::VerdictKinds::PROTECT,
                Self::Sweep => wit::VerdictKinds::SWEEP,
            })
            .fold(wit::VerdictKinds::empty(), |all, kind| all | kind)
    }
}

/// What the host is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End the tracking of the flow.
    Delete,
    /// End the connection, then the tracking of the flow.
    Kill,
    /// Change the mark under a mask.
    Mark(Masked),
    /// Set and clear label bits. Bit N of a number is label bit N.
    Labels {
        /// Label bits to set.
        set: u128,
        /// Label bits to clear.
        clear: u128,
    },
    /// Let the flow expire in this many seconds.
    Timeout(u32),
    /// Raise an alert for people.
    Alert(Alert),
    /// Write a record with names and values.
    Log(Vec<(String, String)>),
    /// Put a network into an nftables set.
    Block(Block),
    /// Remove a network from an nftables set.
    Unblock {
        /// The operator's name of the set.
        set: String,
        /// The network to remove.
        network: Prefix,
        /// One service of the network, or all its traffic.
        service: Option<Service>,
    },
    /// For this many seconds, no plugin may change or delete the flow.
    Protect(u32),
    /// Deliver flows as rows of a sweep.
    Sweep,
}

impl Action {
    /// Returns the kind of the action.
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Delete => VerdictKind::Delete,
            Self::Kill => VerdictKind::Kill,
            Self::Mark(_) => VerdictKind::Mark,
            Self::Labels { .. } => VerdictKind::Labels,
            Self::Timeout(_) => VerdictKind::Timeout,
            Self::Alert(_) => VerdictKind::Alert,
            Self::Log(_) => VerdictKind::Log,
            Self::Block(_) => VerdictKind::Block,
            Self::Unblock { .. } => VerdictKind::Unblock,
            Self::Protect(_) => VerdictKind::Protect,
            Self::Sweep => VerdictKind::Sweep,
        }
    }
}

impl Action {
    /// Returns the network of a block or unblock.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) const fn network(&self) -> Option<Prefix> {
        match self {
            Self::Block(block) => Some(block.network),
            Self::Unblock { network, .. } => Some(*network),
            Self::Delete
            | Self::Kill
            | Self::Mark(_)
            | Self::Labels { .. }
            | Self::Timeout(_)
            | Self::Alert(_)
            | Self::Log(_)
            | Self::Protect(_)
            | Self::Sweep => None,
        }
    }
}

/// The subject of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Index in the batch that the call answers.
    Entry(u32),
    /// A flow remembered from an earlier call. [`FlowKey`] says which flow the host then hits.
    Key(FlowKey),
    /// Every flow that matches when the verdict is carried out.
    Matching {
        /// The filter that flows must match.
        filter: Box<Filter>,
        /// Maximum number of flows; 0: no limit.
        limit: u32,
    },
}

impl From<&Flow<'_>> for Target {
    fn from(flow: &Flow<'_>) -> Self {
        Self::Entry(flow.index())
    }
}

impl From<FlowKey> for Target {
    fn from(key: FlowKey) -> Self {
        Self::Key(key)
    }
}

impl From<Filter> for Target {
    fn from(filter: Filter) -> Self {
        Self::Matching { filter: Box::new(filter), limit: 0 }
    }
}

/// What a plugin asks for: an action, its target, and the reason.
///
/// A verdict returned from [`judge`](crate::Policy::judge) is about the judged flow unless [`on`](Self::on) names
/// another target. A verdict from another call is about no flow unless `on` names one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a verdict does nothing until it is returned to the host"]
pub struct Verdict {
    target: Option<Target>,
    action: Action,
    code: Option<String>,
    reason: String,
}

/// Ends the tracking of the flow. Alone it does not stop traffic that the ruleset accepts; see
/// [`block`](crate::block()).
pub const fn delete() -> Verdict {
    Verdict::new(Action::Delete)
}

/// Ends the connection, then the tracking of the flow.
///
/// The host closes the sockets of its network namespace that are connected for the flow. Their programs get the error
/// `ECONNABORTED`, and the peer of a TCP connection gets a reset. Then the host deletes the entry. If no such socket
/// exists and no firewall table of the host blocks the flow, the host only deletes the entry, and the verdict is refused.
pub const fn kill() -> Verdict {
    Verdict::new(Action::Kill)
}

/// Changes the mark under a mask. A plain number is the whole mark.
pub fn mark(mark: impl Into<Masked>) -> Verdict {
    Verdict::new(Action::Mark(mark.into()))
}

/// Sets and clears label bits, by number 0 to 127. Greater numbers name no bit and are ignored. A bit in both is set.
pub fn labels(set: impl IntoIterator<Item = u8>, clear: impl IntoIterator<Item = u8>) -> Verdict {
    fn bits(numbers: impl IntoIterator<Item = u8>) -> u128 {
        numbers.into_iter().filter_map(|number| 1_u128.checked_shl(number.into())).fold(0, |all, bit| all | bit)
    }
    let set = bits(set);
    Verdict::new(Action::Labels { set, clear: bits(clear) & !set })
}

/// Lets the flow expire in this many seconds. The next packet restores the kernel's own timeout. 0 ends the flow as
/// [`delete`] does.
pub const fn timeout(seconds: u32) -> Verdict {
    Verdict::new(Action::Timeout(seconds))
}

/// Writes a record with names and values, for machines. The host refuses more than 64 values and names of more than 64
/// bytes, and cuts a value after 1,024 bytes. Above the operator's `records-per-second`, the host only counts the
/// verdict.
pub fn log<N: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (N, V)>) -> Verdict {
    Verdict::new(Action::Log(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
}

/// Gives up the policy's claim on a network in an address set. The claims of others stay.
pub fn unblock(set: impl Into<String>, network: impl Into<Prefix>) -> Verdict {
    Verdict::new(Action::Unblock { set: set.into(), network: network.into(), service: None })
}

/// Gives up the policy's claim on one service of a network; see [`unblock`].
pub fn unblock_service(set: impl Into<String>, network: impl Into<Prefix>, service: Service) -> Verdict {
    Verdict::new(Action::Unblock { set: set.into(), network: network.into(), service: Some(service) })
}

/// For this many seconds, no plugin may change or delete the flow.
pub const fn protect(seconds: u32) -> Verdict {
    Verdict::new(Action::Protect(seconds))
}

/// Asks for flows as rows of a sweep: every flow that the subscription matches or, with [`on`](Verdict::on), every flow
/// that a filter matches.
pub const fn sweep() -> Verdict {
    Verdict::new(Action::Sweep)
}

impl Verdict {
    pub(crate) const fn new(action: Action) -> Self {
        Self { target: None, action, code: None, reason: String::new() }
    }

    /// Sets the reason: a short, stable code of at most 64 letters, digits and `-`, which becomes a label in metrics,
    /// and a sentence for people, which the host cuts after 512 bytes. Without it, the code is the name of the kind.
    pub fn because(self, code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code: Some(code.into()), reason: reason.into(), ..self }
    }

    /// Sets the target: a [`Flow`], a [`FlowKey`], or every flow that a [`Filter`] matches.
    pub fn on(self, target: impl Into<Target>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// Returns the target. `None` if [`on`](Self::on) was not called.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Returns what the host is to do.
    #[must_use]
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// Returns the kind of the action.
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        self.action.kind()
    }

    /// Returns the code. Without [`because`](Self::because), it is the name of the kind.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(self.kind().name())
    }

    /// Returns the text for people; may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Sets the target to the entry with this index, unless a target is set. A sweep is never about one entry.
    pub(crate) fn on_entry(mut self, index: u32) -> Self {
        if self.target.is_none() && self.action != Action::Sweep {
            self.target = Some(Target::Entry(index));
        }
        self
    }
}

impl fmt::Display for Verdict {
    /// Writes one line: kind and value, target, code and reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().name())?;
        match &self.action {
            Action::Delete | Action::Kill | Action::Sweep => {}
            Action::Mark(masked) => write!(f, " {masked}")?,
            Action::Labels { set, clear } => write!(f, " +{:?} -{:?}", bit_numbers(*set), bit_numbers(*clear))?,
            Action::Timeout(seconds) | Action::Protect(seconds) => write!(f, " {seconds} s")?,
            Action::Alert(alert) => write!(f, " \"{}\"", alert.title)?,
            Action::Log(fields) => write!(f, " {fields:?}")?,
            Action::Block(block) if block.seconds == 0 => write!(f, " {} in {}", block.network, block.set)?,
            Action::Block(block) => write!(f, " {} in {} for {} s", block.network, block.set, block.seconds)?,
            Action::Unblock { set, network, service: _ } => write!(f, " {network} in {set}")?,
        }
        match &self.target {
            None => {}
            Some(Target::Entry(index)) => write!(f, " on entry {index}")?,
            Some(Target::Key(key)) => write!(f, " on {} {} (id {})", key.protocol, key.original, key.id)?,
            Some(Target::Matching { limit: 0, .. }) => f.write_str(" on every match")?,
            Some(Target::Matching { limit, .. }) => write!(f, " on {limit} matches")?,
        }
        write!(f, ": {}", self.code())?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        let code = verdict.code().to_owned();
        let target = match verdict.target {
            None => wit::Target::None,
            Some(Target::Entry(index)) => wit::Target::Entry(index),
            Some(Target::Key(key)) => wit::Target::Key(key.into()),
            Some(Target::Matching { filter, limit }) => {
                wit::Target::Matching(wit::Selection { filter: (*filter).into(), limit })
            }
        };
        let action = match verdict.action {
            Action::Delete => wit::Action::Delete,
            Action::Kill => wit::Action::Kill,
            Action::Mark(masked) => wit::Action::Mark(masked.into()),
            Action::Labels { set, clear } => {
                wit::Action::Labels(wit::LabelChange { set: bit_numbers(set), clear: bit_numbers(clear) })
            }
            Action::Timeout(seconds) => wit::Action::Timeout(seconds),
            Action::Alert(alert) => wit::Action::Alert(alert.into()),
            Action::Log(fields) => wit::Action::Log(fields),
            Action::Block(block) => wit::Action::Block(block.into()),
            Action::Unblock { set, network, service } => {
                wit::Action::Unblock(wit::Unblock { set, network: network.into(), service: service.map(Into::into) })
            }
            Action::Protect(seconds) => wit::Action::Protect(seconds),
            Action::Sweep => wit::Action::Sweep,
        };
        Self { target, action, code, reason: verdict.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Severity, alert, block};

    fn network() -> Prefix {
        "192.0.2.0/24".parse().unwrap()
    }

    #[test]
    fn every_action_crosses_the_wall() {
        let sent = |verdict: Verdict| wit::Verdict::from(verdict).action;
        assert_eq!(sent(delete()), wit::Action::Delete);
        assert_eq!(sent(kill()), wit::Action::Kill);
        let masked = crate::bindings::ctwarden::conntrack::types::Masked { value: 7, mask: u32::MAX };
        assert_eq!(sent(mark(7)), wit::Action::Mark(masked));
        let change = wit::LabelChange { set: vec![0, 127], clear: vec![64] };
        assert_eq!(sent(labels([127, 0, 128], [64, 0])), wit::Action::Labels(change));
        assert_eq!(sent(timeout(5)), wit::Action::Timeout(5));
        assert_eq!(sent(protect(5)), wit::Action::Protect(5));
        assert_eq!(sent(sweep()), wit::Action::Sweep);
        assert_eq!(sent(log([("a", "b")])), wit::Action::Log(vec![("a".into(), "b".into())]));
        let (set, seconds) = ("s".to_owned(), 9);
        let unblocked = wit::Unblock { set: set.clone(), network: network().into(), service: None };
        assert_eq!(sent(unblock("s", network())), wit::Action::Unblock(unblocked));
        let blocked = wit::Block { set, network: network().into(), service: None, seconds };
        assert_eq!(sent(block("s", network()).seconds(9).into()), wit::Action::Block(blocked));
        let word = alert("t").severity(Severity::Debug).field("n", 1);
        let fields = vec![("n".to_owned(), "1".to_owned())];
        let expected = wit::Alert { severity: 7, title: "t".into(), key: "t".into(), fields };
        assert_eq!(sent(word.clone().into()), wit::Action::Alert(expected.clone()));
        assert_eq!(sent(word.key("k").into()), wit::Action::Alert(wit::Alert { key: "k".into(), ..expected }));
    }

    #[test]
    fn a_verdict_always_has_a_code() {
        assert_eq!(wit::Verdict::from(delete()).code, "delete");
        let verdict = wit::Verdict::from(delete().because("idle", "nothing for an hour"));
        assert_eq!((verdict.code.as_str(), verdict.reason.as_str()), ("idle", "nothing for an hour"));
    }

    #[test]
    fn a_target_is_what_was_said_or_the_entry() {
        let sent = |verdict: Verdict| wit::Verdict::from(verdict).target;
        assert_eq!(sent(delete()), wit::Target::None);
        assert_eq!(sent(delete().on_entry(3)), wit::Target::Entry(3));
        assert_eq!(sent(sweep().on_entry(3)), wit::Target::None);
        let limit = std::num::NonZeroU32::new(10).unwrap();
        for (target, expected) in [(Target::from(Filter::new().tcp()), 0), (Filter::new().tcp().at_most(limit), 10)] {
            let wit::Target::Matching(selection) = sent(delete().on(target).on_entry(3)) else { panic!() };
            assert_eq!((selection.limit, selection.filter.protocols), (expected, vec![6]));
        }
    }
}
