//! The implementation of a plugin's imports: the kernel's table, the operator's address sets, the plugin's lasting
//! memory, its counters, the log.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use ctwarden_guest::{Host, LogStream};
use ctwarden_model::{CounterKey, CounterSpec, Flow, FlowKey, PluginName, SetName, TableStatistics};

use super::counters::{OpenCounters, PluginCounters};
use super::log_rate::LogRate;
use crate::address_sets::AddressSets;
use crate::clock;
use crate::netlink::Requests;
use crate::set_file::Networks;
use crate::store::PluginMemory;

/// What every instance of one plugin shares.
#[derive(Clone)]
pub(crate) struct HostParts {
    pub(crate) sets: AddressSets,
    /// The sets that the plugin may read.
    pub(crate) read_sets: BTreeSet<SetName>,
    pub(crate) memory: PluginMemory,
    pub(crate) counters: PluginCounters,
}

impl HostParts {
    /// Returns the same parts for a temporary instance, whose writes do not last.
    pub(crate) fn dry_run(&self) -> Self {
        Self { memory: self.memory.copy(), ..self.clone() }
    }

    /// Opens the host side of one instance.
    pub(crate) fn open(&self, name: &PluginName) -> PluginHost {
        PluginHost {
            name: name.clone(),
            parts: self.clone(),
            counters: OpenCounters::default(),
            requests: None,
            log_rate: LogRate::new(Instant::now()),
        }
    }
}

/// The host side of one instance. Only the plugin's own thread uses it.
pub(crate) struct PluginHost {
    name: PluginName,
    parts: HostParts,
    /// None until the instance is configured.
    counters: OpenCounters,
    /// Opened at the first query of the kernel: few plugins query it.
    requests: Option<Requests>,
    log_rate: LogRate,
}

impl PluginHost {
    fn requests(&mut self) -> Option<&mut Requests> {
        if self.requests.is_none() {
            self.requests = Requests::open().ok();
        }
        self.requests.as_mut()
    }
}

impl Host for PluginHost {
    fn get(&mut self, key: &FlowKey) -> Option<Flow> {
        // Another flow may have the tuple by now.
        self.requests()?.get(key).ok().flatten().filter(|flow| flow.id == Some(key.id))
    }

    fn lookup(&mut self, set: &SetName, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, String> {
        let networks = self.set(set)?;
        let value = |address| networks.longest(address).map(|(_, value)| value.to_string());
        // An IPv4-mapped address counts as the IPv4 address, in lists and in lookups. Only a wide IPv6 network can
        // contain the mapped form as well.
        Ok(addresses.iter().map(|address| value(address.to_canonical()).or_else(|| value(*address))).collect())
    }

    fn set(&mut self, set: &SetName) -> Result<Networks, String> {
        if !self.parts.read_sets.contains(set) {
            return Err(format!("the set {set} is not granted to {}; add it to its read-sets", self.name));
        }
        self.parts.sets.get(set)
    }

    fn table(&mut self) -> Option<TableStatistics> {
        self.requests()?.statistics().ok()
    }

    fn memory_get(&mut self, key: &str) -> Option<Vec<u8>> {
        self.parts.memory.get(key)
    }

    fn memory_set(&mut self, key: &str, value: Vec<u8>, lifetime: Option<u32>) -> Result<(), String> {
        self.parts.memory.set(key, &value, lifetime)
    }

    fn memory_remove(&mut self, key: &str) {
        self.parts.memory.remove(key);
    }

    fn memory_keys(&mut self, beginning: &str) -> Vec<String> {
        self.parts.memory.keys(beginning)
    }

    fn open_counters(&mut self, counters: &[CounterSpec]) {
        self.counters = self.parts.counters.open(counters);
    }

    fn counter_add(&mut self, counter: &str, additions: &[(CounterKey, u64)]) -> Result<Vec<u64>, String> {
        self.counters.add(counter, additions, clock::now().steady)
    }

    fn counter_see(&mut self, counter: &str, additions: &[(CounterKey, CounterKey)]) -> Result<Vec<u64>, String> {
        self.counters.see(counter, additions, clock::now().steady)
    }

    fn counter_value(&mut self, counter: &str, key: &CounterKey) -> Result<u64, String> {
        self.counters.value(counter, key, clock::now().steady)
    }

    fn counter_largest(&mut self, counter: &str, most: usize) -> Result<Vec<(CounterKey, u64)>, String> {
        self.counters.largest(counter, most, clock::now().steady)
    }

    fn counter_reset(&mut self, counter: &str, key: &CounterKey) -> Result<(), String> {
        self.counters.reset(counter, key)
    }

    fn log(&mut self, stream: LogStream, line: &str) {
        let Some(left_out) = self.log_rate.take(Instant::now()) else { return };
        if left_out > 0 {
            let told = format!("({left_out} lines were left out: the plugin writes too many)");
            crate::log::plugin(&self.name, LogStream::Error, &told);
        }
        crate::log::plugin(&self.name, stream, line);
    }
}
