//! Who has how many connections: exact by the kernel's ids, bounded, and counted anew by each sweep.
//!
//! A connection is in the ledger once or not at all, and a source's count is changed only together with that, so counts
//! are never negative and nothing stays behind. Both are found by hashes under random keys (SipHash, as in `std`): a sweep
//! of a million rows looks for a million of each, and senders choose what they are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use ctwarden_sdk::prelude::*;

use crate::places::{Handle, Places};

/// All connections that are counted, and how many each source has.
#[derive(Debug)]
pub(crate) struct Ledger {
    random: RandomState,
    connections: Places<Connection>,
    sources: Places<Source>,
    /// What was done about sources that have connections; few of them are ever over the limit.
    done: BTreeMap<Prefix, Done>,
    networks: Networks,
    /// More are not kept, see `max-connections`.
    most: usize,
    /// Number of the running or last sweep.
    sweep: u32,
    /// Connections that ended while the running sweep read the table: their rows may come after their ends.
    ended: Option<HashSet<FlowKey>>,
}

/// Prefix lengths that make one source of many addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Networks {
    pub(crate) ipv4: u8,
    pub(crate) ipv6: u8,
}

impl Networks {
    /// The source that a connection is counted for.
    pub(crate) fn source_of(self, key: &FlowKey) -> Prefix {
        // An IPv4-mapped address is the IPv4 address: else all of them together would be one source.
        let address = key.original.src.to_canonical();
        Prefix::around(address, if address.is_ipv4() { self.ipv4 } else { self.ipv6 })
    }
}

#[derive(Debug)]
struct Connection {
    key: FlowKey,
    began: Timestamp,
    /// The last sweep that knew it.
    sweep: u32,
    source: Handle,
}

#[derive(Debug)]
struct Source {
    prefix: Prefix,
    /// How many connections it has, at least 1.
    count: u32,
}

/// What was done about a source.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// When people were last told.
    pub(crate) alerted: Option<Timestamp>,
    /// Until when it is in the block set; the end of time where it stays.
    pub(crate) blocked: Option<Timestamp>,
}

/// What became of a connection that was told to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is counted from now on.
    Counted,
    /// It was counted already, or is known to have ended.
    Known,
    /// There are too many.
    Full,
}

impl Ledger {
    pub(crate) fn new(most: usize, networks: Networks) -> Self {
        Self {
            random: RandomState::new(),
            connections: Places::new(),
            sources: Places::new(),
            done: BTreeMap::new(),
            networks,
            most,
            sweep: 0,
            ended: None,
        }
    }

    /// A connection lives: an event, or a row of a sweep. Of one that nobody has told the begin of, `began` is when it
    /// was first seen.
    pub(crate) fn tell(&mut self, key: FlowKey, began: Timestamp, row: bool) -> Told {
        match &mut self.ended {
            Some(ended) if row && ended.contains(&key) => return Told::Known,
            // The same id again, as an event: the kernel gave it to a successor.
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

    /// A connection has ended.
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

    /// A sweep begins.
    pub(crate) fn sweep_begin(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
        self.ended = Some(HashSet::new());
    }

    /// The sweep ended. If it was complete, what it did not show is no more.
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

    /// The source that a connection is counted for.
    pub(crate) fn source_of(&self, key: &FlowKey) -> Prefix {
        self.networks.source_of(key)
    }

    /// How many connections a source has.
    pub(crate) fn count(&self, source: Prefix) -> u32 {
        self.find_source(source).and_then(|handle| self.sources.get(handle)).map_or(0, |source| source.count)
    }

    /// What was done about a source; none where it has no connection.
    pub(crate) fn done(&mut self, source: Prefix) -> Option<&mut Done> {
        self.find_source(source).is_some().then(|| self.done.entry(source).or_default())
    }

    /// Sources with more than `limit` connections, the worst first, `most` at most.
    pub(crate) fn over(&self, limit: u32, most: usize) -> Vec<Prefix> {
        let over = self.sources.iter().map(|(_, source)| source).filter(|source| source.count > limit);
        let mut over: Vec<(Reverse<u32>, Prefix)> = over.map(|source| (Reverse(source.count), source.prefix)).collect();
        over.sort_unstable();
        over.into_iter().map(|(_, source)| source).take(most).collect()
    }

    /// The newest connections that these sources have over the limit, `most` at most.
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

    /// The kernel's id and the ports, as in [`FlowKey`]'s own hash, but as one number.
    fn hash_of(&self, key: &FlowKey) -> u32 {
        let ports = u64::from(key.original.src_port) << 16 | u64::from(key.original.dst_port);
        self.random.hash_one(u64::from(key.id) << 32 | ports) as u32
    }

    /// A source's address is enough: within a family all have the same length.
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

    /// One connection more.
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

    /// One connection fewer. With a source's last one all goes that is known about it.
    fn strike_out(&mut self, hash: u32, handle: Handle) {
        let Some(connection) = self.connections.remove(hash, handle) else { return };
        let Some(source) = self.sources.get_mut(connection.source) else { return };
        source.count = source.count.saturating_sub(1);
        if source.count == 0 {
            let prefix = source.prefix;
            self.sources.remove(self.hash_of_source(prefix), connection.source);
            self.done.remove(&prefix);
        }
    }

    /// How many connections are counted.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// How many sources have any.
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

    /// What happens, to one of a few connections; `heard` says whether its event arrives.
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

    /// Four sources have six connections each.
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

    /// What `max-connections` is documented with: both, and 8 to 22 bytes of slots for each.
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
            // Nothing is lost from here on: one sweep is enough for the truth.
            ledger.sweep_begin();
            for number in &living {
                ledger.tell(connection(*number), Timestamp(0), true);
            }
            ledger.sweep_end(true);
            let truth: BTreeSet<FlowKey> = living.iter().map(|number| connection(*number)).collect();
            let known: BTreeSet<FlowKey> = ledger.connections.iter().map(|(_, connection)| connection.key).collect();
            prop_assert!(known.is_subset(&truth));
            // What did not fit beside dead ones comes with the next sweep, once they are gone.
            ledger.sweep_begin();
            for number in &living {
                ledger.tell(connection(*number), Timestamp(0), true);
            }
            ledger.sweep_end(true);
            prop_assert_eq!(ledger.len(), truth.len().min(most));
        }
    }
}
