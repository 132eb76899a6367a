//! Lists in every format: what is read, what is refused, and in which words.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod columns;
mod databases;
mod hostile_databases;
mod ipsets;
mod json;
mod nftables;
mod plain;
mod properties;
mod published;
mod recognising;
mod refusing;

use std::sync::Arc;

use ctwarden_feeds::{Format, List, Reading, parse};

/// A list that must be good.
#[track_caller]
fn read(text: &str, reading: &Reading) -> List {
    parse(text.as_bytes(), reading).unwrap_or_else(|error| panic!("{text}\n{}", error.told("l")))
}

/// Why a list is refused.
#[track_caller]
fn refused(text: impl AsRef<[u8]>, reading: &Reading) -> String {
    parse(text.as_ref(), reading).expect_err("the list is good").told("l")
}

/// Each network with its value and, if it ends, its seconds: `192.0.2.0/24 value 60s`.
fn told(list: &List) -> Vec<String> {
    let tell = |(network, value): (ctwarden_model::Prefix, &Arc<str>)| {
        let value = if value.is_empty() { String::new() } else { format!(" {value}") };
        let end = list.ends().get(&network).map(|end| format!(" {}s", end.as_secs())).unwrap_or_default();
        format!("{network}{value}{end}")
    };
    list.networks().iter().map(tell).collect()
}

fn any() -> Reading {
    Reading::default()
}

fn as_format(format: Format) -> Reading {
    Reading::default().format(format)
}
