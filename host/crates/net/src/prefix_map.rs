//! Many networks with a value each, looked up by address: ban lists, country lists.

mod nested;
mod network;
mod short_list;
mod sorted;

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use self::nested::Nested;
use self::network::{Ipv4, Ipv6, NO_WIDER, Network};
use crate::{Family, Prefix};

/// A map from networks to values.
///
/// A lookup of an address is one search, and one more for each level of nesting between the network that begins nearest to
/// the address and the one that contains it. An insertion or a removal costs time for each network that the network covers.
/// An IPv4 network takes 8 bytes and an IPv6 network 24 bytes beside its value, where lists of 64 are full. A copy of a map
/// shares all networks with the map; a change afterwards copies one such list, and the list of 64 lists above it.
#[derive(Clone)]
pub struct PrefixMap<V> {
    ipv4: Nested<Ipv4, V>,
    ipv6: Nested<Ipv6, V>,
}

/// A network as the part of its family stores it.
enum Stored {
    Ipv4(Ipv4),
    Ipv6(Ipv6),
}

impl From<Prefix> for Stored {
    fn from(network: Prefix) -> Self {
        match network.address() {
            IpAddr::V4(address) => Self::Ipv4(Ipv4::new(address.to_bits(), network.length(), NO_WIDER)),
            IpAddr::V6(address) => Self::Ipv6(Ipv6::new(address.to_bits(), network.length(), NO_WIDER)),
        }
    }
}

impl<V> PrefixMap<V> {
    /// A map without networks.
    #[must_use]
    pub const fn new() -> Self {
        Self { ipv4: Nested::new(), ipv6: Nested::new() }
    }

    /// The value of exactly this network.
    #[must_use]
    pub fn get(&self, network: Prefix) -> Option<&V> {
        match network.into() {
            Stored::Ipv4(network) => self.ipv4.get(network),
            Stored::Ipv6(network) => self.ipv6.get(network),
        }
    }

    /// Every network that contains the address, the longest first.
    pub fn holding(&self, address: IpAddr) -> impl Iterator<Item = (Prefix, &V)> {
        let (ipv4, ipv6) = match address {
            IpAddr::V4(address) => (Some(self.ipv4.containing(address.to_bits())), None),
            IpAddr::V6(address) => (None, Some(self.ipv6.containing(address.to_bits()))),
        };
        let ipv4 = ipv4.into_iter().flatten().map(shown);
        ipv4.chain(ipv6.into_iter().flatten().map(shown))
    }

    /// Every network of fewer bits that contains the address, the longest first.
    pub fn holding_wider(&self, address: IpAddr, bits: u8) -> impl Iterator<Item = (Prefix, &V)> {
        self.holding(address).skip_while(move |(network, _)| network.length() >= bits)
    }

    /// The longest network that contains the address, with its value.
    #[must_use]
    pub fn longest(&self, address: IpAddr) -> Option<(Prefix, &V)> {
        match address {
            IpAddr::V4(address) => self.ipv4.longest(address.to_bits()).map(shown),
            IpAddr::V6(address) => self.ipv6.longest(address.to_bits()).map(shown),
        }
    }

    /// Whether any network contains the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.longest(address).is_some()
    }

    /// A network of the map that shares addresses with the given one: it covers that network, or lies in it.
    #[must_use]
    pub fn overlapping(&self, network: Prefix) -> Option<Prefix> {
        let wider = self.holding(network.address()).map(|(entry, _)| entry).find(|entry| entry.covers(network));
        let within = || {
            let next = match network.into() {
                Stored::Ipv4(network) => self.ipv4.behind(network).next().map(shown),
                Stored::Ipv6(network) => self.ipv6.behind(network).next().map(shown),
            };
            next.map(|(entry, _)| entry).filter(|entry| network.covers(*entry))
        };
        wider.or_else(within)
    }

    /// Whether any network shares an address with the given one: it covers that network, or lies in it.
    #[must_use]
    pub fn overlaps(&self, network: Prefix) -> bool {
        self.overlapping(network).is_some()
    }

    /// Every network of a family with its value, by address, the wider first.
    pub fn of_family(&self, family: Family) -> impl Iterator<Item = (Prefix, &V)> {
        let ipv4 = (family == Family::Ipv4).then(|| self.ipv4.iter().map(shown));
        let ipv6 = (family == Family::Ipv6).then(|| self.ipv6.iter().map(shown));
        ipv4.into_iter().flatten().chain(ipv6.into_iter().flatten())
    }

    /// Whether the map has no network.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many networks the map has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Every network with its value, by address, the wider first; IPv4 before IPv6.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        self.ipv4.iter().map(shown).chain(self.ipv6.iter().map(shown))
    }
}

/// Changes need copies of values, because copies of a map share their parts.
impl<V: Clone> PrefixMap<V> {
    /// Adds a network, and returns the value that the network had before.
    pub fn insert(&mut self, network: Prefix, value: V) -> Option<V> {
        match network.into() {
            Stored::Ipv4(network) => self.ipv4.insert(network, value),
            Stored::Ipv6(network) => self.ipv6.insert(network, value),
        }
    }

    /// Removes a network, and returns its value.
    pub fn remove(&mut self, network: Prefix) -> Option<V> {
        match network.into() {
            Stored::Ipv4(network) => self.ipv4.remove(network),
            Stored::Ipv6(network) => self.ipv6.remove(network),
        }
    }

    /// The value of exactly this network, for a change.
    pub fn get_mut(&mut self, network: Prefix) -> Option<&mut V> {
        match network.into() {
            Stored::Ipv4(network) => self.ipv4.get_mut(network),
            Stored::Ipv6(network) => self.ipv6.get_mut(network),
        }
    }
}

fn shown<N: Network, V>((network, value): (N, &V)) -> (Prefix, &V) {
    (network.prefix(), value)
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for PrefixMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V: PartialEq> PartialEq for PrefixMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for PrefixMap<V> {}

impl<V> FromIterator<(Prefix, V)> for PrefixMap<V> {
    /// The last value of a network counts. Much faster than insertions where networks nest.
    fn from_iter<I: IntoIterator<Item = (Prefix, V)>>(networks: I) -> Self {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            match network.into() {
                Stored::Ipv4(network) => ipv4.push((network, value)),
                Stored::Ipv6(network) => ipv6.push((network, value)),
            }
        }
        Self { ipv4: Nested::from_ordered(ordered(ipv4)), ipv6: Nested::from_ordered(ordered(ipv6)) }
    }
}

/// Sorts by network and keeps the last value of each network.
fn ordered<N: Network, V>(mut entries: Vec<(N, V)>) -> impl Iterator<Item = (N, V)> {
    entries.sort_by_key(|(network, _)| *network);
    let mut entries = entries.into_iter().peekable();
    core::iter::from_fn(move || {
        let mut entry = entries.next()?;
        while let Some(later) = entries.next_if(|(network, _)| *network == entry.0) {
            entry = later;
        }
        Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn network() -> impl Strategy<Value = Prefix> {
        // Few distinct leading bits, so that networks nest and addresses hit them.
        prop_oneof![
            (0u32..64, 0u8..=32).prop_map(|(a, l)| Prefix::new(Ipv4Addr::from_bits(a << 26 | a).into(), l).unwrap()),
            (0u128..64, 0u8..=128).prop_map(|(a, l)| Prefix::new(Ipv6Addr::from_bits(a << 122 | a).into(), l).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn insertions_and_removals_one_by_one_agree_with_a_map_made_at_once(
            changes in prop::collection::vec((network(), any::<bool>()), 0..200),
        ) {
            let (mut map, mut naive) = (PrefixMap::new(), BTreeMap::new());
            for (at, (network, removed)) in changes.iter().enumerate() {
                if *removed {
                    prop_assert_eq!(map.remove(*network), naive.remove(network));
                } else {
                    prop_assert_eq!(map.insert(*network, at), naive.insert(*network, at));
                }
                prop_assert_eq!(map.len(), naive.len());
            }
            let at_once: PrefixMap<usize> = naive.iter().map(|(network, at)| (*network, *at)).collect();
            prop_assert_eq!(&map, &at_once);
            for (network, _) in changes {
                let containing = |map: &PrefixMap<usize>| -> Vec<_> {
                    map.holding(network.last()).map(|(network, at)| (network, *at)).collect()
                };
                prop_assert_eq!(containing(&map), containing(&at_once));
                prop_assert_eq!(map.overlapping(network), at_once.overlapping(network));
            }
        }

        #[test]
        fn a_copy_keeps_its_networks_while_the_map_changes(
            before in prop::collection::vec(network(), 0..100),
            changes in prop::collection::vec((network(), any::<bool>()), 0..100),
        ) {
            let mut map: PrefixMap<usize> = before.iter().map(|network| (*network, 0)).collect();
            let copies: Vec<_> = changes.into_iter().enumerate().map(|(at, (network, removed))| {
                let (copy, content) = (map.clone(), map.iter().map(|(n, v)| (n, *v)).collect::<Vec<_>>());
                if removed { map.remove(network) } else { map.insert(network, at) };
                (copy, content)
            }).collect();
            for (copy, content) in copies {
                prop_assert_eq!(copy.len(), content.len());
                prop_assert_eq!(&copy, &content.into_iter().collect::<PrefixMap<_>>());
            }
        }

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
