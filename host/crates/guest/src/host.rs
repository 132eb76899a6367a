//! The services that a running plugin may call: the imports of the WIT, as a trait over the model's values.
//!
//! The program implements the trait with its sockets, its address sets and its store, and does not need wasmtime for
//! it. The same trait serves every interface version.

use std::net::IpAddr;
use std::sync::Arc;

use ctwarden_model::{
    COUNTER_NAME_BYTES, CounterKey, CounterSpec, Flow, FlowKey, PrefixMap, SetName, TableStatistics, text,
};

/// The stream to which a plugin wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogStream {
    Output,
    Error,
}

/// Answers one plugin's calls. The thread that called the [`Instance`](crate::Instance) calls these methods, and the
/// time that they take counts as the plugin's.
pub trait Host: Send {
    /// Returns the whole entry as the kernel has it now, or `None` if it is gone or replaced (`details.get`).
    fn get(&mut self, key: &FlowKey) -> Option<Flow>;

    /// Returns for each address the value of the longest prefix that contains it (`sets.lookup`): as many answers as
    /// addresses.
    ///
    /// # Errors
    /// The set is unknown or not granted. The plugin gets the text.
    fn lookup(&mut self, set: &SetName, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, String>;

    /// Returns the current networks of a set, for a filter that names it (`filter.sets`).
    ///
    /// # Errors
    /// As [`Host::lookup`]. The text becomes the refusal of the verdict.
    fn set(&mut self, set: &SetName) -> Result<Arc<PrefixMap<Arc<str>>>, String>;

    /// Returns the fill level of the table, or `None` if the kernel does not report it (`table.read`).
    fn table(&mut self) -> Option<TableStatistics>;

    /// Returns a value of the plugin's lasting memory (`memory.get`).
    fn memory_get(&mut self, key: &str) -> Option<Vec<u8>>;

    /// Stores a value for `lifetime` seconds, or until it is removed if `None` (`memory.set`).
    ///
    /// # Errors
    /// The quota is used up or the key is too long. The plugin gets the text.
    fn memory_set(&mut self, key: &str, value: Vec<u8>, lifetime: Option<u32>) -> Result<(), String>;

    /// Removes a value of the plugin's memory (`memory.remove`).
    fn memory_remove(&mut self, key: &str);

    /// Returns the keys with this prefix, in order of their bytes (`memory.keys`).
    fn memory_keys(&mut self, beginning: &str) -> Vec<String>;

    /// Opens the counters of the subscription, after `configure` and before any other call. Their specifications are
    /// valid, and each has a name of its own.
    fn open_counters(&mut self, _counters: &[CounterSpec]) {}

    /// Adds amounts to keys of a counter (`counters.add-all`). Returns the sums, as many as additions.
    ///
    /// # Errors
    /// There is no such counter of sums, or a key is too long. The plugin gets the text.
    fn counter_add(&mut self, counter: &str, _additions: &[(CounterKey, u64)]) -> Result<Vec<u64>, String> {
        Err(no_counter(counter))
    }

    /// Notes values of keys of a counter (`counters.add-all-distinct`). Returns the numbers of distinct values, as many
    /// as additions.
    ///
    /// # Errors
    /// There is no such counter of distinct values, or a key or a value is too long.
    fn counter_see(&mut self, counter: &str, _additions: &[(CounterKey, CounterKey)]) -> Result<Vec<u64>, String> {
        Err(no_counter(counter))
    }

    /// Returns the value of a key (`counters.value`).
    ///
    /// # Errors
    /// There is no such counter, or the key is too long.
    fn counter_value(&mut self, counter: &str, _key: &CounterKey) -> Result<u64, String> {
        Err(no_counter(counter))
    }

    /// Returns the keys with the largest values (`counters.largest`), at most `most`.
    ///
    /// # Errors
    /// There is no such counter.
    fn counter_largest(&mut self, counter: &str, _most: usize) -> Result<Vec<(CounterKey, u64)>, String> {
        Err(no_counter(counter))
    }

    /// Forgets a key (`counters.reset`).
    ///
    /// # Errors
    /// There is no such counter, or the key is too long.
    fn counter_reset(&mut self, counter: &str, _key: &CounterKey) -> Result<(), String> {
        Err(no_counter(counter))
    }

    /// Logs a line that the plugin wrote: without its line end, without control characters, and at most
    /// [`LOG_LINE_BYTES`](crate::LOG_LINE_BYTES) long.
    fn log(&mut self, stream: LogStream, line: &str);
}

/// The error for a counter that is not open.
#[must_use]
pub fn no_counter(name: &str) -> String {
    let name: String = text::line(name).chars().take(COUNTER_NAME_BYTES).collect();
    format!("there is no counter \"{name}\"; name it in subscription.counters, and use it after configure has returned")
}

/// A host without any services, for instances that are used once and dropped.
pub(crate) struct NoHost;

impl Host for NoHost {
    fn get(&mut self, _: &FlowKey) -> Option<Flow> {
        None
    }

    fn lookup(&mut self, _: &SetName, _: &[IpAddr]) -> Result<Vec<Option<String>>, String> {
        Err("describe has no sets".to_owned())
    }

    fn set(&mut self, _: &SetName) -> Result<Arc<PrefixMap<Arc<str>>>, String> {
        Err("describe has no sets".to_owned())
    }

    fn table(&mut self) -> Option<TableStatistics> {
        None
    }

    fn memory_get(&mut self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn memory_set(&mut self, _: &str, _: Vec<u8>, _: Option<u32>) -> Result<(), String> {
        Err("describe has no memory".to_owned())
    }

    fn memory_remove(&mut self, _: &str) {}

    fn memory_keys(&mut self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn log(&mut self, _: LogStream, _: &str) {}
}
