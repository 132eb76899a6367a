//! Counters over a sliding window, as the rules need them. The host keeps them; [`LocalCounters`] keeps them without a
//! host.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use ctwarden_net::Prefix;

/// How a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterKind {
    /// The sum of amounts.
    Sum,
    /// The number of different values.
    Distinct,
}

/// A counter: one number for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Name of the counter.
    pub name: String,
    /// How it counts.
    pub kind: CounterKind,
    /// Length of the window in seconds.
    pub window: u32,
}

/// What a number is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// One address.
    Address(IpAddr),
    /// Sender and receiver.
    Pair(IpAddr, IpAddr),
    /// Address, protocol and port.
    Service(IpAddr, u8, u16),
    /// A network.
    Network(Prefix),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Pair(src, dst) => write!(f, "{src} > {dst}"),
            Self::Service(address, protocol, port) => {
                write!(f, "{} {}", ctwarden_net::Protocol(*protocol), std::net::SocketAddr::new(*address, *port))
            }
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

/// Counters that rules add to. `counter` is the index of the counter in [`Rules::counters`](crate::Rules::counters).
pub trait Counters {
    /// Adds to the sum of a key and returns the sum of the window.
    ///
    /// # Errors
    /// The counter has no room for another key.
    fn add(&mut self, counter: usize, key: Key, amount: u64, now: u64) -> Result<u64, String>;
    /// Adds a value of a key and returns the number of different values in the window.
    ///
    /// # Errors
    /// The counter has no room for another key or value.
    fn add_distinct(&mut self, counter: usize, key: Key, value: Key, now: u64) -> Result<u64, String>;
}

/// Parts of a window. What is older than the window is forgotten by parts, so a number covers between 15/16 and 16/16
/// of the window.
const PARTS: usize = 16;
const PARTS_U64: u64 = PARTS as u64;
const SECOND: u64 = 1_000_000_000;

/// Counters in the memory of the caller: exact numbers, and a limit of keys and values.
#[derive(Debug)]
pub struct LocalCounters {
    /// Length of a part in nanoseconds, for each counter.
    parts: Vec<u64>,
    sums: HashMap<(usize, Key), Sum>,
    distinct: HashMap<(usize, Key), Distinct>,
    /// Number of values in `distinct`.
    held: usize,
    /// Greatest number of keys, and of values.
    most: usize,
    /// When old keys may be searched for again. A search looks at every key, so it must not happen for every flow.
    next_purge: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    newest: u64,
    parts: [u64; PARTS],
}

/// The values of one key, and in which part of time each was last seen.
#[derive(Debug, Default)]
struct Distinct {
    newest: u64,
    values: HashMap<Key, u64>,
}

impl Sum {
    /// Forgets what is older than the window before this part.
    fn advance(&mut self, part: u64) {
        let steps = part.saturating_sub(self.newest).min(PARTS_U64);
        for step in 1..=steps {
            if let Some(old) = self.parts.get_mut(place(part.saturating_sub(step.saturating_sub(1)))) {
                *old = 0;
            }
        }
        // If the clock went back, the newest part goes on.
        self.newest = self.newest.max(part);
    }
}

impl Distinct {
    /// Forgets what is older than the window before this part.
    fn advance(&mut self, part: u64) {
        if part > self.newest {
            self.newest = part;
            self.values.retain(|_, seen| seen.saturating_add(PARTS_U64) > part);
        }
    }
}

fn place(part: u64) -> usize {
    usize::try_from(part % PARTS_U64).unwrap_or(0)
}

impl LocalCounters {
    /// Returns counters without numbers. They hold at most this many keys of sums, and this many different values.
    #[must_use]
    pub fn new(counters: &[Counter], most: usize) -> Self {
        let part = |counter: &Counter| (u64::from(counter.window).saturating_mul(SECOND) / PARTS_U64).max(1);
        Self {
            parts: counters.iter().map(part).collect(),
            sums: HashMap::new(),
            distinct: HashMap::new(),
            held: 0,
            most,
            next_purge: 0,
        }
    }

    fn part(&self, counter: usize) -> u64 {
        self.parts.get(counter).copied().unwrap_or(SECOND)
    }

    /// Removes what is older than its window, at most once a second.
    fn purge(&mut self, now: u64) {
        if now < self.next_purge {
            return;
        }
        self.next_purge = now.saturating_add(SECOND);
        let parts = &self.parts;
        let part = |counter: usize| now / parts.get(counter).copied().unwrap_or(SECOND);
        self.sums.retain(|(counter, _), sum| sum.newest.saturating_add(PARTS_U64) > part(*counter));
        self.distinct.retain(|(counter, _), distinct| {
            distinct.advance(part(*counter));
            !distinct.values.is_empty()
        });
        self.held = self.distinct.values().map(|distinct| distinct.values.len()).sum();
    }
}

impl Counters for LocalCounters {
    fn add(&mut self, counter: usize, key: Key, amount: u64, now: u64) -> Result<u64, String> {
        if self.sums.len() >= self.most && !self.sums.contains_key(&(counter, key)) {
            self.purge(now);
            if self.sums.len() >= self.most {
                return Err(format!("there are {} keys, the greatest number", self.most));
            }
        }
        let part = now / self.part(counter);
        let sum = self.sums.entry((counter, key)).or_insert(Sum { newest: part, parts: [0; PARTS] });
        sum.advance(part);
        if let Some(newest) = sum.parts.get_mut(place(sum.newest)) {
            *newest = newest.saturating_add(amount);
        }
        Ok(sum.parts.iter().fold(0, |all: u64, part| all.saturating_add(*part)))
    }

    fn add_distinct(&mut self, counter: usize, key: Key, value: Key, now: u64) -> Result<u64, String> {
        if self.held >= self.most {
            self.purge(now);
            if self.held >= self.most {
                return Err(format!("there are {} values, the greatest number", self.most));
            }
        }
        let part = now / self.part(counter);
        let distinct = self.distinct.entry((counter, key)).or_default();
        let before = distinct.values.len();
        distinct.advance(part);
        let seen = distinct.newest;
        distinct.values.insert(value, seen);
        self.held = self.held.saturating_sub(before).saturating_add(distinct.values.len());
        Ok(u64::try_from(distinct.values.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::Address(IpAddr::from([192, 0, 2, number]))
    }

    fn counters(most: usize) -> LocalCounters {
        let counter = |kind| Counter { name: "c".to_owned(), kind, window: 16 };
        LocalCounters::new(&[counter(CounterKind::Sum), counter(CounterKind::Distinct)], most)
    }

    proptest! {
        #[test]
        fn a_sum_covers_the_window(steps in prop::collection::vec((0_u64..6, 0_u64..10), 1..60)) {
            let mut counters = counters(10);
            let (mut now, mut added) = (100 * SECOND, Vec::new());
            for (pause, amount) in steps {
                now += pause * SECOND;
                added.push((now, amount));
                // A part is a second here, and all times are whole seconds.
                let expected: u64 =
                    added.iter().filter(|(at, _)| at + 16 * SECOND > now).map(|(_, amount)| amount).sum();
                prop_assert_eq!(counters.add(0, key(1), amount, now), Ok(expected));
            }
        }
    }

    #[test]
    fn different_values_count_once() {
        let mut counters = counters(10);
        for (at, value, expected) in [(0, 1, 1), (1, 2, 2), (2, 1, 2), (16, 3, 3), (17, 3, 2), (18, 3, 1)] {
            assert_eq!(counters.add_distinct(1, key(1), key(value), (100 + at) * SECOND), Ok(expected), "at {at}");
        }
    }

    #[test]
    fn memory_has_a_limit_and_old_keys_make_room() {
        let mut counters = counters(2);
        for number in 0..2 {
            counters.add(0, key(number), 1, 0).unwrap();
            counters.add_distinct(1, key(number), key(0), 0).unwrap();
        }
        assert!(counters.add(0, key(9), 1, 0).unwrap_err().contains("2 keys"));
        assert!(counters.add_distinct(1, key(9), key(0), 0).unwrap_err().contains("2 values"));
        assert_eq!(counters.add(0, key(1), 1, 0), Ok(2), "a known key still counts");
        let later = 40 * SECOND;
        assert_eq!(counters.add(0, key(9), 1, later), Ok(1));
        assert_eq!(counters.add_distinct(1, key(9), key(0), later), Ok(1));
        assert_eq!((counters.sums.len(), counters.held), (1, 1));
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let mut counters = counters(2);
        counters.add(0, key(1), 5, 100 * SECOND).unwrap();
        assert_eq!(counters.add(0, key(1), 1, 50 * SECOND), Ok(6));
    }
}
