//! Memory and counters of the host, as the rules use them.

use std::time::Duration;

use ctwarden_rules as rules;
use ctwarden_rules::{CounterKind, Key, Memory};
use ctwarden_sdk::memory;
use ctwarden_sdk::prelude::*;

/// Memory that outlives the instance, for the times of blocks.
pub(crate) struct HostMemory;

impl Memory for HostMemory {
    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        memory::get(key)
    }

    fn set(&mut self, key: &str, value: &[u8], seconds: u32) -> Result<(), String> {
        memory::set_for(key, value, Lifetime::from_secs(seconds)).map_err(String::from)
    }
}

/// The counters of the rules, in the order of [`Rules::counters`](rules::Rules::counters).
#[derive(Debug)]
pub(crate) struct HostCounters(Vec<HostCounter>);

#[derive(Debug)]
enum HostCounter {
    Sum(Counter<Sum>),
    Distinct(Counter<Distinct>),
}

const UNKNOWN: &str = "there is no such counter";

impl HostCounters {
    pub(crate) fn new(counters: &[rules::Counter]) -> Self {
        let counter = |counter: &rules::Counter| {
            let (name, window) = (counter.name.clone(), Duration::from_secs(counter.window.into()));
            match counter.kind {
                CounterKind::Sum => HostCounter::Sum(Counter::named(name, window)),
                CounterKind::Distinct => HostCounter::Distinct(Counter::named(name, window)),
            }
        };
        Self(counters.iter().map(counter).collect())
    }

    /// Adds the counters to a subscription.
    pub(crate) fn subscribe(&self, subscription: Subscription) -> Subscription {
        self.0.iter().fold(subscription, |subscription, counter| match counter {
            HostCounter::Sum(counter) => subscription.counter(counter),
            HostCounter::Distinct(counter) => subscription.counter(counter),
        })
    }
}

impl rules::Counters for HostCounters {
    fn add_all(&mut self, counter: usize, additions: &[(Key, u64)]) -> Result<Vec<u64>, String> {
        let Some(HostCounter::Sum(counter)) = self.0.get(counter) else { return Err(UNKNOWN.to_owned()) };
        counter.add_all(additions.iter().map(|(of, amount)| (key(*of), *amount))).map_err(String::from)
    }

    fn add_all_distinct(&mut self, counter: usize, additions: &[(Key, Key)]) -> Result<Vec<u64>, String> {
        let Some(HostCounter::Distinct(counter)) = self.0.get(counter) else { return Err(UNKNOWN.to_owned()) };
        counter.add_all(additions.iter().map(|(of, value)| (key(*of), key(*value)))).map_err(String::from)
    }
}

fn key(key: Key) -> CounterKey {
    match key {
        Key::Address(address) => address.into(),
        Key::Pair(src, dst) => (src, dst).into(),
        Key::Service(address, protocol, port) => (address, Protocol(protocol), port).into(),
        Key::Network(network) => Prefix::around(network.address(), network.length()).into(),
    }
}
