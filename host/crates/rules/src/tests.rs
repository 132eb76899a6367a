//! Tests of whole rules: what is refused, what a condition means, and what the rules decide.

mod counted;
mod deciding;
mod meaning;
mod problems;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctwarden_net::Protocol;

use crate::flow::{Ends, Flow, Kind, Listed, Source, Volume};
use crate::returns::Memory;
use crate::rules::Rules;

/// A new TCP flow from 192.0.2.1:40000 to 198.51.100.1:443, with every field.
pub(super) fn flow() -> Flow {
    let (src, dst) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
    Flow {
        kind: Kind::New,
        id: 1,
        zone: 3,
        protocol: Protocol::TCP,
        original: Ends { src, dst, src_port: 40_000, dst_port: 443 },
        reply: Ends { src: dst, dst: src, src_port: 443, dst_port: 40_000 },
        status: Some(0b1110),
        state: Some(3),
        timeout: Some(120),
        mark: Some(0x12),
        original_volume: Some(Volume { packets: 3, bytes: 400 }),
        reply_volume: Some(Volume { packets: 2, bytes: 1000 }),
        started: Some(NOW - 90 * SECOND),
        stopped: None,
        now: NOW,
    }
}

/// 1 January 2026, 00:00 UTC, a Thursday.
pub(super) const NOW: u64 = 1_767_225_600 * SECOND;
pub(super) const SECOND: u64 = 1_000_000_000;

/// Values of a flow, and sets by the index of their lookup.
#[derive(Default)]
pub(super) struct World {
    pub(super) helper: Option<String>,
    pub(super) labels: Option<u128>,
    pub(super) listed: BTreeMap<usize, Option<String>>,
}

impl Source for World {
    fn turn_to(&mut self, _: usize) {}

    fn helper(&mut self) -> Option<String> {
        self.helper.clone()
    }

    fn labels(&mut self) -> Option<u128> {
        self.labels
    }

    fn look_up(&mut self, lookup: usize) -> Listed<'_> {
        match self.listed.get(&lookup) {
            None => Listed::Unknown,
            Some(None) => Listed::No,
            Some(Some(value)) => Listed::With(value),
        }
    }
}

/// Memory without a host: each value with the time at which it is removed.
#[derive(Clone, Default)]
pub(super) struct Remembered {
    pub(super) now: u64,
    values: BTreeMap<String, (Vec<u8>, u64)>,
}

impl Memory for Remembered {
    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        self.values.get(key).filter(|(_, until)| self.now < *until).map(|(value, _)| value.clone())
    }

    fn set(&mut self, key: &str, value: &[u8], seconds: u32) -> Result<(), String> {
        self.values.insert(key.to_owned(), (value.to_vec(), self.now + u64::from(seconds) * SECOND));
        Ok(())
    }
}

/// Reads a file of rules in which every set exists.
pub(super) fn rules(text: &str) -> Rules {
    crate::file::read(text, &|_| Ok(())).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Reads one rule with this condition.
pub(super) fn when(condition: &str) -> Rules {
    rules(&format!("[[rule]]\nname = \"r\"\nwhen = '''{condition}'''\nthen = \"log\"\n"))
}
