//! Subscriptions: what a policy wants delivered. A narrower subscription costs less, because the host filters as early
//! as it can.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::counter::{Counting, Declared};
use crate::{Counter, Entry, Filter, Flow, Kind, Refusal, VerdictKind};

/// What the host delivers to the policy. The default is new flows and rows of sweeps: with these a policy judges every
/// flow once.
///
/// ```
/// use ctwarden_sdk::{Filter, Kind, Subscription};
/// use std::time::Duration;
///
/// let ssh = Subscription::to(&[Kind::New, Kind::Destroy])
///     .only(Filter::new().tcp().dst_port(22))
///     .tick_every(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Subscription {
    /// `None` means all kinds that the policy wants.
    needs: Option<Vec<VerdictKind>>,
    mark_bits: u32,
    label_bits: BTreeSet<u8>,
    block_sets: BTreeSet<String>,
    read_sets: BTreeSet<String>,
    kinds: Vec<Kind>,
    filters: Vec<Filter>,
    sweep_every: Duration,
    tick_every: Duration,
    own_changes: bool,
    counters: Vec<Declared>,
    sets: Vec<String>,
    selects: bool,
    codes: BTreeSet<String>,
}

impl Default for Subscription {
    fn default() -> Self {
        Self::to(&[Kind::New, Kind::Row])
    }
}

impl Subscription {
    /// Maximum number of filters in one subscription. The host matches each event against each filter. A policy with
    /// more filters has to join some of them, or to subscribe to every flow and match flows itself.
    pub const FILTERS: usize = 64;

    /// Maximum number of codes in one subscription. Each is a label in metrics.
    pub const CODES: usize = 256;

    /// Subscribes to entries of these kinds.
    pub fn to(kinds: &[Kind]) -> Self {
        Self {
            needs: None,
            mark_bits: 0,
            label_bits: BTreeSet::new(),
            block_sets: BTreeSet::new(),
            read_sets: BTreeSet::new(),
            kinds: kinds.to_vec(),
            filters: Vec::new(),
            sweep_every: Duration::ZERO,
            tick_every: Duration::ZERO,
            own_changes: false,
            counters: Vec::new(),
            sets: Vec::new(),
            selects: false,
            codes: BTreeSet::new(),
        }
    }

    /// Sets the kinds of verdicts that the policy returns with its configuration, if they are fewer than
    /// [`WANTS`](crate::Policy::WANTS). The operator has to grant only these kinds. The host refuses verdicts of other
    /// kinds.
    pub fn needs(mut self, kinds: impl IntoIterator<Item = VerdictKind>) -> Self {
        self.needs = Some(kinds.into_iter().collect());
        self
    }

    /// Adds bits of the mark that verdicts change with this configuration. The operator has to grant them
    /// (`mark-mask`), and learns about them before the policy starts.
    pub fn changes_mark(mut self, bits: u32) -> Self {
        self.mark_bits |= bits;
        self
    }

    /// Adds bits of the label that verdicts change, by number 0 to 127. The operator has to grant them (`label-bits`).
    pub fn changes_labels(mut self, bits: impl IntoIterator<Item = u8>) -> Self {
        self.label_bits.extend(bits);
        self
    }

    /// Adds an operator-named nftables set that [`block`](crate::block()) and [`unblock`](crate::unblock()) use. The
    /// operator has to grant it (`block-sets`).
    pub fn blocks_in(mut self, set: impl Into<String>) -> Self {
        self.block_sets.insert(set.into());
        self
    }

    /// Adds an operator-named address set that the policy looks into or names in a filter, without reports of its
    /// changes as [`Subscription::set`] has them. The operator has to grant it (`read-sets`).
    pub fn reads(mut self, set: impl Into<String>) -> Self {
        self.read_sets.insert(set.into());
        self
    }

    /// Adds a filter: the host delivers only flows that match at least one of the filters. Without any filter, it
    /// delivers every flow. The host accepts at most [`FILTERS`](Self::FILTERS) filters.
    pub fn only(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Sets the period of sweeps, rounded up to whole seconds. In any case, the host sweeps at the start, after events
    /// were lost, and when the policy asks for a [`sweep`](crate::sweep()).
    pub fn sweep_every(self, period: Duration) -> Self {
        Self { sweep_every: period, ..self }
    }

    /// Sets the period of calls of [`tick`](crate::Policy::tick), rounded up to whole milliseconds and at least 10
    /// milliseconds. Zero means no calls.
    pub fn tick_every(self, period: Duration) -> Self {
        Self { tick_every: period, ..self }
    }

    /// Subscribes also to events that verdicts of this host caused. A policy that counts flows needs the ends of the
    /// flows that it deleted itself.
    pub fn own_changes(self) -> Self {
        Self { own_changes: true, ..self }
    }

    /// Adds a counter that the host keeps for the policy. The host accepts at most 16.
    pub fn counter<K: Counting>(mut self, counter: &Counter<K>) -> Self {
        self.counters.push(counter.declared());
        self
    }

    /// Adds an operator-named address set. The host reports its changes to
    /// [`sets_changed`](crate::Policy::sets_changed). The operator has to grant it (`read-sets`).
    pub fn set(mut self, name: impl Into<String>) -> Self {
        self.sets.push(name.into());
        self
    }

    /// Declares that verdicts select flows by a filter with addresses. The host then keeps a replica of the table, so
    /// that a ban finds its flows at once. Without it, a sweep finds them.
    pub fn selects(self) -> Self {
        Self { selects: true, ..self }
    }

    /// Adds a code that verdicts have with this configuration, besides [`CODES`](crate::Policy::CODES). It has 1 to 64
    /// letters, digits or `-`. Beyond [`CODES`](Self::CODES), codes are left out, and the host counts their verdicts as
    /// `other`.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        if self.codes.len() < Self::CODES {
            self.codes.insert(code.into());
        }
        self
    }

    /// Returns the codes that the subscription adds.
    #[must_use]
    pub const fn codes(&self) -> &BTreeSet<String> {
        &self.codes
    }

    /// Whether the host would deliver the flow.
    #[must_use]
    pub fn holds(&self, flow: &Flow<'_>) -> bool {
        self.kinds.contains(&Entry::kind(flow))
            && (self.own_changes || !flow.by_us())
            && (self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(flow)))
    }

    /// Returns the kinds of verdicts that the subscription needs. `wants` is what the policy wants.
    ///
    /// # Errors
    /// The subscription needs a kind that the policy does not want, or the host would refuse the subscription.
    pub(crate) fn needed(&self, wants: &[VerdictKind]) -> Result<Vec<VerdictKind>, Refusal> {
        if let Some(set) = self.filters.iter().find_map(|filter| filter.sets().first()) {
            let why = "which changes; name it with Subscription::set and look addresses up in judge";
            return Err(format!("a filter of the subscription names the set {set}, {why}").into());
        }
        let needs = self.needs.as_deref().unwrap_or(wants);
        match needs.iter().find(|kind| !wants.contains(kind)) {
            Some(kind) => Err(format!("the subscription needs {}, which WANTS does not list", kind.name()).into()),
            None => Ok(needs.to_vec()),
        }
    }

    /// Whether the policy may return verdicts of this kind, which must be among those that it wants.
    pub(crate) fn may(&self, kind: VerdictKind) -> bool {
        self.needs.as_ref().is_none_or(|needs| needs.contains(&kind))
    }

    /// Returns the counters that the host keeps.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn counters(&self) -> impl ExactSizeIterator<Item = wit::Counter> {
        self.counters.iter().cloned().map(Into::into)
    }

    /// Returns the names of the sets whose changes the host reports.
    #[must_use]
    pub fn sets(&self) -> &[String] {
        &self.sets
    }
}

impl Subscription {
    /// Converts the subscription to the WIT. `wants` is what the policy wants.
    ///
    /// # Errors
    /// As [`needed`](Self::needed).
    pub(crate) fn into_wit(self, wants: &[VerdictKind]) -> Result<wit::Subscription, Refusal> {
        let kind = |kind: &Kind| match kind {
            Kind::Row => wit::Kinds::ROW,
            Kind::New => wit::Kinds::NEW,
            Kind::Update => wit::Kinds::UPDATE,
            Kind::Destroy => wit::Kinds::DESTROY,
        };
        // Rounding must not turn a requested period into "never".
        let at_least = |least: u128, number: u128| match number {
            0 => 0,
            number => u32::try_from(number.max(least)).unwrap_or(u32::MAX),
        };
        Ok(wit::Subscription {
            needs: VerdictKind::flags(&self.needed(wants)?),
            reach: wit::Reach {
                mark_bits: self.mark_bits,
                label_bits: self.label_bits.into_iter().collect(),
                block_sets: self.block_sets.into_iter().collect(),
                read_sets: self.read_sets.into_iter().collect(),
            },
            kinds: self.kinds.iter().map(kind).fold(wit::Kinds::empty(), |all, kind| all | kind),
            filters: self.filters.into_iter().map(Into::into).collect(),
            sweep_every: at_least(1, self.sweep_every.as_nanos().div_ceil(1_000_000_000)),
            tick_every: at_least(10, self.tick_every.as_nanos().div_ceil(1_000_000)),
            own_changes: self.own_changes,
            counters: self.counters.into_iter().map(Into::into).collect(),
            sets: self.sets,
            selects: self.selects,
            codes: self.codes.into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_never_becomes_never() {
        let times = |sweep, tick| {
            let wanted = Subscription::default().sweep_every(sweep).tick_every(tick);
            let wanted = wanted.into_wit(&[]).unwrap();
            (wanted.sweep_every, wanted.tick_every)
        };
        assert_eq!(times(Duration::ZERO, Duration::ZERO), (0, 0));
        assert_eq!(times(Duration::from_nanos(1), Duration::from_nanos(1)), (1, 10));
        assert_eq!(times(Duration::from_millis(1001), Duration::from_micros(10_001)), (2, 11));
        assert_eq!(times(Duration::from_secs(60), Duration::from_millis(250)), (60, 250));
        assert_eq!(times(Duration::MAX, Duration::MAX), (u32::MAX, u32::MAX));
    }

    #[test]
    fn how_far_verdicts_go_is_told_once_each() {
        let wanted = Subscription::default().changes_mark(0x30).changes_mark(0x50).changes_labels([127, 3, 3]);
        let wanted = wanted.blocks_in("banned").blocks_in("banned").reads("offices").set("feed");
        let told = wanted.into_wit(&[]).unwrap();
        let reach = wit::Reach {
            mark_bits: 0x70,
            label_bits: vec![3, 127],
            block_sets: vec!["banned".to_owned()],
            read_sets: vec!["offices".to_owned()],
        };
        assert_eq!((told.reach, told.sets), (reach, vec!["feed".to_owned()]));
    }

    #[test]
    fn a_code_is_declared_once_and_few_are() {
        let told = Subscription::default().code("web").code("ssh").code("web").into_wit(&[]).unwrap();
        assert_eq!(told.codes, ["ssh", "web"]);
        let many = (0..300).fold(Subscription::default(), |all, number| all.code(number.to_string()));
        assert_eq!(many.into_wit(&[]).unwrap().codes.len(), Subscription::CODES);
    }

    #[test]
    fn a_policy_needs_what_it_wants_unless_it_says_less() {
        let wants = [VerdictKind::Delete, VerdictKind::Alert];
        let needs = |subscription: Subscription| subscription.into_wit(&wants).map(|told| told.needs);
        assert_eq!(needs(Subscription::default()), Ok(wit::VerdictKinds::DELETE | wit::VerdictKinds::ALERT));
        assert_eq!(needs(Subscription::default().needs([VerdictKind::Alert])), Ok(wit::VerdictKinds::ALERT));
        assert_eq!(needs(Subscription::default().needs([])), Ok(wit::VerdictKinds::empty()));
        let refused = needs(Subscription::default().only(Filter::new().in_set("feed"))).unwrap_err();
        assert!(refused.as_str().starts_with("a filter of the subscription names the set feed, which changes;"));
        let refused = needs(Subscription::default().needs([VerdictKind::Mark])).unwrap_err();
        assert_eq!(refused.as_str(), "the subscription needs mark, which WANTS does not list");
    }
}
