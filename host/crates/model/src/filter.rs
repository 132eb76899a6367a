//! Which flows: one filter type serves subscriptions, protected flows, bulk verdicts and the command line.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{Flow, Masked, PrefixSet, Protocol, Status, Zone};

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`.
    Ipv6,
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// Lowest.
    pub first: u16,
    /// Highest; below `first` the range is empty.
    pub last: u16,
}

/// Seconds from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecondsRange {
    /// Least.
    pub first: u32,
    /// Most.
    pub last: u32,
}

/// Every part that is given must hold; none or an empty list holds for every flow. Within a list any one suffices. A part
/// whose field the entry lacks does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Family.
    pub family: Option<Family>,
    /// Protocols.
    pub protocols: Vec<Protocol>,
    /// Zones.
    pub zones: Vec<Zone>,
    /// Source of the original direction.
    pub original_src: PrefixSet,
    /// Destination of the original direction.
    pub original_dst: PrefixSet,
    /// Source of the reply direction.
    pub reply_src: PrefixSet,
    /// Destination of the reply direction.
    pub reply_dst: PrefixSet,
    /// Any of the four addresses.
    pub either: PrefixSet,
    /// Source port of the original direction.
    pub src_ports: Vec<PortRange>,
    /// Destination port of the original direction.
    pub dst_ports: Vec<PortRange>,
    /// Protocol states.
    pub states: Vec<u8>,
    /// Mark.
    pub mark: Option<Masked>,
    /// Status bits.
    pub status: Option<Masked>,
    /// Seconds left.
    pub timeout: Option<SecondsRange>,
    /// Label bits that must all be set.
    pub labels: u128,
}

impl Filter {
    /// Whether the flow matches.
    #[must_use]
    pub fn matches(&self, flow: &Flow) -> bool {
        let original = &flow.tuples.original;
        let reply = &flow.tuples.reply;
        let ports = original.ports();
        self.family.is_none_or(|family| family == original.family())
            && any_of(&self.protocols, original.protocol)
            && any_of(&self.zones, flow.zone)
            && held(&self.original_src, [original.src])
            && held(&self.original_dst, [original.dst])
            && held(&self.reply_src, [reply.src])
            && held(&self.reply_dst, [reply.dst])
            && held(&self.either, [original.src, original.dst, reply.src, reply.dst])
            && in_ranges(&self.src_ports, ports.map(|(src, _)| src))
            && in_ranges(&self.dst_ports, ports.map(|(_, dst)| dst))
            && (self.states.is_empty()
                || flow.info.and_then(|info| info.state()).is_some_and(|state| self.states.contains(&state)))
            && self.mark.is_none_or(|m| flow.mark.is_some_and(|mark| m.matches(mark.0)))
            && self.status.is_none_or(|m| flow.status.is_some_and(|Status(bits)| m.matches(bits)))
            && self.timeout.is_none_or(|r| flow.timeout.is_some_and(|t| r.first <= t && t <= r.last))
            && (self.labels == 0 || flow.labels.is_some_and(|l| l.0 & self.labels == self.labels))
    }
}

fn any_of<T: PartialEq>(wanted: &[T], field: T) -> bool {
    wanted.is_empty() || wanted.contains(&field)
}

fn held<const N: usize>(networks: &PrefixSet, addresses: [IpAddr; N]) -> bool {
    networks.is_empty() || addresses.into_iter().any(|address| networks.contains(address))
}

fn in_ranges(ranges: &[PortRange], port: Option<u16>) -> bool {
    ranges.is_empty() || port.is_some_and(|p| ranges.iter().any(|r| r.first <= p && p <= r.last))
}
