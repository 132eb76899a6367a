//! A host that answers with fixed values and records the calls of the plugin.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ctwarden_guest::{Host, LogStream};
use ctwarden_model::{Flow, FlowKey, Mark, PrefixMap, SetName, TableStatistics};

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

    fn log(&mut self, stream: LogStream, line: &str) {
        self.0.with(|seen| seen.lines.push((stream, line.to_owned())));
    }
}
