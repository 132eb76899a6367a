//! Many networks at once, with longest-match lookup: ban lists, country lists.
//!
//! One sorted map for each prefix length in use, asked from the longest to the shortest: a lookup costs as many binary
//! searches as there are different lengths, which in lists that people keep is a handful.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use crate::prefix::cut;
use crate::{Family, Prefix};

/// Networks with a value each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixMap<V> {
    ipv4: BTreeMap<u8, BTreeMap<IpAddr, V>>,
    ipv6: BTreeMap<u8, BTreeMap<IpAddr, V>>,
}

impl<V> PrefixMap<V> {
    /// None at all.
    #[must_use]
    pub const fn new() -> Self {
        Self { ipv4: BTreeMap::new(), ipv6: BTreeMap::new() }
    }

    const fn lengths(&self, address: IpAddr) -> &BTreeMap<u8, BTreeMap<IpAddr, V>> {
        match address {
            IpAddr::V4(_) => &self.ipv4,
            IpAddr::V6(_) => &self.ipv6,
        }
    }

    const fn lengths_mut(&mut self, address: IpAddr) -> &mut BTreeMap<u8, BTreeMap<IpAddr, V>> {
        match address {
            IpAddr::V4(_) => &mut self.ipv4,
            IpAddr::V6(_) => &mut self.ipv6,
        }
    }

    /// Puts a network in and gives back the value that it had.
    pub fn insert(&mut self, network: Prefix, value: V) -> Option<V> {
        let address = network.address();
        self.lengths_mut(address).entry(network.length()).or_default().insert(address, value)
    }

    /// The value of exactly this network, to be changed.
    pub fn get_mut(&mut self, network: Prefix) -> Option<&mut V> {
        let address = network.address();
        self.lengths_mut(address).get_mut(&network.length())?.get_mut(&address)
    }

    /// Takes a network out and gives back its value.
    pub fn remove(&mut self, network: Prefix) -> Option<V> {
        let address = network.address();
        let lengths = self.lengths_mut(address);
        let of_length = lengths.get_mut(&network.length())?;
        let value = of_length.remove(&address);
        if of_length.is_empty() {
            lengths.remove(&network.length());
        }
        value
    }

    /// The longest network that holds the address, with its value.
    #[must_use]
    pub fn longest(&self, address: IpAddr) -> Option<(Prefix, &V)> {
        self.lengths(address).iter().rev().find_map(|(&length, networks)| {
            let value = networks.get(&cut(address, length))?;
            Prefix::new(address, length).ok().map(|network| (network, value))
        })
    }

    /// Whether any network holds the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.lengths(address).iter().any(|(&length, networks)| networks.contains_key(&cut(address, length)))
    }

    /// Whether any network shares an address with the given one: holds it, or lies within it.
    #[must_use]
    pub fn overlaps(&self, network: Prefix) -> bool {
        let (first, last) = (network.address(), network.last());
        self.lengths(first).iter().any(|(&length, networks)| {
            if length <= network.length() {
                networks.contains_key(&cut(first, length))
            } else {
                networks.range(first..=last).next().is_some()
            }
        })
    }

    /// Every network of a family with its value, short before long.
    pub fn of_family(&self, family: Family) -> impl Iterator<Item = (Prefix, &V)> {
        let lengths = match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        };
        lengths.iter().flat_map(of_length)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    /// How many networks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ipv4.values().chain(self.ipv6.values()).map(BTreeMap::len).sum()
    }

    /// Every network with its value, IPv4 before IPv6, short before long.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        self.ipv4.iter().chain(&self.ipv6).flat_map(of_length)
    }
}

fn of_length<'a, V>((&length, networks): (&'a u8, &'a BTreeMap<IpAddr, V>)) -> impl Iterator<Item = (Prefix, &'a V)> {
    networks.iter().filter_map(move |(&address, value)| Some((Prefix::new(address, length).ok()?, value)))
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
        // Few distinct leading bits, so that networks nest and addresses hit them.
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
            prop_assert_eq!(map.contains(address), expected.is_some());
            let overlap = naive.iter().any(|(n, _)| n.contains(address) || probe.contains(n.address()));
            prop_assert_eq!(map.overlaps(probe), overlap);
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
