//! A set of many networks without values, as filters name them.
//!
//! The set keeps the widest of nested networks, so the rest are disjoint. The search for an address is one binary
//! search, whatever the lengths. Copies share the list, so a copy of a filter costs nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::{Family, Prefix};

/// Disjoint networks, in the order of their addresses, IPv4 before IPv6.
#[derive(Clone, Default)]
pub struct PrefixSet(Option<Arc<[Prefix]>>);

impl PrefixSet {
    /// A set without networks.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    fn networks(&self) -> &[Prefix] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Number of networks whose first address is at or before the address.
    fn begun(&self, address: IpAddr) -> usize {
        self.networks().partition_point(|network| network.address() <= address)
    }

    fn holding(&self, begun: usize, address: IpAddr) -> bool {
        let last = begun.checked_sub(1).and_then(|place| self.networks().get(place));
        last.is_some_and(|network| network.contains(address))
    }

    /// Whether any network contains the address.
    #[must_use]
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.holding(self.begun(address), address)
    }

    /// Whether any network shares addresses with the given one: it covers the given network or lies in it.
    #[must_use]
    pub fn overlaps(&self, network: Prefix) -> bool {
        let begun = self.begun(network.address());
        self.holding(begun, network.address())
            || self.networks().get(begun).is_some_and(|next| network.contains(next.address()))
    }

    /// All networks of a family, in the order of their addresses.
    pub fn of_family(&self, family: Family) -> impl Iterator<Item = Prefix> {
        // All IPv4 networks come before the first IPv6 network.
        let ipv4 = self.networks().partition_point(|network| network.family() == Family::Ipv4);
        let (ipv4, ipv6) = self.networks().split_at_checked(ipv4).unwrap_or_default();
        match family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        }
        .iter()
        .copied()
    }

    /// Whether the set has no networks.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Number of networks after the removal of nested ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.networks().len()
    }

    /// All networks, in the order of their addresses, IPv4 before IPv6.
    pub fn iter(&self) -> impl Iterator<Item = Prefix> {
        self.networks().iter().copied()
    }
}

impl From<Vec<Prefix>> for PrefixSet {
    fn from(mut networks: Vec<Prefix>) -> Self {
        // The widest of the networks with the same first address sorts first.
        networks.sort_unstable();
        networks.dedup_by(|later, kept| kept.contains(later.address()));
        Self((!networks.is_empty()).then(|| networks.into()))
    }
}

impl FromIterator<Prefix> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = Prefix>>(networks: I) -> Self {
        networks.into_iter().collect::<Vec<_>>().into()
    }
}

impl PartialEq for PrefixSet {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            // Copies share the list, so equal pointers settle most comparisons.
            (Some(own), Some(others)) => Arc::ptr_eq(own, others) || own == others,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for PrefixSet {}

impl fmt::Debug for PrefixSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn network() -> impl Strategy<Value = Prefix> {
        // A few distinct leading bits, so that networks nest and addresses hit them.
        prop_oneof![
            (0u32..64, 0u8..=32).prop_map(|(a, l)| Prefix::new(Ipv4Addr::from_bits(a << 26 | a).into(), l).unwrap()),
            (0u128..64, 0u8..=128).prop_map(|(a, l)| Prefix::new(Ipv6Addr::from_bits(a << 122 | a).into(), l).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_looking_at_every_network(list in prop::collection::vec(network(), 0..40), probe in network()) {
            let set: PrefixSet = list.iter().copied().collect();
            let address = probe.address();
            prop_assert_eq!(set.contains(address), list.iter().any(|n| n.contains(address)));
            prop_assert_eq!(set.contains(probe.last()), list.iter().any(|n| n.contains(probe.last())));
            let overlap = list.iter().any(|n| n.contains(address) || probe.contains(n.address()));
            prop_assert_eq!(set.overlaps(probe), overlap);
            prop_assert_eq!(set.is_empty(), list.is_empty());
            prop_assert_eq!(set.len(), set.iter().count());
            for family in [Family::Ipv4, Family::Ipv6] {
                let of_family: Vec<_> = set.iter().filter(|n| n.family() == family).collect();
                prop_assert_eq!(set.of_family(family).collect::<Vec<_>>(), of_family);
            }
            let kept: Vec<_> = set.iter().collect();
            for (place, network) in kept.iter().enumerate() {
                prop_assert!(kept.iter().skip(place + 1).all(|n| !network.contains(n.address())), "{:?}", kept);
            }
        }
    }

    #[test]
    fn networks_of_every_length_are_one_where_they_nest() {
        let nested: PrefixSet =
            (0..=128).map(|length| Prefix::new(Ipv6Addr::from_bits(0).into(), length).unwrap()).collect();
        assert_eq!(nested.len(), 1);
    }
}
