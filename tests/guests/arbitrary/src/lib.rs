//! Returns the verdicts that the bytes of a message encode: every value that the interface can carry, in range or not.
//!
//! A fuzzer chooses the bytes, so that each value crosses the sandbox in time. A message carries text, so each
//! character stands for the byte with its number.

#[path = "../../plugin.rs"]
mod plugin;

mod bytes;
mod value;

use bytes::Bytes;
use plugin::bindings::exports::ctwarden::conntrack::policy::{Batch, Descriptor, Guest, Reply, Subscription, Verdict};

pub struct Arbitrary;

impl Guest for Arbitrary {
    fn describe() -> Descriptor {
        plugin::descriptor()
    }

    fn configure(_now: u64, _configuration: String) -> Result<Subscription, String> {
        Ok(plugin::everything())
    }

    fn judge(_batch: Batch) -> Vec<Verdict> {
        Vec::new()
    }

    fn tick(_now: u64) -> Vec<Verdict> {
        Vec::new()
    }

    fn message(_now: u64, text: String) -> Result<Reply, String> {
        let mut bytes = Bytes::of(&text);
        let verdicts = bytes.list(value::verdict);
        Ok(Reply { text: String::new(), verdicts })
    }

    fn stop() {}
}

plugin::export_plugin!(Arbitrary);
