//! The functions that the plugin calls: details, sets, table, memory and counters. The current batch and the
//! [`Host`](crate::Host) answer them.
//!
//! Every byte that the plugin passes is counted before the host sees it.

use std::net::IpAddr;

use ctwarden_model::{CounterKey, Flow, Rare};

use super::bindings::ctwarden::conntrack::{counters, details, memory, sets, table, types};
use super::{from_guest, to_guest};
use crate::state::State;

impl State {
    fn flow(&self, entry: u32) -> Option<&Flow> {
        self.judged(entry).map(|event| &event.flow)
    }

    fn rare(&self, entry: u32) -> Option<&Rare> {
        self.flow(entry)?.rare.as_deref()
    }
}

impl types::Host for State {}

impl details::Host for State {
    fn helper(&mut self, entry: u32) -> wasmtime::Result<Option<String>> {
        Ok(self.rare(entry).and_then(|rare| rare.helper.clone()))
    }

    fn labels(&mut self, entry: u32) -> wasmtime::Result<Option<(u64, u64)>> {
        Ok(self.flow(entry).and_then(|flow| flow.labels).map(|labels| (labels.0 as u64, (labels.0 >> 64) as u64)))
    }

    fn security_context(&mut self, entry: u32) -> wasmtime::Result<Option<String>> {
        Ok(self.rare(entry).and_then(|rare| rare.security_context.clone()))
    }

    fn master(&mut self, entry: u32) -> wasmtime::Result<Option<types::FlowTuple>> {
        Ok(self.rare(entry).and_then(|rare| rare.master.as_ref()).map(to_guest::tuple))
    }

    fn zones(&mut self, entry: u32) -> wasmtime::Result<Option<(u16, u16)>> {
        let Some(flow) = self.flow(entry) else { return Ok(None) };
        let Some(zones) = flow.rare.as_ref().map(|rare| rare.zones) else { return Ok(None) };
        if zones.original.is_none() && zones.reply.is_none() {
            return Ok(None);
        }
        // If the zones differ by direction, the kernel omits zone 0 (ctnetlink_dump_zone_id in nf_conntrack_netlink.c).
        Ok(Some((zones.original.unwrap_or_default().0, zones.reply.unwrap_or_default().0)))
    }

    fn attribute(&mut self, entry: u32, number: u16) -> wasmtime::Result<Option<Vec<u8>>> {
        let unknown = self.rare(entry).and_then(|rare| rare.unknown.iter().find(|one| one.number == number));
        Ok(unknown.map(|attribute| attribute.payload.clone()))
    }

    fn get(&mut self, key: details::FlowKey) -> wasmtime::Result<Option<details::Flow>> {
        // A key that is out of range names no entry.
        let Ok(key) = from_guest::key(key) else { return Ok(None) };
        Ok(self.host().get(&key).as_ref().map(to_guest::row))
    }
}

impl sets::Host for State {
    fn lookup(
        &mut self,
        set: String,
        addresses: Vec<types::IpAddress>,
    ) -> wasmtime::Result<Result<Vec<Option<String>>, String>> {
        self.pass(set.len().saturating_add(size_of_val(addresses.as_slice())))?;
        let set = match from_guest::set_name(set) {
            Ok(set) => set,
            Err(what) => return Ok(Err(what.to_owned())),
        };
        let addresses: Vec<IpAddr> = addresses.into_iter().map(from_guest::address).collect();
        Ok(self.host().lookup(&set, &addresses))
    }
}

impl table::Host for State {
    fn read(&mut self) -> wasmtime::Result<Option<table::Statistics>> {
        Ok(self.host().table().map(to_guest::statistics))
    }
}

impl memory::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.pass(key.len())?;
        Ok(self.host().memory_get(&key))
    }

    fn set(&mut self, key: String, value: Vec<u8>, lifetime: Option<u32>) -> wasmtime::Result<Result<(), String>> {
        self.pass(key.len().saturating_add(value.len()))?;
        Ok(self.host().memory_set(&key, value, lifetime))
    }

    fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        self.pass(key.len())?;
        self.host().memory_remove(&key);
        Ok(())
    }

    fn keys(&mut self, beginning: String) -> wasmtime::Result<Vec<String>> {
        self.pass(beginning.len())?;
        Ok(self.host().memory_keys(&beginning))
    }
}

/// Keys that `counters.largest` returns at most.
const LARGEST_MAX: usize = 1_000;

impl State {
    /// Counts and converts what the plugin adds to a counter.
    fn added<A, B>(
        &mut self,
        counter: &str,
        additions: Vec<A>,
        bytes: impl Fn(&A) -> usize,
        convert: impl Fn(A) -> Result<B, &'static str>,
    ) -> wasmtime::Result<Result<Vec<B>, String>> {
        self.pass(additions.iter().map(bytes).fold(counter.len(), usize::saturating_add))?;
        let converted: Result<Vec<B>, _> = additions.into_iter().map(convert).collect();
        Ok(converted.map_err(str::to_owned))
    }

    /// Counts and converts a key.
    fn counter_key(&mut self, counter: &str, key: counters::Key) -> wasmtime::Result<Result<CounterKey, String>> {
        self.pass(from_guest::counter_key_bytes(&key).saturating_add(counter.len()))?;
        Ok(from_guest::counter_key(key).map_err(str::to_owned))
    }
}

/// The one element of an answer to one addition.
fn only(values: Vec<u64>) -> u64 {
    values.first().copied().unwrap_or(0)
}

impl counters::Host for State {
    fn add(&mut self, counter: String, key: counters::Key, amount: u64) -> wasmtime::Result<Result<u64, String>> {
        Ok(self.add_all(counter, vec![(key, amount)])?.map(only))
    }

    fn add_all(
        &mut self,
        counter: String,
        additions: Vec<(counters::Key, u64)>,
    ) -> wasmtime::Result<Result<Vec<u64>, String>> {
        let bytes = |(key, _): &(counters::Key, u64)| from_guest::counter_key_bytes(key).saturating_add(8);
        let convert = |(key, amount)| Ok((from_guest::counter_key(key)?, amount));
        let additions = self.added(&counter, additions, bytes, convert)?;
        Ok(additions.and_then(|additions| self.host().counter_add(&counter, &additions)))
    }

    fn add_distinct(
        &mut self,
        counter: String,
        key: counters::Key,
        value: counters::Key,
    ) -> wasmtime::Result<Result<u64, String>> {
        Ok(self.add_all_distinct(counter, vec![(key, value)])?.map(only))
    }

    fn add_all_distinct(
        &mut self,
        counter: String,
        additions: Vec<(counters::Key, counters::Key)>,
    ) -> wasmtime::Result<Result<Vec<u64>, String>> {
        let bytes = |(key, value): &(counters::Key, counters::Key)| {
            from_guest::counter_key_bytes(key).saturating_add(from_guest::counter_key_bytes(value))
        };
        let convert = |(key, value)| Ok((from_guest::counter_key(key)?, from_guest::counter_key(value)?));
        let additions = self.added(&counter, additions, bytes, convert)?;
        Ok(additions.and_then(|additions| self.host().counter_see(&counter, &additions)))
    }

    fn value(&mut self, counter: String, key: counters::Key) -> wasmtime::Result<Result<u64, String>> {
        let key = self.counter_key(&counter, key)?;
        Ok(key.and_then(|key| self.host().counter_value(&counter, &key)))
    }

    fn largest(&mut self, counter: String, most: u32) -> wasmtime::Result<Result<Vec<(counters::Key, u64)>, String>> {
        self.pass(counter.len())?;
        let most = usize::try_from(most).unwrap_or(LARGEST_MAX).min(LARGEST_MAX);
        let keys = self.host().counter_largest(&counter, most);
        Ok(keys.map(|keys| keys.into_iter().map(|(key, value)| (to_guest::counter_key(key), value)).collect()))
    }

    fn reset(&mut self, counter: String, key: counters::Key) -> wasmtime::Result<Result<(), String>> {
        let key = self.counter_key(&counter, key)?;
        Ok(key.and_then(|key| self.host().counter_reset(&counter, &key)))
    }
}
