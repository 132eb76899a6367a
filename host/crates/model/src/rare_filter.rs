//! Conditions that few filters have: mostly those that only a command line or a verdict can ask for.
//!
//! They are behind one box of [`Filter`](crate::Filter), so that the common filter stays small and its matching does not ask
//! for them one by one. The kernel is never asked for any of them.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::filter::{any_address, given};
use crate::{Facts, FilterPart, FlowId, Layer4, NamedSet, NatFilter, PerDirection, PortRanges, Truth, Zone};

/// Every part that is given must hold; a part whose field the entry lacks does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RareFilter {
    /// The filter contradicts itself: no flow matches.
    pub nothing: bool,
    pub id: Option<FlowId>,
    /// Zone of an entry whose directions share it (`CTA_ZONE`); 0 is also that of an entry that has none of its own because
    /// its directions differ.
    pub shared_zone: Option<Zone>,
    /// Zones of single directions (`CTA_TUPLE_ZONE`); 0 is also that of an entry whose directions share theirs.
    pub zones: PerDirection<Option<Zone>>,
    /// Source of the original direction, under a mask that is no prefix.
    pub original_src: Option<MaskedAddress>,
    /// Destination of the original direction, under a mask that is no prefix.
    pub original_dst: Option<MaskedAddress>,
    /// Source port of the reply direction.
    pub reply_src_ports: PortRanges,
    /// Destination port of the reply direction.
    pub reply_dst_ports: PortRanges,
    /// What an ICMP flow began with.
    pub icmp: IcmpFilter,
    pub nat: Option<NatFilter>,
    /// Any of the four addresses is in any of these.
    pub sets: Vec<NamedSet>,
}

/// Bits of an address that must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedAddress {
    pub address: IpAddr,
    /// Where it counts: ones. Of the address's family; under a mask of the other one nothing matches.
    pub mask: IpAddr,
}

impl MaskedAddress {
    /// Whether the address has these bits; never across families.
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

/// Parts of the original tuple of an ICMP or ICMPv6 flow.
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
    /// Whether a flow matches of which this is known.
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
