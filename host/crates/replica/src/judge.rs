//! Whether a flow matches a filter, as `Filter::matches` would say of the flow itself, in what it keeps for life.
//!
//! Marks, status bits, states and the like are not judged: a change on a packet that a rule drops afterwards is not told (seen
//! with nftables' `ct mark set … drop`, Linux 6.18), nor are some changes of the kernel's own, so that a no could be wrong.

use core::net::IpAddr;

use ctwarden_model::{Family, Filter, NamedSet, Prefix, PrefixSet, Tuple, Zone};

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
        self.len() > many
    }

    /// How many they are, of both families.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Listed(networks) => networks.len(),
            Self::OfSets(sets) => sets.iter().map(|set| set.networks.len()).sum(),
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
            Self::Listed(networks) => networks.of_family(family).for_each(take),
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

/// Whether a flow of these tuples matches as far as what it keeps for life is asked for. `parts`: those of the filter that name
/// addresses and are not known to be met.
pub(crate) fn matches(filter: &Filter, parts: Parts, zone: u16, original: &Tuple, reply: &Tuple) -> bool {
    // By name, so that a part that is added later is decided about here.
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
        && (zones.is_empty() || zones.contains(&Zone(zone)))
        && src_ports.hold(ports.map(|(src, _)| src))
        && dst_ports.hold(ports.map(|(_, dst)| dst))
        && parts.iter().all(|part| part.holds(filter, original, reply))
}
