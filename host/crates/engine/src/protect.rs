//! Flows that nobody may touch: those of the configuration, and those that a plugin has protected for a time.
//!
//! What is known of a flow is often less than a filter asks: a key has one tuple, an event lacks what did not change. So
//! the answer has three values, and "not known" is never taken for "not protected".

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ctwarden_model::{
    Family, Filter, Flow, FlowKey, Labels, Mark, PluginName, PortRange, Prefix, PrefixSet, ProtocolInfo, Status,
    Steady, Tuple, Zone,
};

/// Whether something holds, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// What would tell is not known.
    Unknown,
}

impl Held {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// Of several alternatives: one that holds suffices, one that is not known leaves it open.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        }
    }

    /// Of two looks at one flow: protected by either is protected; known by either is known.
    pub(crate) const fn with_another_look(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

impl From<bool> for Held {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// Its name: one tuple, zone, id.
    Key(&'a FlowKey),
    /// An event: what is absent may yet be set.
    Event(&'a Flow),
    /// A row of a dump or an entry asked for: what is absent is not set.
    Whole(&'a Flow),
}

impl Known<'_> {
    const fn zone(&self) -> Zone {
        match self {
            Self::Key(key) => key.zone,
            Self::Event(flow) | Self::Whole(flow) => flow.zone,
        }
    }

    const fn original(&self) -> &Tuple {
        match self {
            Self::Key(key) => &key.original,
            Self::Event(flow) | Self::Whole(flow) => &flow.tuples.original,
        }
    }

    const fn reply(&self) -> Option<&Tuple> {
        match self {
            Self::Key(_) => None,
            Self::Event(flow) | Self::Whole(flow) => Some(&flow.tuples.reply),
        }
    }

    /// Whether a part of the entry holds against a condition, where the part is there.
    fn part<T>(&self, part: impl Fn(&Flow) -> Option<T>, holds: impl Fn(T) -> bool) -> Held {
        match self {
            Self::Key(_) => Held::Unknown,
            Self::Event(flow) => part(flow).map_or(Held::Unknown, |value| holds(value).into()),
            Self::Whole(flow) => part(flow).is_some_and(holds).into(),
        }
    }
}

/// Whether the filter matches, as far as is known. For a whole entry this is [`Filter::matches`].
pub(crate) fn matches(filter: &Filter, known: Known<'_>) -> Held {
    let original = known.original();
    let ports = original.ports();
    let addresses = |networks: &PrefixSet, address: Option<IpAddr>| match address {
        _ if networks.is_empty() => Held::Yes,
        Some(address) => networks.contains(address).into(),
        None => Held::Unknown,
    };
    let sure = [
        filter.family.is_none_or(|family: Family| family == original.family()).into(),
        (filter.protocols.is_empty() || filter.protocols.contains(&original.protocol)).into(),
        (filter.zones.is_empty() || filter.zones.contains(&known.zone())).into(),
        addresses(&filter.original_src, Some(original.src)),
        addresses(&filter.original_dst, Some(original.dst)),
        addresses(&filter.reply_src, known.reply().map(|reply| reply.src)),
        addresses(&filter.reply_dst, known.reply().map(|reply| reply.dst)),
        addresses(&filter.either, Some(original.src))
            .or(addresses(&filter.either, Some(original.dst)))
            .or(addresses(&filter.either, known.reply().map(|reply| reply.src)))
            .or(addresses(&filter.either, known.reply().map(|reply| reply.dst))),
        in_ranges(&filter.src_ports, ports.map(|(src, _)| src)).into(),
        in_ranges(&filter.dst_ports, ports.map(|(_, dst)| dst)).into(),
        when(!filter.states.is_empty(), || {
            let state = |flow: &Flow| flow.info.as_ref().and_then(ProtocolInfo::state);
            known.part(state, |state| filter.states.contains(&state))
        }),
        filter.mark.map_or(Held::Yes, |mark| known.part(|flow| flow.mark, |Mark(field)| mark.matches(field))),
        filter.status.map_or(Held::Yes, |bits| known.part(|flow| flow.status, |Status(field)| bits.matches(field))),
        filter.timeout.map_or(Held::Yes, |range| {
            known.part(|flow| flow.timeout, |seconds| range.first <= seconds && seconds <= range.last)
        }),
        when(filter.labels != 0, || {
            known.part(|flow| flow.labels, |Labels(bits)| bits & filter.labels == filter.labels)
        }),
    ];
    sure.into_iter().fold(Held::Yes, Held::and)
}

fn when(asked: bool, holds: impl FnOnce() -> Held) -> Held {
    if asked { holds() } else { Held::Yes }
}

fn in_ranges(ranges: &[PortRange], port: Option<u16>) -> bool {
    ranges.is_empty() || port.is_some_and(|p| ranges.iter().any(|range| range.first <= p && p <= range.last))
}

/// The `protect` filters of the configuration.
#[derive(Debug, Default)]
pub(crate) struct ProtectedFlows {
    filters: Vec<Filter>,
    networks: PrefixSet,
}

impl ProtectedFlows {
    pub(crate) fn new(filters: Vec<Filter>) -> Self {
        let parts = |filter: &Filter| {
            [&filter.original_src, &filter.original_dst, &filter.reply_src, &filter.reply_dst, &filter.either]
                .into_iter()
                .flat_map(|networks| networks.iter().map(|(network, ())| network).collect::<Vec<Prefix>>())
                .collect::<Vec<Prefix>>()
        };
        let networks = filters.iter().flat_map(parts).collect();
        Self { filters, networks }
    }

    /// Whether the flow is protected.
    pub(crate) fn holds(&self, known: Known<'_>) -> Held {
        self.filters.iter().map(|filter| matches(filter, known)).fold(Held::No, Held::or)
    }

    /// Whether blocking the network would cut off an address that a filter names. The other parts of the filter are not
    /// looked at: a block stops all traffic of its network, the protected part of it too.
    pub(crate) fn covers(&self, network: Prefix) -> bool {
        self.networks.overlaps(network)
    }
}

/// A protection that a plugin asked for.
#[derive(Clone, Copy, Debug)]
struct Protection {
    until: Steady,
    /// From an observing plugin it holds for that plugin's own verdicts only, so that the simulation is right and nobody
    /// else is held back by it.
    observed: bool,
}

/// Flows that plugins have protected for a time; kept over reloads. Bounded for each plugin by
/// [`crate::PluginLimits::protections`].
#[derive(Debug, Default)]
pub(crate) struct Protections {
    flows: BTreeMap<FlowKey, BTreeMap<PluginName, Protection>>,
    /// How many flows each plugin has in `flows`, ended protections included.
    held: BTreeMap<PluginName, usize>,
    /// When ended ones were last looked for: at most once a second, for it walks over all.
    tidied: Steady,
}

impl Protections {
    /// Protects a flow; false where the plugin has as many as it may.
    pub(crate) fn add(
        &mut self,
        key: FlowKey,
        by: &PluginName,
        until: Steady,
        observed: bool,
        limit: usize,
        now: Steady,
    ) -> bool {
        let renewed = self.flows.get(&key).is_some_and(|protections| protections.contains_key(by));
        if !renewed && self.held_by(by) >= limit {
            self.forget_ended(now);
            if self.held_by(by) >= limit {
                return false;
            }
        }
        if self.flows.entry(key).or_default().insert(by.clone(), Protection { until, observed }).is_none() {
            *self.held.entry(by.clone()).or_default() += 1;
        }
        true
    }

    fn held_by(&self, by: &PluginName) -> usize {
        self.held.get(by).copied().unwrap_or(0)
    }

    fn forget_ended(&mut self, now: Steady) {
        if now.since(self.tidied) < Duration::from_secs(1) {
            return;
        }
        self.tidied = now;
        self.flows.retain(|_, protections| {
            protections.retain(|_, protection| protection.until > now);
            !protections.is_empty()
        });
        self.held.clear();
        for by in self.flows.values().flat_map(BTreeMap::keys) {
            *self.held.entry(by.clone()).or_default() += 1;
        }
    }

    /// Whether a verdict of the plugin on the flow is held off.
    pub(crate) fn hold(&self, key: &FlowKey, against: &PluginName, now: Steady) -> bool {
        self.flows.get(key).is_some_and(|protections| {
            protections.iter().any(|(by, protection)| protection.until > now && (!protection.observed || by == against))
        })
    }

    /// Flows that are protected at the moment.
    pub(crate) fn count(&self, now: Steady) -> usize {
        let live = |protections: &&BTreeMap<PluginName, Protection>| protections.values().any(|p| p.until > now);
        self.flows.values().filter(live).count()
    }
}
