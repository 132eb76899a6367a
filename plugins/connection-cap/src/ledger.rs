//! Who has how many connections: exact by the kernel's ids, bounded, and counted anew by each sweep.
//!
//! A connection is in the ledger once or not at all, and a source's count is changed only together with that, so counts
//! are never negative and nothing stays behind.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ctwarden_sdk::prelude::*;

/// All connections that are counted, and how many each source has.
#[derive(Debug)]
pub(crate) struct Ledger {
    connections: BTreeMap<FlowKey, Connection>,
    sources: BTreeMap<Prefix, Source>,
    /// More are not kept, see `max-connections`.
    most: usize,
    /// Number of the running or last sweep.
    sweep: u32,
    /// Connections that ended while the running sweep read the table: their rows may come after their ends.
    ended: Option<BTreeSet<FlowKey>>,
}

#[derive(Debug)]
struct Connection {
    source: Prefix,
    began: Timestamp,
    /// The last sweep that knew it.
    sweep: u32,
}

/// What is known about a source that has connections.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// How many it has, at least 1.
    pub(crate) connections: u32,
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
    pub(crate) const fn new(most: usize) -> Self {
        Self { connections: BTreeMap::new(), sources: BTreeMap::new(), most, sweep: 0, ended: None }
    }

    /// A connection lives: an event, or a row of a sweep. Of one that nobody has told the begin of, `began` is when it
    /// was first seen.
    pub(crate) fn tell(&mut self, key: FlowKey, source: Prefix, began: Timestamp, row: bool) -> Told {
        match &mut self.ended {
            Some(ended) if row && ended.contains(&key) => return Told::Known,
            // The same id again, as an event: the kernel gave it to a successor.
            Some(ended) if !row => {
                ended.remove(&key);
            }
            Some(_) | None => {}
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.sweep = self.sweep;
            return Told::Known;
        }
        if self.connections.len() >= self.most {
            return Told::Full;
        }
        self.connections.insert(key, Connection { source, began, sweep: self.sweep });
        self.sources.entry(source).or_default().connections += 1;
        Told::Counted
    }

    /// A connection has ended.
    pub(crate) fn end(&mut self, key: FlowKey) {
        if let Some(ended) = &mut self.ended
            && ended.len() < self.most
        {
            ended.insert(key);
        }
        if let Some(connection) = self.connections.remove(&key) {
            self.uncount(connection.source);
        }
    }

    fn uncount(&mut self, source: Prefix) {
        if let Some(entry) = self.sources.get_mut(&source) {
            entry.connections = entry.connections.saturating_sub(1);
            if entry.connections == 0 {
                self.sources.remove(&source);
            }
        }
    }

    /// A sweep begins.
    pub(crate) fn sweep_begin(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
        self.ended = Some(BTreeSet::new());
    }

    /// The sweep ended. If it was complete, what it did not show is no more.
    pub(crate) fn sweep_end(&mut self, complete: bool) {
        self.ended = None;
        if !complete {
            return;
        }
        let sweep = self.sweep;
        for (_, connection) in self.connections.extract_if(.., |_, connection| connection.sweep != sweep) {
            // `uncount`, on a field: the map of connections is borrowed.
            if let Some(entry) = self.sources.get_mut(&connection.source) {
                entry.connections = entry.connections.saturating_sub(1);
            }
        }
        self.sources.retain(|_, source| source.connections > 0);
    }

    /// What is known about a source.
    pub(crate) fn source(&mut self, source: Prefix) -> Option<&mut Source> {
        self.sources.get_mut(&source)
    }

    /// Sources with more than `limit` connections, the worst first, `most` at most.
    pub(crate) fn over(&self, limit: u32, most: usize) -> Vec<Prefix> {
        let over = self.sources.iter().filter(|(_, source)| source.connections > limit);
        let mut over: Vec<(Reverse<u32>, Prefix)> =
            over.map(|(prefix, source)| (Reverse(source.connections), *prefix)).collect();
        over.sort_unstable();
        over.into_iter().map(|(_, prefix)| prefix).take(most).collect()
    }

    /// The newest connections that these sources have over the limit, `most` at most.
    pub(crate) fn newest_over(&self, limit: u32, sources: &[Prefix], most: usize) -> Vec<(Prefix, FlowKey)> {
        let mut found: BTreeMap<Prefix, Vec<(Timestamp, FlowKey)>> =
            sources.iter().map(|source| (*source, Vec::new())).collect();
        for (key, connection) in &self.connections {
            if let Some(list) = found.get_mut(&connection.source) {
                list.push((connection.began, *key));
            }
        }
        let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
        let newest = found.into_iter().flat_map(|(source, mut list)| {
            list.sort_unstable();
            list.into_iter().skip(allowed).rev().map(move |(_, key)| (source, key))
        });
        newest.take(most).collect()
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
    use std::collections::BTreeMap;

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

    /// Four sources have six connections each.
    fn connection(number: u32) -> (FlowKey, Prefix) {
        let source = format!("192.0.2.{}", number % 4);
        let key = flow().id(number).from(&format!("{source}:{}", 1024 + number)).key();
        (key, key.original.src.into())
    }

    fn counted(ledger: &Ledger) -> BTreeMap<Prefix, u32> {
        let mut counts = BTreeMap::new();
        for connection in ledger.connections.values() {
            *counts.entry(connection.source).or_default() += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_connections_and_a_sweep_makes_them_true(
            happenings in prop::collection::vec(happening(), 0..200),
            most in prop_oneof![Just(5_usize), Just(100)],
        ) {
            let mut ledger = Ledger::new(most);
            let mut living = BTreeSet::new();
            for happening in happenings {
                match happening {
                    Happening::Begins { number, heard } => {
                        let (key, source) = connection(number);
                        living.insert(number);
                        if heard {
                            ledger.tell(key, source, Timestamp(0), false);
                        }
                    }
                    Happening::Ends { number, heard } => {
                        living.remove(&number);
                        if heard {
                            ledger.end(connection(number).0);
                        }
                    }
                    Happening::SweepBegins => ledger.sweep_begin(),
                    Happening::RowIsRead { number } => {
                        let (key, source) = connection(number);
                        ledger.tell(key, source, Timestamp(0), true);
                    }
                    Happening::SweepEnds { complete } => ledger.sweep_end(complete),
                }
                let counts: BTreeMap<Prefix, u32> = ledger.sources.iter().map(|(p, s)| (*p, s.connections)).collect();
                prop_assert_eq!(counts, counted(&ledger));
                prop_assert!(ledger.len() <= most);
            }
            // Nothing is lost from here on: one sweep is enough for the truth.
            ledger.sweep_begin();
            for number in &living {
                let (key, source) = connection(*number);
                ledger.tell(key, source, Timestamp(0), true);
            }
            ledger.sweep_end(true);
            let truth: BTreeSet<FlowKey> = living.iter().map(|number| connection(*number).0).collect();
            let known: BTreeSet<FlowKey> = ledger.connections.keys().copied().collect();
            prop_assert!(known.is_subset(&truth));
            // What did not fit beside dead ones comes with the next sweep, once they are gone.
            ledger.sweep_begin();
            for number in &living {
                let (key, source) = connection(*number);
                ledger.tell(key, source, Timestamp(0), true);
            }
            ledger.sweep_end(true);
            prop_assert_eq!(ledger.len(), truth.len().min(most));
        }
    }
}
