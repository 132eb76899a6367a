//! Conditions that few filters have. Most of them come from a command line or a verdict.
//!
//! [`Filter`](crate::Filter) keeps them behind one box, so that the common filter stays small and matches without a
//! check for each of them. The kernel never filters by any of them.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::filter::{any_address, given};
use crate::{Facts, FilterPart, FlowId, Layer4, NamedSet, NatFilter, PerDirection, PortRanges, Truth, Zone};

/// Every given part must hold. A part does not hold if the entry lacks its field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RareFilter {
    /// The filter contradicts itself, so no flow matches.
    pub nothing: bool,
    pub id: Option<FlowId>,
    /// Zone of an entry whose directions share it (`CTA_ZONE`). An entry whose directions differ counts as zone 0.
    pub shared_zone: Option<Zone>,
    /// Zones of the single directions (`CTA_TUPLE_ZONE`). An entry whose directions share a zone counts as zone 0.
    pub zones: PerDirection<Option<Zone>>,
    /// Source of the original direction, under a mask that is not a prefix.
    pub original_src: Option<MaskedAddress>,
    /// Destination of the original direction, under a mask that is not a prefix.
    pub original_dst: Option<MaskedAddress>,
    /// Source port of the reply direction.
    pub reply_src_ports: PortRanges,
    /// Destination port of the reply direction.
    pub reply_dst_ports: PortRanges,
    /// Fields of the original ICMP tuple.
    pub icmp: IcmpFilter,
    pub nat: Option<NatFilter>,
    /// Address sets. Any of the four addresses must be in any of the sets.
    pub sets: Vec<NamedSet>,
}

/// An address under a mask that need not be a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedAddress {
    pub address: IpAddr,
    /// The bits that count are ones. A mask of the other family matches nothing.
    pub mask: IpAddr,
}

impl MaskedAddress {
    /// Whether the address equals this one in the bits of the mask. Addresses of different families never do.
    #[must_use]
    pub const fn contains(self, address: IpAddr) -> bool {
        match (self.address, self.mask, address) {
            (IpAddr::V4(wanted), IpAddr::V4(mask), IpAddr::V4(found)) => {
                (wanted.to_bits() ^ found.to_bits()) & mask.to_bits() == 0
            }
            (IpAddr::V6(wanted), IpAddr::V6(mask), IpAddr::V6(found)) => {
                (wanted.to_bits() ^ found.to_bits()) & mask.to_bits() == 0
            }
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpFilter {
    pub id: Option<u16>,
    pub kind: Option<u8>,
    pub code: Option<u8>,
}

impl IcmpFilter {
    fn matches(self, layer4: Layer4) -> bool {
        match layer4 {
            Layer4::Icmp { id, kind, code } => {
                self.id.is_none_or(|wanted| wanted == id)
                    && self.kind.is_none_or(|wanted| wanted == kind)
                    && self.code.is_none_or(|wanted| wanted == code)
            }
            Layer4::None | Layer4::Ports { .. } | Layer4::Keys { .. } => self == Self::default(),
        }
    }
}

impl RareFilter {
    /// Whether the filter matches, judged by the facts that are known.
    #[must_use]
    pub fn evaluate(&self, facts: &impl Facts) -> Truth {
        self.by_key(facts)
            .and(|| self.by_addresses(facts))
            .and(|| self.id.map_or(Truth::Yes, |id| facts.id().holds(|found| found == id)))
            .and(|| given(self.asks_for_direction_zones(), || self.by_direction_zones(facts)))
            .and(|| self.nat.map_or(Truth::Yes, |nat| nat.evaluate(facts)))
    }

    fn by_key(&self, facts: &impl Facts) -> Truth {
        let original = facts.original();
        let holds = !self.nothing
            && self.original_src.is_none_or(|bits| bits.contains(original.src))
            && self.original_dst.is_none_or(|bits| bits.contains(original.dst))
            && self.icmp.matches(original.layer4);
        holds.into()
    }

    fn by_addresses(&self, facts: &impl Facts) -> Truth {
        let holds = |ranges: &PortRanges, port: fn((u16, u16)) -> u16| {
            facts.reply().map_or(Truth::Unknown, |reply| ranges.hold(reply.ports().map(port)).into())
        };
        let in_sets = |address| self.sets.iter().any(|set| set.networks.contains(address));
        given(!self.reply_src_ports.is_empty(), || holds(&self.reply_src_ports, |(src, _)| src))
            .and(|| given(!self.reply_dst_ports.is_empty(), || holds(&self.reply_dst_ports, |(_, dst)| dst)))
            .and(|| {
                given(!self.sets.is_empty() && !facts.was_found_by(FilterPart::Sets), || any_address(facts, in_sets))
            })
    }

    fn asks_for_direction_zones(&self) -> bool {
        self.shared_zone.is_some() || self.zones != PerDirection::default()
    }

    fn by_direction_zones(&self, facts: &impl Facts) -> Truth {
        facts.direction_zones().holds(|zones| {
            let shared = if zones.original.is_some() { Zone(0) } else { facts.zone() };
            self.shared_zone.is_none_or(|zone| zone == shared)
                && self.zones.original.is_none_or(|zone| zone == zones.original.unwrap_or_default())
                && self.zones.reply.is_none_or(|zone| zone == zones.reply.unwrap_or_default())
        })
    }
}
