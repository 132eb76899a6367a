//! Maps and sets of networks with longest-prefix lookup: ban lists, exemptions, classes of hosts.

use std::net::IpAddr;

use crate::Prefix;

/// A map from networks to values.
///
/// A lookup costs one search for each prefix length in the map. Real lists have a handful of lengths.
#[derive(Clone, Debug)]
pub struct PrefixMap<V>(ctwarden_net::PrefixMap<V>);

/// A set of networks: a map without values.
pub type PrefixSet = PrefixMap<()>;

impl<V> PrefixMap<V> {
    /// Returns an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(ctwarden_net::PrefixMap::new())
    }

    /// Returns the value of exactly this network.
    #[must_use]
    pub fn get(&self, prefix: Prefix) -> Option<&V> {
        self.0.get(prefix.network())
    }

    /// Returns every network that contains the address, the longest prefix first. For an IPv4-mapped address, IPv4
    /// networks come first, then IPv6 networks wider than `::ffff:0:0/96`.
    pub fn holding(&self, address: IpAddr) -> impl Iterator<Item = (Prefix, &V)> {
        let meant = address.to_canonical();
        let wider = if meant == address { 0 } else { ctwarden_net::Prefix::MAPPED_BITS };
        let held = self.0.holding(meant).chain(self.0.holding_wider(address, wider));
        held.map(|(network, value)| (Prefix::meant(network), value))
    }

    /// Returns the network with the longest prefix that contains the address, and its value.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<(Prefix, &V)> {
        self.holding(address).next()
    }

    /// Whether any network contains the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.lookup(address).is_some()
    }

    /// Returns a network of the map that shares addresses with the given network: either of the two contains the other.
    #[must_use]
    pub fn overlapping(&self, prefix: Prefix) -> Option<Prefix> {
        self.0.overlapping(prefix.network()).map(Prefix::meant)
    }

    /// Returns the number of networks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the map has no networks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all networks and their values, ordered by address, the wider first.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        self.0.iter().map(|(network, value)| (Prefix::meant(network), value))
    }
}

impl<V: Clone> PrefixMap<V> {
    /// Adds a network or changes its value. Returns the old value, if there was one.
    pub fn insert(&mut self, prefix: Prefix, value: V) -> Option<V> {
        self.0.insert(prefix.network(), value)
    }

    /// Removes exactly this network and returns its value.
    pub fn remove(&mut self, prefix: Prefix) -> Option<V> {
        self.0.remove(prefix.network())
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> FromIterator<(Prefix, V)> for PrefixMap<V> {
    fn from_iter<I: IntoIterator<Item = (Prefix, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(prefix, value)| (prefix.network(), value)).collect())
    }
}

impl FromIterator<Prefix> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = Prefix>>(prefixes: I) -> Self {
        prefixes.into_iter().map(|prefix| (prefix, ())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_network_answers() {
        let map: PrefixMap<u8> = [("10.0.0.0/8", 8), ("10.1.0.0/16", 16), ("10.1.2.3", 32), ("::/0", 0)]
            .map(|(text, value)| (prefix(text), value))
            .into_iter()
            .collect();
        let value = |text: &str| map.lookup(text.parse().unwrap()).map(|(_, value)| *value);
        assert_eq!(value("10.1.2.3"), Some(32));
        assert_eq!(value("10.1.2.4"), Some(16));
        assert_eq!(value("10.2.0.0"), Some(8));
        assert_eq!(value("11.0.0.0"), None);
        assert_eq!(value("2001:db8::1"), Some(0));
        assert_eq!(map.holding("10.1.2.3".parse().unwrap()).count(), 3);
    }

    #[test]
    fn a_mapped_address_is_looked_up_as_the_ipv4_address() {
        let map: PrefixMap<u8> = [("198.51.100.0/24", 1), ("::ffff:203.0.113.7", 2), ("::/0", 3), ("::/64", 4)]
            .map(|(text, value)| (prefix(text), value))
            .into_iter()
            .collect();
        let value = |text: &str| map.lookup(text.parse().unwrap()).map(|(_, value)| *value);
        assert_eq!(value("::ffff:198.51.100.66"), Some(1));
        assert_eq!((value("203.0.113.7"), value("::ffff:203.0.113.7")), (Some(2), Some(2)));
        assert_eq!(
            (value("192.0.2.1"), value("::ffff:192.0.2.1")),
            (None, Some(4)),
            "wide networks of IPv6 hold it too"
        );
        assert_eq!(map.holding("::ffff:198.51.100.66".parse().unwrap()).count(), 3);
    }

    #[test]
    fn what_is_removed_is_gone() {
        let mut map = PrefixMap::new();
        assert_eq!(map.insert(prefix("10.0.0.0/8"), 1), None);
        assert_eq!(map.insert(prefix("10.9.9.9/8"), 2), Some(1));
        map.insert(prefix("11.0.0.0/8"), 3);
        assert_eq!(map.remove(prefix("10.0.0.0/8")), Some(2));
        assert_eq!(map.remove(prefix("10.0.0.0/8")), None);
        assert!(!map.contains("10.0.0.1".parse().unwrap()) && map.contains("11.0.0.1".parse().unwrap()));
        map.remove(prefix("11.0.0.0/8"));
        assert!(map.is_empty());
    }

    #[test]
    fn overlap_is_found_in_both_directions() {
        let set: PrefixSet = ["10.1.0.0/16", "192.0.2.1", "2001:db8::/64"].map(prefix).into_iter().collect();
        let overlap = |text| set.overlapping(prefix(text)).map(|found| found.to_string());
        assert_eq!(overlap("10.1.2.0/24").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(overlap("10.0.0.0/8").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(overlap("10.1.0.0/16").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(overlap("10.1.0.0/12").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(overlap("192.0.2.0/24").as_deref(), Some("192.0.2.1"));
        assert_eq!(overlap("2001:db8::7").as_deref(), Some("2001:db8::/64"));
        assert_eq!(overlap("10.2.0.0/16"), None);
        assert_eq!(overlap("192.0.2.2"), None);
        assert_eq!(overlap("::/128"), None);
        assert_eq!(overlap("0.0.0.0/0").as_deref(), Some("10.1.0.0/16"));
    }
}
