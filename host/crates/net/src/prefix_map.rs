//! Many networks, each with a value, and a search for the longest network that contains an address: ban lists, country
//! lists.

use alloc::collections::BTreeMap;
use core::net::{IpAddr, Ipv6Addr};
use core::ops::Bound;

use crate::{Family, Prefix};

/// A map from networks to values.
///
/// A query takes one search for each prefix length in use. Lists that people maintain use a handful of lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixMap<V> {
    entries: BTreeMap<Prefix, V>,
    /// Number of networks for each family and length.
    lengths: BTreeMap<(Family, u8), usize>,
}

impl<V> PrefixMap<V> {
    /// A map without networks.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new(), lengths: BTreeMap::new() }
    }

    /// Adds a network and returns its previous value.
    pub fn insert(&mut self, network: Prefix, value: V) -> Option<V> {
        let old = self.entries.insert(network, value);
        if old.is_none() {
            *self.lengths.entry((network.family(), network.length())).or_default() += 1;
        }
        old
    }

    /// Removes a network and returns its value.
    pub fn remove(&mut self, network: Prefix) -> Option<V> {
        let old = self.entries.remove(&network)?;
        let length = (network.family(), network.length());
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
        Some(old)
    }

    /// The value of exactly this network. Wider networks do not count.
    #[must_use]
    pub fn get(&self, network: Prefix) -> Option<&V> {
        self.entries.get(&network)
    }

    /// The value of exactly this network, for a change in place.
    pub fn get_mut(&mut self, network: Prefix) -> Option<&mut V> {
        self.entries.get_mut(&network)
    }

    /// All networks that contain the address, longest first.
    pub fn holding(&self, address: IpAddr) -> impl Iterator<Item = (Prefix, &V)> {
        self.holding_wider(address, u8::MAX)
    }

    /// All networks that contain the address and have fewer than `bits` bits, longest first.
    pub fn holding_wider(&self, address: IpAddr, bits: u8) -> impl Iterator<Item = (Prefix, &V)> {
        let family = Family::of(address);
        let lengths = self.lengths.range((family, 0)..(family, bits)).rev();
        lengths.filter_map(move |((_, length), _)| {
            let network = Prefix::around(address, *length);
            self.entries.get(&network).map(|value| (network, value))
        })
    }

    /// The longest network that contains the address, with its value.
    #[must_use]
    pub fn longest(&self, address: IpAddr) -> Option<(Prefix, &V)> {
        self.holding(address).next()
    }

    /// Whether any network contains the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.longest(address).is_some()
    }

    /// A network of the map that shares addresses with the given one: it covers the given network or lies in it.
    #[must_use]
    pub fn overlapping(&self, network: Prefix) -> Option<Prefix> {
        let wider = self.holding(network.address()).map(|(entry, _)| entry).find(|entry| entry.covers(network));
        let within = || {
            let last = Prefix::host(network.last());
            self.entries.range(network..=last).next().map(|(entry, _)| *entry)
        };
        wider.or_else(within)
    }

    /// Whether any network of the map shares addresses with the given one.
    #[must_use]
    pub fn overlaps(&self, network: Prefix) -> bool {
        self.overlapping(network).is_some()
    }

    /// All networks of a family with their values, by address, the wider first.
    pub fn of_family(&self, family: Family) -> impl Iterator<Item = (Prefix, &V)> {
        let first_of_ipv6 = Prefix::around(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        let bounds = match family {
            Family::Ipv4 => (Bound::Unbounded, Bound::Excluded(first_of_ipv6)),
            Family::Ipv6 => (Bound::Included(first_of_ipv6), Bound::Unbounded),
        };
        self.entries.range(bounds).map(|(network, value)| (*network, value))
    }

    /// Whether the map has no networks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of networks in the map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All networks with their values, by address, the wider first, IPv4 before IPv6.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        self.entries.iter().map(|(network, value)| (*network, value))
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> FromIterator<(Prefix, V)> for PrefixMap<V> {
    fn from_iter<I: IntoIterator<Item = (Prefix, V)>>(networks: I) -> Self {
        let mut map = Self::new();
        for (network, value) in networks {
            map.insert(network, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
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
        fn agrees_with_looking_at_every_network(
            networks in prop::collection::vec((network(), any::<u8>()), 0..40),
            removed in prop::collection::vec(network(), 0..10),
            probe in network(),
        ) {
            let mut map: PrefixMap<u8> = networks.iter().copied().collect();
            let mut naive: Vec<(Prefix, u8)> = Vec::new();
            for (network, value) in networks {
                naive.retain(|(n, _)| *n != network);
                naive.push((network, value));
            }
            for network in removed {
                map.remove(network);
                naive.retain(|(n, _)| *n != network);
            }
            if let Some((network, value)) = naive.first() {
                prop_assert_eq!(map.get_mut(*network).copied(), Some(*value));
            }
            let address = probe.address();
            let expected = naive.iter().filter(|(n, _)| n.contains(address)).max_by_key(|(n, _)| n.length());
            prop_assert_eq!(map.longest(address).map(|(n, v)| (n, *v)), expected.copied());
            prop_assert_eq!(map.get(probe).copied(), naive.iter().find(|(n, _)| *n == probe).map(|(_, v)| *v));
            let mut held: Vec<_> = naive.iter().map(|(n, _)| *n).filter(|n| n.contains(address)).collect();
            held.sort_by_key(|n| core::cmp::Reverse(n.length()));
            prop_assert_eq!(map.holding(address).map(|(n, _)| n).collect::<Vec<_>>(), held.clone());
            held.retain(|n| n.length() < probe.length());
            prop_assert_eq!(map.holding_wider(address, probe.length()).map(|(n, _)| n).collect::<Vec<_>>(), held);
            prop_assert_eq!(map.contains(address), expected.is_some());
            let overlap = naive.iter().any(|(n, _)| n.contains(address) || probe.contains(n.address()));
            prop_assert_eq!(map.overlaps(probe), overlap);
            let found = map.overlapping(probe);
            prop_assert!(found.is_none_or(|n| map.get(n).is_some() && (n.covers(probe) || probe.covers(n))), "{:?}", found);
            prop_assert_eq!(map.len(), naive.len());
            prop_assert_eq!(map.is_empty(), naive.is_empty());
            for family in [Family::Ipv4, Family::Ipv6] {
                let of_family: Vec<_> = map.iter().filter(|(n, _)| n.family() == family).collect();
                prop_assert_eq!(map.of_family(family).collect::<Vec<_>>(), of_family);
            }
            prop_assert_eq!(map.iter().map(|(n, v)| (n, *v)).collect::<PrefixMap<u8>>(), map);
        }
    }
}
