//! The value of one part of a filter, by kind.
//!
//! Code that treats all parts of a kind alike, such as records, matches on the kind and need not know the part.

use alloc::vec::Vec;

use crate::{
    AnyOf, Family, Filter, FilterPart, FlowId, IcmpFilter, Masked, MaskedAddress, NamedSet, NatFilter, PortRanges,
    Prefix, PrefixSet, Protocol, SecondsRange, Zone,
};

/// The value of a part that the filter gives.
#[derive(Clone, Copy, Debug)]
pub enum PartValue<'a> {
    Family(Family),
    Protocols(&'a AnyOf<Protocol>),
    Zones(&'a AnyOf<Zone>),
    Networks(&'a PrefixSet),
    Sets(&'a Vec<NamedSet>),
    Ports(&'a PortRanges),
    States(&'a AnyOf<u8>),
    Bits(Masked),
    Seconds(SecondsRange),
    /// Label bits that must all be set.
    Labels(u128),
    /// The filter contradicts itself, so no flow matches.
    Nothing,
    Id(FlowId),
    Zone(Zone),
    MaskedAddress(MaskedAddress),
    Icmp(IcmpFilter),
    Nat(NatFilter),
}

impl<'a> PartValue<'a> {
    pub(crate) fn protocols(list: &'a AnyOf<Protocol>) -> Option<Self> {
        (!list.is_empty()).then_some(Self::Protocols(list))
    }

    pub(crate) fn zones(list: &'a AnyOf<Zone>) -> Option<Self> {
        (!list.is_empty()).then_some(Self::Zones(list))
    }

    pub(crate) fn states(list: &'a AnyOf<u8>) -> Option<Self> {
        (!list.is_empty()).then_some(Self::States(list))
    }

    pub(crate) fn networks(list: &'a PrefixSet) -> Option<Self> {
        (!list.is_empty()).then_some(Self::Networks(list))
    }

    pub(crate) fn ports(list: &'a PortRanges) -> Option<Self> {
        (!list.is_empty()).then_some(Self::Ports(list))
    }

    pub(crate) fn sets(list: &'a Vec<NamedSet>) -> Option<Self> {
        (!list.is_empty()).then_some(Self::Sets(list))
    }

    pub(crate) fn icmp(icmp: IcmpFilter) -> Option<Self> {
        (icmp != IcmpFilter::default()).then_some(Self::Icmp(icmp))
    }
}

/// The networks of a part that compares addresses.
#[derive(Clone, Copy, Debug)]
pub enum Networks<'a> {
    /// Networks that the filter lists itself.
    Listed(&'a PrefixSet),
    /// Networks of address sets. A set without networks still counts as given, and contains no address.
    OfSets(&'a [NamedSet]),
}

impl Networks<'_> {
    /// Number of networks of both families.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Listed(networks) => networks.len(),
            Self::OfSets(sets) => sets.iter().map(|set| set.networks.len()).sum(),
        }
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether any network is of the family.
    #[must_use]
    pub fn have(self, family: Family) -> bool {
        match self {
            Self::Listed(networks) => networks.of_family(family).next().is_some(),
            Self::OfSets(sets) => sets.iter().any(|set| set.networks.of_family(family).next().is_some()),
        }
    }

    /// Calls `take` with each network of the family.
    pub fn each(self, family: Family, take: &mut dyn FnMut(Prefix)) {
        match self {
            Self::Listed(networks) => networks.of_family(family).for_each(take),
            Self::OfSets(sets) => {
                sets.iter().flat_map(|set| set.networks.of_family(family)).for_each(|(network, _)| take(network));
            }
        }
    }
}

impl Filter {
    /// The given parts that compare addresses.
    ///
    /// The parts are listed here by name and not read from the table, because every query of the replica begins with
    /// this list.
    #[inline]
    pub fn addressed(&self) -> impl Iterator<Item = (FilterPart, Networks<'_>)> {
        let sets = self.rare.as_deref().map_or(&[][..], |rare| &rare.sets);
        let mut given = u8::from(!self.original_src.is_empty())
            | u8::from(!self.original_dst.is_empty()) << 1
            | u8::from(!self.reply_src.is_empty()) << 2
            | u8::from(!self.reply_dst.is_empty()) << 3
            | u8::from(!self.either.is_empty()) << 4
            | u8::from(!sets.is_empty()) << 5;
        core::iter::from_fn(move || {
            let place = given.trailing_zeros();
            given &= given.wrapping_sub(1);
            Some(match place {
                0 => (FilterPart::OriginalSrc, Networks::Listed(&self.original_src)),
                1 => (FilterPart::OriginalDst, Networks::Listed(&self.original_dst)),
                2 => (FilterPart::ReplySrc, Networks::Listed(&self.reply_src)),
                3 => (FilterPart::ReplyDst, Networks::Listed(&self.reply_dst)),
                4 => (FilterPart::Either, Networks::Listed(&self.either)),
                5 => (FilterPart::Sets, Networks::OfSets(sets)),
                _ => return None,
            })
        })
    }

    /// The networks that the filter lists itself, separately for each part.
    pub fn listed_networks(&self) -> impl Iterator<Item = &PrefixSet> {
        self.addressed().filter_map(|(_, networks)| match networks {
            Networks::Listed(networks) => Some(networks),
            Networks::OfSets(_) => None,
        })
    }

    /// Whether the end of a range of ports or seconds is below its beginning.
    #[must_use]
    pub fn has_empty_range(&self) -> bool {
        self.parts().any(|(_, value)| match value {
            PartValue::Ports(ranges) => ranges.iter().any(|range| range.first > range.last),
            PartValue::Seconds(range) => range.first > range.last,
            PartValue::Family(_)
            | PartValue::Protocols(_)
            | PartValue::Zones(_)
            | PartValue::Networks(_)
            | PartValue::Sets(_)
            | PartValue::States(_)
            | PartValue::Bits(_)
            | PartValue::Labels(_)
            | PartValue::Nothing
            | PartValue::Id(_)
            | PartValue::Zone(_)
            | PartValue::MaskedAddress(_)
            | PartValue::Icmp(_)
            | PartValue::Nat(_) => false,
        })
    }

    /// Whether a flow of the family can match, judged by the family and the networks of the filter.
    #[must_use]
    pub fn can_match(&self, family: Family) -> bool {
        self.family.is_none_or(|wanted| wanted == family) && self.addressed().all(|(_, networks)| networks.have(family))
    }
}
