//! The host of a native test: its functions, with their data in memory.
//!
//! The modules have the names and signatures of the generated imports, so that the same code calls either.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::counters::TestCounter;
use super::flow::{FlowBuilder, Rare};
use super::harness::Harness;
use crate::bindings::ctwarden::conntrack::types as wit;
use crate::table::Statistics;
use crate::{Policy, Prefix, PrefixMap, Timestamp};

/// The data of a test's host: sets, memory, statistics of the table, and entries to fetch.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Host {
    pub(crate) sets: BTreeMap<String, PrefixMap<String>>,
    pub(crate) memory: BTreeMap<String, Remembered>,
    /// The time of the call.
    pub(crate) now: Timestamp,
    pub(crate) memory_keys: Option<usize>,
    pub(crate) statistics: Option<Statistics>,
    pub(crate) entries: Vec<wit::Flow>,
    /// Rare attributes of the current batch.
    pub(crate) rare: Vec<Rare>,
    /// Counters of the subscription.
    pub(crate) counters: Vec<TestCounter>,
}

impl Host {
    /// Returns a host without any data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address set. Each line is a network, optionally followed by a space and a value (`"192.0.2.0/24 DE"`).
    ///
    /// # Panics
    /// A line does not begin with a network.
    #[track_caller]
    pub fn set<'a>(mut self, name: &str, networks: impl IntoIterator<Item = &'a str>) -> Self {
        self.sets.insert(name.to_owned(), set_of(networks));
        self
    }

    /// Limits the number of keys in memory.
    pub const fn memory_keys(mut self, most: usize) -> Self {
        self.memory_keys = Some(most);
        self
    }

    /// Adds a key that is already in memory.
    pub fn remembering(mut self, key: &str, value: &[u8]) -> Self {
        self.memory.insert(key.to_owned(), Remembered { value: value.to_vec(), end: None });
        self
    }

    /// Sets the statistics of the table.
    pub const fn statistics(mut self, statistics: Statistics) -> Self {
        self.statistics = Some(statistics);
        self
    }

    /// Adds an entry that [`FlowKey::fetch`](crate::FlowKey::fetch) finds.
    pub fn holding(mut self, flow: &FlowBuilder) -> Self {
        self.entries.push(flow.clone().row().record());
        self
    }

    /// Configures a policy on this host.
    ///
    /// # Errors
    /// The policy refused its configuration, or its subscription is invalid; the text says why.
    pub fn start<P: Policy>(self, config: serde_json::Value) -> Result<Harness<P>, String> {
        // 1 January 2026, so that a test is the same on every day.
        Harness::new(self, config, Timestamp::from_secs(1_767_225_600))
    }
}

/// The value of a key in memory, and when the key is removed.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    value: Vec<u8>,
    end: Option<Timestamp>,
}

impl Host {
    /// Removes the keys whose lifetime is over.
    fn expire(&mut self) {
        let now = self.now;
        self.memory.retain(|_, remembered| remembered.end.is_none_or(|end| end > now));
    }
}

#[track_caller]
pub(crate) fn set_of<'a>(networks: impl IntoIterator<Item = &'a str>) -> PrefixMap<String> {
    let network = |line: &str| -> (Prefix, String) {
        let (network, value) = line.split_once(' ').unwrap_or((line, ""));
        (network.parse().unwrap_or_else(|error| panic!("{error}")), value.to_owned())
    };
    networks.into_iter().map(network).collect()
}

thread_local! {
    static CURRENT: RefCell<Host> = RefCell::default();
}

/// Makes a call into the policy with this host.
pub(crate) fn on<R>(host: &mut Host, call: impl FnOnce() -> R) -> R {
    CURRENT.with_borrow_mut(|current| std::mem::swap(current, host));
    let result = call();
    CURRENT.with_borrow_mut(|current| std::mem::swap(current, host));
    result
}

fn rare<R>(entry: u32, attribute: impl FnOnce(&Rare) -> Option<R>) -> Option<R> {
    let index = usize::try_from(entry).ok()?;
    CURRENT.with_borrow(|host| host.rare.get(index).and_then(attribute))
}

pub(crate) mod details {
    //! Rare attributes of the current batch.

    use super::{CURRENT, rare, wit};
    use crate::address::halves;

    pub(crate) fn helper(entry: u32) -> Option<String> {
        rare(entry, |rare| rare.helper.clone())
    }

    pub(crate) fn labels(entry: u32) -> Option<(u64, u64)> {
        let (high, low) = halves(rare(entry, |rare| rare.labels)?);
        Some((low, high))
    }

    pub(crate) fn security_context(entry: u32) -> Option<String> {
        rare(entry, |rare| rare.security_context.clone())
    }

    pub(crate) fn master(entry: u32) -> Option<wit::FlowTuple> {
        rare(entry, |rare| rare.master.map(Into::into))
    }

    pub(crate) fn zones(entry: u32) -> Option<(u16, u16)> {
        rare(entry, |rare| rare.zones)
    }

    pub(crate) fn attribute(entry: u32, number: u16) -> Option<Vec<u8>> {
        rare(entry, |rare| rare.attributes.iter().find(|(known, _)| *known == number).map(|(_, bytes)| bytes.clone()))
    }

    pub(crate) fn get(key: wit::FlowKey) -> Option<wit::Flow> {
        let named = |flow: &&wit::Flow| {
            flow.id == key.id && flow.zone == key.zone && flow.protocol == key.protocol && flow.original == key.original
        };
        CURRENT.with_borrow(|host| host.entries.iter().find(named).copied())
    }
}

pub(crate) mod sets {
    //! Lookups in the address sets of the test's host.

    use std::net::IpAddr;

    use super::{CURRENT, wit};

    pub(crate) fn lookup(set: &str, addresses: &[wit::IpAddress]) -> Result<Vec<Option<String>>, String> {
        CURRENT.with_borrow(|host| {
            let networks = host.sets.get(set).ok_or_else(|| format!("there is no set \"{set}\""))?;
            let value = |address: &wit::IpAddress| networks.lookup(IpAddr::from(*address)).map(|(_, v)| v.clone());
            Ok(addresses.iter().map(value).collect())
        })
    }
}

pub(crate) mod table {
    //! Statistics of the table.

    use super::CURRENT;
    use crate::bindings::ctwarden::conntrack::table as wit;

    pub(crate) fn read() -> Option<wit::Statistics> {
        let figures = CURRENT.with_borrow(|host| host.statistics)?;
        Some(wit::Statistics {
            entries: figures.entries,
            maximum: figures.maximum.unwrap_or(0),
            insert_failed: figures.insert_failed,
            dropped: figures.dropped,
            early_dropped: figures.early_dropped,
            clashes: figures.clashes,
            invalid: figures.invalid,
        })
    }
}

pub(crate) mod memory {
    //! Memory that outlives the instance.

    use std::time::Duration;

    use super::{CURRENT, Remembered};

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        CURRENT.with_borrow_mut(|host| {
            host.expire();
            host.memory.get(key).map(|remembered| remembered.value.clone())
        })
    }

    pub(crate) fn set(key: &str, value: &[u8], lifetime: Option<u32>) -> Result<(), String> {
        CURRENT.with_borrow_mut(|host| {
            host.expire();
            if key.len() > 256 {
                return Err(format!("a key of {} bytes is longer than 256 bytes", key.len()));
            }
            let full = host.memory_keys.is_some_and(|most| host.memory.len() >= most);
            if full && !host.memory.contains_key(key) {
                return Err(format!("the quota of {} keys is used up", host.memory.len()));
            }
            let end = lifetime.map(|seconds| host.now + Duration::from_secs(seconds.into()));
            host.memory.insert(key.to_owned(), Remembered { value: value.to_vec(), end });
            Ok(())
        })
    }

    pub(crate) fn remove(key: &str) {
        CURRENT.with_borrow_mut(|host| host.memory.remove(key));
    }

    pub(crate) fn keys(beginning: &str) -> Vec<String> {
        CURRENT.with_borrow_mut(|host| {
            host.expire();
            host.memory.keys().filter(|key| key.starts_with(beginning)).cloned().collect()
        })
    }
}

pub(crate) mod counters {
    //! Counters over a sliding window.

    use super::CURRENT;
    use crate::Timestamp;
    use crate::bindings::ctwarden::conntrack::counters::Key;
    use crate::testing::counters::{Added, TestCounter, named};

    fn with<R>(name: &str, call: impl FnOnce(&mut TestCounter, Timestamp) -> Result<R, String>) -> Result<R, String> {
        CURRENT.with_borrow_mut(|host| {
            let now = host.now;
            named(&mut host.counters, name).and_then(|counter| call(counter, now))
        })
    }

    pub(crate) fn add(name: &str, key: &Key, amount: u64) -> Result<u64, String> {
        with(name, |counter, now| counter.add(key, Added::Amount(amount), now))
    }

    pub(crate) fn add_all(name: &str, additions: &[(Key, u64)]) -> Result<Vec<u64>, String> {
        with(name, |counter, now| {
            additions.iter().map(|(key, amount)| counter.add(key, Added::Amount(*amount), now)).collect()
        })
    }

    pub(crate) fn add_distinct(name: &str, key: &Key, value: &Key) -> Result<u64, String> {
        with(name, |counter, now| counter.add(key, Added::Value(value.clone()), now))
    }

    pub(crate) fn add_all_distinct(name: &str, additions: &[(Key, Key)]) -> Result<Vec<u64>, String> {
        with(name, |counter, now| {
            additions.iter().map(|(key, value)| counter.add(key, Added::Value(value.clone()), now)).collect()
        })
    }

    pub(crate) fn value(name: &str, key: &Key) -> Result<u64, String> {
        with(name, |counter, now| counter.value(key, now))
    }

    pub(crate) fn largest(name: &str, most: u32) -> Result<Vec<(Key, u64)>, String> {
        with(name, |counter, now| Ok(counter.largest(most, now)))
    }

    pub(crate) fn reset(name: &str, key: &Key) -> Result<(), String> {
        with(name, |counter, _| counter.reset(key))
    }
}
