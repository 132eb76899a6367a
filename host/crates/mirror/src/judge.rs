//! Whether a record matches a filter, as `Filter::matches` would say of the flow itself.
//!
//! Three answers: it does not, it does, or the part that decides is not kept or may have changed. Doubt is never taken for
//! a no.

use core::net::IpAddr;

use ctwarden_model::{Family, Filter, NamedSet, PortRange, Prefix, PrefixSet, Protocol, Status, Tuple};

use crate::address::Address;
use crate::flags::Flags;
use crate::judge_rare;
use crate::knowledge::Certainty;
use crate::record::Record;

/// Status bits whose every change the kernel tells by an event, or which never change in the table. The others (offload,
/// sequence adjustment, fixed timeout, NAT set up late) may be set without a word.
const TOLD: u32 = Status::EXPECTED.0
    | Status::SEEN_REPLY.0
    | Status::ASSURED.0
    | Status::CONFIRMED.0
    | Status::SRC_NAT.0
    | Status::DST_NAT.0
    | Status::DYING.0;

/// A part of a filter that names addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    OriginalSrc,
    OriginalDst,
    ReplySrc,
    ReplyDst,
    Either,
    Sets,
}

/// The networks that a part names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Networks<'a> {
    /// Listed in the filter.
    Listed(&'a PrefixSet),
    /// Those of sets. One set without networks is given all the same, and holds no address.
    OfSets(&'a [NamedSet]),
}

impl Networks<'_> {
    /// Whether the filter has the part at all.
    pub(crate) fn are_given(self) -> bool {
        match self {
            Self::Listed(networks) => !networks.is_empty(),
            Self::OfSets(sets) => !sets.is_empty(),
        }
    }

    fn contain(self, address: IpAddr) -> bool {
        match self {
            Self::Listed(networks) => networks.contains(address),
            Self::OfSets(sets) => sets.iter().any(|set| set.networks.contains(address)),
        }
    }

    /// Whether they are more than so many, of both families.
    pub(crate) fn are_more_than(self, many: usize) -> bool {
        match self {
            Self::Listed(networks) => networks.len() > many,
            Self::OfSets(sets) => sets.iter().map(|set| set.networks.len()).sum::<usize>() > many,
        }
    }

    /// Whether any is of that family.
    pub(crate) fn have(self, family: Family) -> bool {
        match self {
            Self::Listed(networks) => networks.of_family(family).next().is_some(),
            Self::OfSets(sets) => sets.iter().any(|set| set.networks.of_family(family).next().is_some()),
        }
    }

    /// Hands over each of that family.
    pub(crate) fn each(self, family: Family, take: &mut dyn FnMut(Prefix)) {
        match self {
            Self::Listed(networks) => networks.of_family(family).for_each(|(network, ())| take(network)),
            Self::OfSets(sets) => {
                sets.iter().flat_map(|set| set.networks.of_family(family)).for_each(|(network, _)| take(network));
            }
        }
    }
}

impl Part {
    pub(crate) const ALL: [Self; 6] =
        [Self::OriginalSrc, Self::OriginalDst, Self::ReplySrc, Self::ReplyDst, Self::Either, Self::Sets];

    pub(crate) fn networks(self, filter: &Filter) -> Networks<'_> {
        match self {
            Self::OriginalSrc => Networks::Listed(&filter.original_src),
            Self::OriginalDst => Networks::Listed(&filter.original_dst),
            Self::ReplySrc => Networks::Listed(&filter.reply_src),
            Self::ReplyDst => Networks::Listed(&filter.reply_dst),
            Self::Either => Networks::Listed(&filter.either),
            Self::Sets => Networks::OfSets(filter.rare.as_ref().map_or(&[], |rare| &rare.sets)),
        }
    }

    fn holds(self, filter: &Filter, original: &Tuple, reply: &Tuple) -> bool {
        let networks = self.networks(filter);
        match self {
            Self::OriginalSrc => networks.contain(original.src),
            Self::OriginalDst => networks.contain(original.dst),
            Self::ReplySrc => networks.contain(reply.src),
            Self::ReplyDst => networks.contain(reply.dst),
            Self::Either | Self::Sets => {
                [original.src, original.dst, reply.src, reply.dst].into_iter().any(|a| networks.contain(a))
            }
        }
    }
}

/// Parts of a filter: asked for once, as looking at each of them for each record would cost more than all the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts(u8);

impl Parts {
    /// Those that the filter has.
    pub(crate) fn of(filter: &Filter) -> Self {
        let given = Part::ALL.into_iter().filter(|part| part.networks(filter).are_given());
        Self(given.fold(0, |parts, part| parts | 1 << part as u8))
    }

    /// Those but this one.
    pub(crate) const fn without(self, part: Part) -> Self {
        Self(self.0 & !(1 << part as u8))
    }

    pub(crate) fn iter(mut self) -> impl Iterator<Item = Part> {
        core::iter::from_fn(move || {
            let part = *Part::ALL.get(self.0.trailing_zeros() as usize)?;
            self = self.without(part);
            Some(part)
        })
    }
}

/// `None` where it does not match. `parts`: those of the filter that name addresses and are not known to be met; `fresh`:
/// nothing was lost since the record was confirmed, and its changes are told; `marks`: the kernel has marks.
pub(crate) fn judge<A: Address>(
    filter: &Filter,
    parts: Parts,
    record: &Record<A>,
    original: &Tuple,
    reply: &Tuple,
    fresh: bool,
    marks: bool,
) -> Option<Certainty> {
    let unmet = |part: Part| !part.holds(filter, original, reply);
    if !holds_for_life(filter, original, record.identity().zone) || parts.iter().any(unmet) {
        return None;
    }
    let rare = filter.rare.as_deref().map_or(Finding::Holds, |filter| {
        judge_rare::rare(filter, &record.identity().key(), *reply, Status(record.status.into()))
    });
    let findings = [
        state(filter, record, fresh),
        mark(filter, record, fresh, marks),
        status(filter, record, fresh),
        // Seconds left follow packets without events, labels are not kept.
        (filter.timeout.is_none() && filter.labels == 0).into(),
        rare,
    ];
    if findings.contains(&Finding::Fails) {
        return None;
    }
    Some(if findings.contains(&Finding::Open) { Certainty::Candidate } else { Certainty::Certain })
}

/// What one condition of a filter comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Holds,
    Fails,
    Open,
}

impl From<bool> for Finding {
    /// Holds, or is open.
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Open }
    }
}

/// The parts about what a flow keeps for life, addresses apart.
fn holds_for_life(filter: &Filter, original: &Tuple, zone: u16) -> bool {
    // By name, so that a part that is added later is decided about in this file.
    let Filter {
        family,
        protocols,
        zones,
        src_ports,
        dst_ports,
        original_src: _,
        original_dst: _,
        reply_src: _,
        reply_dst: _,
        either: _,
        states: _,
        mark: _,
        status: _,
        timeout: _,
        labels: _,
        rare: _,
    } = filter;
    let ports = original.ports();
    family.is_none_or(|family| family == original.family())
        && (protocols.is_empty() || protocols.contains(&original.protocol))
        && (zones.is_empty() || zones.iter().any(|wanted| wanted.0 == zone))
        && in_ranges(src_ports, ports.map(|(src, _)| src))
        && in_ranges(dst_ports, ports.map(|(_, dst)| dst))
}

fn in_ranges(ranges: &[PortRange], port: Option<u16>) -> bool {
    ranges.is_empty() || port.is_some_and(|p| ranges.iter().any(|r| r.first <= p && p <= r.last))
}

fn state<A: Address>(filter: &Filter, record: &Record<A>, fresh: bool) -> Finding {
    if filter.states.is_empty() {
        return Finding::Holds;
    }
    let protocol = Protocol(record.identity().original.protocol);
    if ![Protocol::TCP, Protocol::SCTP, Protocol::DCCP].contains(&protocol) {
        return Finding::Fails;
    }
    if !fresh || !record.flags.has(Flags::STATE_KNOWN) || record.flags.has(Flags::STATE_DOUBTFUL) {
        return Finding::Open;
    }
    if filter.states.contains(&record.state) { Finding::Holds } else { Finding::Fails }
}

fn mark<A: Address>(filter: &Filter, record: &Record<A>, fresh: bool, marks: bool) -> Finding {
    match filter.mark {
        None => Finding::Holds,
        Some(_) if !fresh => Finding::Open,
        Some(wanted) if !wanted.matches(record.mark) => Finding::Fails,
        // Zero, or a kernel without marks, where the part does not hold.
        Some(_) => marks.into(),
    }
}

fn status<A: Address>(filter: &Filter, record: &Record<A>, fresh: bool) -> Finding {
    match filter.status {
        None => Finding::Holds,
        Some(_) if !fresh || !record.flags.has(Flags::STATUS_KNOWN) => Finding::Open,
        Some(wanted) if (u32::from(record.status) ^ wanted.value()) & wanted.mask() & TOLD != 0 => Finding::Fails,
        Some(wanted) => (wanted.mask() & !TOLD == 0).into(),
    }
}
