//! `per`, `count`, `bytes`, `packets`, `distinct` and `within`: how much of something within how much time.

use std::net::IpAddr;

use ctwarden_net::Prefix;
use serde_json::{Map, Value};

use crate::counters::{Counter, CounterKind, Key};
use crate::field::Address;
use crate::flow::Flow;
use crate::reader::{Reader, shown};
use crate::suggest::choices;

/// The keys that this file reads.
pub(crate) const KEYS: [&str; 6] = ["per", "count", "bytes", "packets", "distinct", "within"];

/// Longest window of the host's counters: a day.
const LONGEST: u32 = 86_400;
/// From this number of different values on, the host's counters stand still.
const DISTINCT: u64 = 1_024;

/// What the flows of one counter have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// The sender of the first packet.
    Source,
    /// The receiver of the first packet, before NAT.
    Destination,
    /// The network of the sender or of the receiver.
    Network {
        /// Which address.
        address: Address,
        /// Length of IPv4 networks.
        ipv4: u8,
        /// Length of IPv6 networks.
        ipv6: u8,
    },
    /// Destination address, protocol and destination port.
    Service,
    /// Sender and receiver of the first packet.
    Pair,
}

impl Per {
    /// Returns the key of the flow's counter.
    #[must_use]
    pub fn key(self, flow: &Flow) -> Key {
        let ends = &flow.original;
        match self {
            Self::Source => Key::Address(ends.src),
            Self::Destination => Key::Address(ends.dst),
            Self::Network { address, ipv4, ipv6 } => {
                let address = address.of(flow);
                Key::Network(Prefix::around(address, if address.is_ipv4() { ipv4 } else { ipv6 }))
            }
            Self::Service => Key::Service(ends.dst, flow.protocol.0, ends.dst_port),
            Self::Pair => Key::Pair(ends.src, ends.dst),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// New flows.
    Count,
    /// Bytes of both directions.
    Bytes,
    /// Packets of both directions.
    Packets,
    /// Different values of a field of new flows.
    Distinct(DistinctOf),
}

/// The field whose different values are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistinctOf {
    /// Sender of the first packet.
    Src,
    /// Receiver of the first packet.
    Dst,
    /// Port of the sender.
    SrcPort,
    /// Port of the receiver.
    DstPort,
    /// Protocol.
    Protocol,
    /// Receiver, protocol and port of the receiver.
    Service,
}

const FIELDS: [(&str, DistinctOf); 6] = [
    ("src", DistinctOf::Src),
    ("dst", DistinctOf::Dst),
    ("src-port", DistinctOf::SrcPort),
    ("dst-port", DistinctOf::DstPort),
    ("protocol", DistinctOf::Protocol),
    ("service", DistinctOf::Service),
];

impl DistinctOf {
    /// Returns the value of the flow. `None` if the flow has no ports.
    #[must_use]
    pub fn value(self, flow: &Flow) -> Option<Key> {
        let ends = &flow.original;
        let port = |port: u16| {
            flow.protocol.has_ports().then_some(Key::Service(IpAddr::from([0, 0, 0, 0]), flow.protocol.0, port))
        };
        match self {
            Self::Src => Some(Key::Address(ends.src)),
            Self::Dst => Some(Key::Address(ends.dst)),
            Self::SrcPort => port(ends.src_port),
            Self::DstPort => port(ends.dst_port),
            Self::Protocol => Some(Key::Service(IpAddr::from([0, 0, 0, 0]), flow.protocol.0, 0)),
            Self::Service => Some(Key::Service(ends.dst, flow.protocol.0, ends.dst_port)),
        }
    }
}

/// A threshold: the rule applies to a flow if this much was counted for its key within the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// What the flows of one counter have in common.
    pub per: Per,
    /// What is counted.
    pub measure: Measure,
    /// From this number on, the rule applies.
    pub least: u64,
    /// The counter: its name is that of the rule.
    pub counter: Counter,
}

/// Reads the threshold of a rule. `None` if the rule has none, or if it has a mistake.
pub(crate) fn read(reader: &mut Reader, table: &Map<String, Value>, name: &str) -> Option<Threshold> {
    let per = reader.key(table, "per", per);
    let count = reader.key(table, "count", |reader, value| reader.number(value, 1, u64::MAX));
    let bytes = reader.key(table, "bytes", bytes);
    let packets = reader.key(table, "packets", |reader, value| reader.number(value, 1, u64::MAX));
    let distinct = reader.key(table, "distinct", distinct);
    let within = reader.key(table, "within", Reader::seconds);
    let given: Vec<&str> =
        ["count", "bytes", "packets", "distinct"].into_iter().filter(|key| table.contains_key(*key)).collect();
    match given.as_slice() {
        [] if table.contains_key("per") || table.contains_key("within") => {
            reader.note("per and within need one of count, bytes, packets, distinct; add it, for example count = 100");
            return None;
        }
        [] => return None,
        [_] => {}
        [first, second, ..] => {
            reader.note(format!("{first} and {second} cannot be in one rule; write two rules"));
            return None;
        }
    }
    for (key, what) in [("per", "per = \"source\""), ("within", "within = \"10s\"")] {
        if !table.contains_key(key) {
            reader.note(format!("{} needs {key}; add for example {what}", given.concat()));
        }
    }
    let window = within?;
    if window > LONGEST {
        reader.note(format!("within is longer than a day, the longest window; it is {window} seconds"));
        return None;
    }
    let (measure, least) = match (count, bytes, packets, distinct) {
        (Some(count), ..) => (Measure::Count, count),
        (_, Some(bytes), ..) => (Measure::Bytes, bytes),
        (_, _, Some(packets), _) => (Measure::Packets, packets),
        (_, _, _, Some((of, count))) => (Measure::Distinct(of), count),
        (None, None, None, None) => return None,
    };
    let kind = match measure {
        Measure::Distinct(_) => CounterKind::Distinct,
        Measure::Count | Measure::Bytes | Measure::Packets => CounterKind::Sum,
    };
    Some(Threshold { per: per?, measure, least, counter: Counter { name: name.to_owned(), kind, window } })
}

fn bytes(reader: &mut Reader, value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => {
            let read = crate::duration::bytes(text);
            reader.keep(read)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            reader.number(value, 1, u64::MAX)
        }
    }
}

fn distinct(reader: &mut Reader, value: &Value) -> Option<(DistinctOf, u64)> {
    let table = reader.table(value)?;
    reader.only(table, &["of", "count"]);
    let of = reader.key(table, "of", |reader, value| {
        let word = reader.text(value)?;
        let found = FIELDS.iter().find(|(name, _)| *name == word).map(|(_, of)| *of);
        if found.is_none() {
            let known = FIELDS.map(|(name, _)| name);
            let choices = choices(word, &known, "write one of");
            reader.note(format!("\"{word}\" cannot be counted{choices}"));
        }
        found
    });
    let count = reader.key(table, "count", |reader, value| reader.number(value, 2, DISTINCT));
    for key in ["of", "count"] {
        if !table.contains_key(key) {
            reader.note(format!("{key} is missing; write for example distinct = {{ of = \"dst-port\", count = 20 }}"));
        }
    }
    Some((of?, count?))
}

fn per(reader: &mut Reader, value: &Value) -> Option<Per> {
    let words = ["source", "destination", "service", "pair"];
    if let Value::String(word) = value {
        return match word.as_str() {
            "source" => Some(Per::Source),
            "destination" => Some(Per::Destination),
            "service" => Some(Per::Service),
            "pair" => Some(Per::Pair),
            _ => {
                let choices = choices(word, &words, "write one of");
                reader.note(format!(
                    "\"{word}\" is unknown{choices}, or {{ network = \"source\", ipv4 = 24, ipv6 = 56 }}"
                ));
                None
            }
        };
    }
    let Some(table) = value.as_object() else {
        reader.note(format!("{} is neither one of {} nor a table with network", shown(value), words.join(", ")));
        return None;
    };
    reader.only(table, &["network", "ipv4", "ipv6"]);
    let address = reader.key(table, "network", |reader, value| match reader.text(value)? {
        "source" => Some(Address::OriginalSrc),
        "destination" => Some(Address::OriginalDst),
        other => {
            reader.note(format!("\"{other}\" is unknown; write \"source\" or \"destination\""));
            None
        }
    });
    if !table.contains_key("network") {
        reader.note("network is missing; write for example { network = \"source\", ipv4 = 24, ipv6 = 56 }");
    }
    let length = |reader: &mut Reader, key, most, otherwise| match table.contains_key(key) {
        true => reader
            .key(table, key, |reader, value| reader.number(value, 1, most))
            .and_then(|length| u8::try_from(length).ok()),
        false => Some(otherwise),
    };
    let ipv4 = length(reader, "ipv4", 32, 32);
    let ipv6 = length(reader, "ipv6", 128, 64);
    Some(Per::Network { address: address?, ipv4: ipv4?, ipv6: ipv6? })
}
