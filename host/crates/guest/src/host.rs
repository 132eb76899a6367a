//! What plugins may ask of the host while they run: the imports of the WIT, as a trait over the model's values.
//!
//! The program answers it from its sockets, its address sets and its store, and never meets wasmtime; the same trait
//! serves every interface version.

use std::net::IpAddr;
use std::sync::Arc;

use ctwarden_model::{Flow, FlowKey, PrefixMap, SetName, TableStatistics};

/// Which of its two streams a plugin wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogStream {
    Output,
    Error,
}

/// Answers one plugin's calls. It is called on the thread that called the [`Instance`](crate::Instance), and the time
/// it takes counts as the plugin's.
pub trait Host: Send {
    /// The whole entry as the kernel has it now; none where it is gone or replaced (`details.get`).
    fn get(&mut self, key: &FlowKey) -> Option<Flow>;

    /// For each address the value of the longest prefix that holds it (`sets.lookup`), as many answers as addresses.
    ///
    /// # Errors
    /// The set is unknown or not granted; the text goes to the plugin.
    fn lookup(&mut self, set: &SetName, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, String>;

    /// The networks of a set as they are now, for a filter that names it (`filter.sets`).
    ///
    /// # Errors
    /// As [`Host::lookup`]; the text becomes the verdict's refusal.
    fn set(&mut self, set: &SetName) -> Result<Arc<PrefixMap<String>>, String>;

    /// How full the table is; none where the kernel would not say (`table.read`).
    fn table(&mut self) -> Option<TableStatistics>;

    /// A value of the plugin's lasting memory (`memory.get`).
    fn memory_get(&mut self, key: &str) -> Option<Vec<u8>>;

    /// Keeps a value (`memory.set`).
    ///
    /// # Errors
    /// The quota is used up or the key is too long; the text goes to the plugin.
    fn memory_set(&mut self, key: &str, value: Vec<u8>) -> Result<(), String>;

    /// Forgets a value (`memory.remove`).
    fn memory_remove(&mut self, key: &str);

    /// Keys that begin so, in order of their bytes (`memory.keys`).
    fn memory_keys(&mut self, beginning: &str) -> Vec<String>;

    /// A line that the plugin wrote, without its end, without control characters and at most
    /// [`LOG_LINE_BYTES`](crate::LOG_LINE_BYTES) long.
    fn log(&mut self, stream: LogStream, line: &str);
}

/// Answers nothing: what a throw-away instance is given.
pub(crate) struct NoHost;

impl Host for NoHost {
    fn get(&mut self, _: &FlowKey) -> Option<Flow> {
        None
    }

    fn lookup(&mut self, _: &SetName, _: &[IpAddr]) -> Result<Vec<Option<String>>, String> {
        Err("describe has no sets".to_owned())
    }

    fn set(&mut self, _: &SetName) -> Result<Arc<PrefixMap<String>>, String> {
        Err("describe has no sets".to_owned())
    }

    fn table(&mut self) -> Option<TableStatistics> {
        None
    }

    fn memory_get(&mut self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn memory_set(&mut self, _: &str, _: Vec<u8>) -> Result<(), String> {
        Err("describe has no memory".to_owned())
    }

    fn memory_remove(&mut self, _: &str) {}

    fn memory_keys(&mut self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn log(&mut self, _: LogStream, _: &str) {}
}
