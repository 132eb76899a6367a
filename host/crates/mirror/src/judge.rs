//! Whether a record matches a filter, as `Filter::matches` would say of the flow itself.
//!
//! Three answers: it does not, it does, or the part that decides is not kept or may have changed. Doubt is never taken for
//! a no.

use core::net::IpAddr;

use ctwarden_model::{Filter, PortRange, PrefixSet, Protocol, Status, Tuple};

use crate::address::Address;
use crate::flags::Flags;
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

/// `None` where it does not match. `fresh`: nothing was lost since the record was confirmed, and its changes are told;
/// `marks`: the kernel has marks.
pub(crate) fn judge<A: Address>(
    filter: &Filter,
    record: &Record<A>,
    original: &Tuple,
    reply: &Tuple,
    fresh: bool,
    marks: bool,
) -> Option<Certainty> {
    if !holds_for_life(filter, original, reply, record.identity().zone) {
        return None;
    }
    let parts = [
        state(filter, record, fresh),
        mark(filter, record, fresh, marks),
        status(filter, record, fresh),
        // Seconds left follow packets without events, labels are not kept.
        (filter.timeout.is_none() && filter.labels == 0).into(),
    ];
    if parts.contains(&Part::Fails) {
        return None;
    }
    Some(if parts.contains(&Part::Open) { Certainty::Candidate } else { Certainty::Certain })
}

/// What one part of a filter says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Holds,
    Fails,
    Open,
}

impl From<bool> for Part {
    /// Holds, or is open.
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Open }
    }
}

/// The parts about what a flow keeps for life.
fn holds_for_life(filter: &Filter, original: &Tuple, reply: &Tuple, zone: u16) -> bool {
    let ports = original.ports();
    filter.family.is_none_or(|family| family == original.family())
        && (filter.protocols.is_empty() || filter.protocols.contains(&original.protocol))
        && (filter.zones.is_empty() || filter.zones.iter().any(|wanted| wanted.0 == zone))
        && in_ranges(&filter.src_ports, ports.map(|(src, _)| src))
        && in_ranges(&filter.dst_ports, ports.map(|(_, dst)| dst))
        && held(&filter.original_src, [original.src])
        && held(&filter.original_dst, [original.dst])
        && held(&filter.reply_src, [reply.src])
        && held(&filter.reply_dst, [reply.dst])
        && held(&filter.either, [original.src, original.dst, reply.src, reply.dst])
}

fn held<const N: usize>(networks: &PrefixSet, addresses: [IpAddr; N]) -> bool {
    networks.is_empty() || addresses.into_iter().any(|address| networks.contains(address))
}

fn in_ranges(ranges: &[PortRange], port: Option<u16>) -> bool {
    ranges.is_empty() || port.is_some_and(|p| ranges.iter().any(|r| r.first <= p && p <= r.last))
}

fn state<A: Address>(filter: &Filter, record: &Record<A>, fresh: bool) -> Part {
    if filter.states.is_empty() {
        return Part::Holds;
    }
    let protocol = Protocol(record.identity().original.protocol);
    if ![Protocol::TCP, Protocol::SCTP, Protocol::DCCP].contains(&protocol) {
        return Part::Fails;
    }
    if !fresh || !record.flags.has(Flags::STATE_KNOWN) || record.flags.has(Flags::STATE_DOUBTFUL) {
        return Part::Open;
    }
    if filter.states.contains(&record.state) { Part::Holds } else { Part::Fails }
}

fn mark<A: Address>(filter: &Filter, record: &Record<A>, fresh: bool, marks: bool) -> Part {
    match filter.mark {
        None => Part::Holds,
        Some(_) if !fresh => Part::Open,
        Some(wanted) if !wanted.matches(record.mark) => Part::Fails,
        // Zero, or a kernel without marks, where the part does not hold.
        Some(_) => marks.into(),
    }
}

fn status<A: Address>(filter: &Filter, record: &Record<A>, fresh: bool) -> Part {
    match filter.status {
        None => Part::Holds,
        Some(_) if !fresh || !record.flags.has(Flags::STATUS_KNOWN) => Part::Open,
        Some(wanted) if (u32::from(record.status) ^ wanted.value()) & wanted.mask() & TOLD != 0 => Part::Fails,
        Some(wanted) => (wanted.mask() & !TOLD == 0).into(),
    }
}
