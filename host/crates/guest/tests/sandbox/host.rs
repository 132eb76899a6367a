//! A host that answers with fixed values and records the calls of the plugin.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ctwarden_guest::{Host, LogStream, no_counter};
use ctwarden_model::{CounterKey, CounterSpec, Flow, FlowKey, Mark, PrefixMap, SetName, TableStatistics};

use crate::setup;

/// Everything that a plugin did to the host.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) lines: Vec<(LogStream, String)>,
    pub(crate) keys: Vec<FlowKey>,
    pub(crate) lookups: Vec<(String, Vec<IpAddr>)>,
    pub(crate) memory: BTreeMap<String, Vec<u8>>,
    /// The lifetime that each key was set with.
    pub(crate) lifetimes: BTreeMap<String, Option<u32>>,
    pub(crate) counters: Vec<CounterSpec>,
    pub(crate) added: Vec<(CounterKey, u64)>,
    pub(crate) distinct: Vec<(CounterKey, CounterKey)>,
    pub(crate) reset: Vec<CounterKey>,
}

/// The record, shared between the host and the test.
#[derive(Clone, Default)]
pub(crate) struct Recorded(Arc<Mutex<Seen>>);

impl Recorded {
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Seen) -> R) -> R {
        look(&mut self.0.lock().unwrap())
    }

    /// The logged lines, without their streams.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.with(|seen| seen.lines.iter().map(|(_, line)| line.clone()).collect())
    }
}

pub(crate) struct Recorder(Recorded);

impl Recorder {
    fn known(&self, counter: &str) -> Result<(), String> {
        let is_known = self.0.with(|seen| seen.counters.iter().any(|spec| spec.name() == counter));
        if is_known { Ok(()) } else { Err(no_counter(counter)) }
    }

    pub(crate) fn new() -> (Self, Recorded) {
        let recorded = Recorded::default();
        (Self(recorded.clone()), recorded)
    }
}

pub(crate) const TABLE: TableStatistics =
    TableStatistics { entries: 1, maximum: 2, insert_failed: 3, dropped: 4, early_dropped: 5, clashes: 6, invalid: 7 };

impl Host for Recorder {
    /// Returns a flow with mark 9 for any key.
    fn get(&mut self, key: &FlowKey) -> Option<Flow> {
        self.0.with(|seen| seen.keys.push(*key));
        let mut flow = setup::flow(80);
        flow.mark = Some(Mark(9));
        Some(flow)
    }

    /// The set `known` contains every IPv4 address.
    fn lookup(&mut self, set: &SetName, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, String> {
        self.0.with(|seen| seen.lookups.push((set.0.clone(), addresses.to_vec())));
        if set.0 != "known" {
            return Err(format!("no set is called {set}"));
        }
        Ok(addresses.iter().map(|address| address.is_ipv4().then(|| format!("value of {address}"))).collect())
    }

    /// The set `known` consists of one network.
    fn set(&mut self, set: &SetName) -> Result<Arc<PrefixMap<Arc<str>>>, String> {
        if set.0 != "known" {
            return Err(format!("no set is called {set}"));
        }
        Ok(Arc::new(PrefixMap::from_iter([("192.0.2.0/24".parse().unwrap(), Arc::default())])))
    }

    fn table(&mut self) -> Option<TableStatistics> {
        Some(TABLE)
    }

    fn memory_get(&mut self, key: &str) -> Option<Vec<u8>> {
        self.0.with(|seen| seen.memory.get(key).cloned())
    }

    fn memory_set(&mut self, key: &str, value: Vec<u8>, lifetime: Option<u32>) -> Result<(), String> {
        self.0.with(|seen| {
            seen.lifetimes.insert(key.to_owned(), lifetime);
            seen.memory.insert(key.to_owned(), value)
        });
        Ok(())
    }

    fn memory_remove(&mut self, key: &str) {
        self.0.with(|seen| seen.memory.remove(key));
    }

    fn memory_keys(&mut self, beginning: &str) -> Vec<String> {
        self.0.with(|seen| seen.memory.keys().filter(|key| key.starts_with(beginning)).cloned().collect())
    }

    fn open_counters(&mut self, counters: &[CounterSpec]) {
        self.0.with(|seen| seen.counters = counters.to_vec());
    }

    /// Returns the amounts.
    fn counter_add(&mut self, counter: &str, additions: &[(CounterKey, u64)]) -> Result<Vec<u64>, String> {
        self.known(counter)?;
        self.0.with(|seen| seen.added.extend_from_slice(additions));
        Ok(additions.iter().map(|(_, amount)| *amount).collect())
    }

    /// Returns how many values were noted before.
    fn counter_see(&mut self, counter: &str, additions: &[(CounterKey, CounterKey)]) -> Result<Vec<u64>, String> {
        self.known(counter)?;
        let before = self.0.with(|seen| {
            seen.distinct.extend_from_slice(additions);
            seen.distinct.len() - additions.len()
        });
        Ok((0..).skip(before).take(additions.len()).collect())
    }

    fn counter_value(&mut self, counter: &str, _: &CounterKey) -> Result<u64, String> {
        self.known(counter)?;
        Ok(7)
    }

    /// Returns the values that were noted last.
    fn counter_largest(&mut self, counter: &str, most: usize) -> Result<Vec<(CounterKey, u64)>, String> {
        self.known(counter)?;
        let last = |seen: &mut Seen| seen.distinct.iter().rev().take(most).map(|(_, value)| value.clone()).collect();
        let last: Vec<CounterKey> = self.0.with(last);
        Ok(last.into_iter().zip(5..).collect())
    }

    fn counter_reset(&mut self, counter: &str, key: &CounterKey) -> Result<(), String> {
        self.known(counter)?;
        self.0.with(|seen| seen.reset.push(key.clone()));
        Ok(())
    }

    fn log(&mut self, stream: LogStream, line: &str) {
        self.0.with(|seen| seen.lines.push((stream, line.to_owned())));
    }
}
