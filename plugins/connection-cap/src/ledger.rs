//! Number of connections of each source: exact by the kernel's ids, bounded, and corrected by each sweep.
//!
//! The ledger has a connection once or not at all, and the count of a source changes only with its connections. So
//! counts are never negative, and no source stays without a connection. Both are found by hashes under random keys
//! (SipHash, as in `std`): a sweep of a million rows does a million lookups of each, and senders choose the values.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use ctwarden_sdk::prelude::*;

use crate::places::{Handle, Places};

/// The counted connections, and their number for each source.
#[derive(Debug)]
pub(crate) struct Ledger {
    random: RandomState,
    connections: Places<Connection>,
    sources: Places<Source>,
    /// Times of the last alerts about sources that have connections. Few sources are ever over the limit.
    alerted: BTreeMap<Prefix, Timestamp>,
    networks: Networks,
    /// Maximum number of connections, see `max-connections`.
    most: usize,
    /// Number of the running or last sweep.
    sweep: u32,
    /// Connections that ended while the running sweep read the table. Their rows may arrive after their ends.
    ended: Option<HashSet<FlowKey>>,
}

/// Prefix lengths that group addresses into sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Networks {
    pub(crate) ipv4: u8,
    pub(crate) ipv6: u8,
}

impl Networks {
    /// Returns the source for which a connection counts.
    pub(crate) fn source_of(self, key: &FlowKey) -> Prefix {
        // An IPv4-mapped address counts as the IPv4 address. Otherwise all of them together would be one source.
        let address = key.original.src.to_canonical();
        Prefix::around(address, if address.is_ipv4() { self.ipv4 } else { self.ipv6 })
    }
}

#[derive(Debug)]
struct Connection {
    key: FlowKey,
    began: Timestamp,
    /// The last sweep that reported the connection.
    sweep: u32,
    source: Handle,
}

#[derive(Debug)]
struct Source {
    prefix: Prefix,
    /// Number of connections, at least 1.
    count: u32,
}

/// The result of `tell`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The connection counts from now on.
    Counted,
    /// The connection counts already, or has ended.
    Known,
    /// There are too many connections to count another one.
    Full,
}

impl Ledger {
    pub(crate) fn new(most: usize, networks: Networks) -> Self {
        Self {
            random: RandomState::new(),
            connections: Places::new(),
            sources: Places::new(),
            alerted: BTreeMap::new(),
            networks,
            most,
            sweep: 0,
            ended: None,
        }
    }

    /// Reports a connection that exists, from an event or a row of a sweep. `began` is when it was first seen, if its
    /// begin is unknown.
    pub(crate) fn tell(&mut self, key: FlowKey, began: Timestamp, row: bool) -> Told {
        match &mut self.ended {
            Some(ended) if row && ended.contains(&key) => return Told::Known,
            // An event with the same id again: the kernel gave the id to a new connection.
            Some(ended) if !row => {
                ended.remove(&key);
            }
            Some(_) | None => {}
        }
        let hash = self.hash_of(&key);
        if let Some(connection) = self.find(hash, &key).and_then(|handle| self.connections.get_mut(handle)) {
            connection.sweep = self.sweep;
            return Told::Known;
        }
        if self.connections.len() >= self.most {
            return Told::Full;
        }
        let source = self.count_one(self.networks.source_of(&key));
        self.connections.insert(hash, Connection { key, began, sweep: self.sweep, source });
        Told::Counted
    }

    /// Reports the end of a connection.
    pub(crate) fn end(&mut self, key: FlowKey) {
        if let Some(ended) = &mut self.ended
            && ended.len() < self.most
        {
            ended.insert(key);
        }
        let hash = self.hash_of(&key);
        if let Some(handle) = self.find(hash, &key) {
            self.strike_out(hash, handle);
        }
    }

    /// Reports the begin of a sweep.
    pub(crate) fn sweep_begin(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
        self.ended = Some(HashSet::new());
    }

    /// Reports the end of the sweep. If it was complete, connections that it did not report no longer exist.
    pub(crate) fn sweep_end(&mut self, complete: bool) {
        self.ended = None;
        if !complete {
            return;
        }
        let unseen = self.connections.iter().filter(|(_, connection)| connection.sweep != self.sweep);
        let unseen: Vec<(u32, Handle)> = unseen.map(|(handle, gone)| (self.hash_of(&gone.key), handle)).collect();
        for (hash, handle) in unseen {
            self.strike_out(hash, handle);
        }
    }

    pub(crate) fn source_of(&self, key: &FlowKey) -> Prefix {
        self.networks.source_of(key)
    }

    /// Returns the number of connections of a source.
    pub(crate) fn count(&self, source: Prefix) -> u32 {
        self.find_source(source).and_then(|handle| self.sources.get(handle)).map_or(0, |source| source.count)
    }

    /// Whether the last alert about a source is this long ago. If so, the next one is now.
    pub(crate) fn is_alert_due(&mut self, source: Prefix, now: Timestamp, pause: Duration) -> bool {
        let is_due = self.alerted.get(&source).is_none_or(|then| now.since(*then) >= pause);
        if is_due {
            self.alerted.insert(source, now);
        }
        is_due
    }

    /// Returns at most `most` sources with more than `limit` connections, those with the most connections first.
    pub(crate) fn over(&self, limit: u32, most: usize) -> Vec<Prefix> {
        let over = self.sources.iter().map(|(_, source)| source).filter(|source| source.count > limit);
        let mut over: Vec<(Reverse<u32>, Prefix)> = over.map(|source| (Reverse(source.count), source.prefix)).collect();
        over.sort_unstable();
        over.into_iter().map(|(_, source)| source).take(most).collect()
    }

    /// Returns the newest connections of these sources over the limit, at most `most`.
    pub(crate) fn newest_over(&self, limit: u32, sources: &[Prefix], most: usize) -> Vec<(Prefix, FlowKey)> {
        let mut found: BTreeMap<Prefix, Vec<(Timestamp, FlowKey)>> =
            sources.iter().map(|source| (*source, Vec::new())).collect();
        if found.is_empty() {
            return Vec::new();
        }
        for (_, connection) in self.connections.iter() {
            if let Some(list) = found.get_mut(&self.networks.source_of(&connection.key)) {
                list.push((connection.began, connection.key));
            }
        }
        let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
        let newest = found.into_iter().flat_map(|(source, mut list)| {
            list.sort_unstable();
            list.into_iter().skip(allowed).rev().map(move |(_, key)| (source, key))
        });
        newest.take(most).collect()
    }

    /// Hashes the kernel's id and the ports, as the `Hash` of [`FlowKey`] does, but as one number.
    fn hash_of(&self, key: &FlowKey) -> u32 {
        let ports = u64::from(key.original.src_port) << 16 | u64::from(key.original.dst_port);
        self.random.hash_one(u64::from(key.id) << 32 | ports) as u32
    }

    /// Hashes the address of a source. Within a family, all sources have the same prefix length.
    fn hash_of_source(&self, source: Prefix) -> u32 {
        let hash = match source.address() {
            IpAddr::V4(address) => self.random.hash_one(u64::from(address.to_bits())),
            IpAddr::V6(address) => self.random.hash_one(address.to_bits()),
        };
        hash as u32
    }

    fn find(&self, hash: u32, key: &FlowKey) -> Option<Handle> {
        self.connections.find(hash, |connection| connection.key == *key)
    }

    fn find_source(&self, source: Prefix) -> Option<Handle> {
        self.sources.find(self.hash_of_source(source), |there| there.prefix == source)
    }

    /// Adds one connection to a source.
    fn count_one(&mut self, prefix: Prefix) -> Handle {
        let hash = self.hash_of_source(prefix);
        match self.sources.find(hash, |there| there.prefix == prefix) {
            Some(handle) => {
                if let Some(source) = self.sources.get_mut(handle) {
                    source.count += 1;
                }
                handle
            }
            None => self.sources.insert(hash, Source { prefix, count: 1 }),
        }
    }

    /// Removes one connection. With its last connection, a source is removed with everything known about it.
    fn strike_out(&mut self, hash: u32, handle: Handle) {
        let Some(connection) = self.connections.remove(hash, handle) else { return };
        let Some(source) = self.sources.get_mut(connection.source) else { return };
        source.count = source.count.saturating_sub(1);
        if source.count == 0 {
            let prefix = source.prefix;
            self.sources.remove(self.hash_of_source(prefix), connection.source);
            self.alerted.remove(&prefix);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    #[cfg(test)]
    pub(crate) fn sources(&self) -> usize {
        self.sources.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ctwarden_sdk::testing::flow;
    use proptest::prelude::*;

    use super::*;

    /// An event of one of a few connections. `heard` says whether the policy receives it.
    #[derive(Clone, Debug)]
    enum Happening {
        Begins { number: u32, heard: bool },
        Ends { number: u32, heard: bool },
        SweepBegins,
        RowIsRead { number: u32 },
        SweepEnds { complete: bool },
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let number = || 0..24_u32;
        prop_oneof![
            4 => (number(), any::<bool>()).prop_map(|(number, heard)| Happening::Begins { number, heard }),
            4 => (number(), any::<bool>()).prop_map(|(number, heard)| Happening::Ends { number, heard }),
            1 => Just(Happening::SweepBegins),
            4 => number().prop_map(|number| Happening::RowIsRead { number }),
            1 => any::<bool>().prop_map(|complete| Happening::SweepEnds { complete }),
        ]
    }

    const NETWORKS: Networks = Networks { ipv4: 32, ipv6: 64 };

    /// Returns one of the connections: four sources have six each.
    fn connection(number: u32) -> FlowKey {
        flow().id(number).from(&format!("192.0.2.{}:{}", number % 4, 1024 + number)).key()
    }

    fn counted(ledger: &Ledger) -> BTreeMap<Prefix, u32> {
        let mut counts = BTreeMap::new();
        for (_, connection) in ledger.connections.iter() {
            *counts.entry(NETWORKS.source_of(&connection.key)).or_default() += 1;
        }
        counts
    }

    /// The documentation of `max-connections` adds these two sizes and 8 to 22 bytes of slots for each.
    #[test]
    fn a_connection_and_a_source_are_as_small_as_promised() {
        assert_eq!((size_of::<Option<Connection>>(), size_of::<Option<Source>>()), (64, 24));
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_connections_and_a_sweep_makes_them_true(
            happenings in prop::collection::vec(happening(), 0..200),
            most in prop_oneof![Just(5_usize), Just(100)],
        ) {
            let mut ledger = Ledger::new(most, NETWORKS);
            let mut living = BTreeSet::new();
            for happening in happenings {
                match happening {
                    Happening::Begins { number, heard } => {
                        living.insert(number);
                        if heard {
                            ledger.tell(connection(number), Timestamp(0), false);
                        }
                    }
                    Happening::Ends { number, heard } => {
                        living.remove(&number);
                        if heard {
                            ledger.end(connection(number));
                        }
                    }
                    Happening::SweepBegins => ledger.sweep_begin(),
                    Happening::RowIsRead { number } => {
                        ledger.tell(connection(number), Timestamp(0), true);
                    }
                    Happening::SweepEnds { complete } => ledger.sweep_end(complete),
                }
                let counts: BTreeMap<Prefix, u32> =
                    ledger.sources.iter().map(|(_, source)| (source.prefix, source.count)).collect();
                prop_assert!(ledger.sources.iter().all(|(_, source)| ledger.count(source.prefix) == source.count));
                prop_assert_eq!(counts, counted(&ledger));
                prop_assert!(ledger.len() <= most);
            }
            // From here on nothing is lost, so one sweep corrects the counts.
            ledger.sweep_begin();
            for number in &living {
                ledger.tell(connection(*number), Timestamp(0), true);
            }
            ledger.sweep_end(true);
            let truth: BTreeSet<FlowKey> = living.iter().map(|number| connection(*number)).collect();
            let known: BTreeSet<FlowKey> = ledger.connections.iter().map(|(_, connection)| connection.key).collect();
            prop_assert!(known.is_subset(&truth));
            // Connections that found no room beside ended ones are counted in the next sweep.
            ledger.sweep_begin();
            for number in &living {
                ledger.tell(connection(*number), Timestamp(0), true);
            }
            ledger.sweep_end(true);
            prop_assert_eq!(ledger.len(), truth.len().min(most));
        }
    }
}
