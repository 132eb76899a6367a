//! Writes MaxMind databases for tests (<https://maxmind.github.io/MaxMind-DB/>), so that no foreign file is needed.
//!
//! [`Writer`] writes good databases. [`assemble`] puts any bytes together, for databases that nobody should trust.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test with a wrong network is a test that fails"
)]

mod value;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use self::value::{Value, map, text};

/// Networks that stand for IPv4 addresses. In real databases, they point to the IPv4 networks.
const ALIASES: [(&str, u8); 4] = [("::ffff:0:0", 96), ("2002::", 16), ("2001::", 32), ("64:ff9b::", 96)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// A database that is being written.
#[derive(Debug)]
pub struct Writer {
    kind: String,
    is_ipv6: bool,
    record_size: u16,
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
    /// Values that are in the data section, by their bytes.
    written: BTreeMap<Vec<u8>, usize>,
}

impl Writer {
    /// An empty database of this type, for IPv4 only or for both families.
    #[must_use]
    pub fn new(kind: &str, is_ipv6: bool, record_size: u16) -> Self {
        let nodes = vec![[Record::Empty; 2]];
        Self { kind: kind.to_owned(), is_ipv6, record_size, nodes, data: Vec::new(), written: BTreeMap::new() }
    }

    /// Gives a network, such as `192.0.2.0/24`, a record. Networks within it keep the records that they get later.
    #[must_use]
    pub fn with(mut self, network: &str, value: &Value) -> Self {
        self.insert(network, value);
        self
    }

    /// As [`Writer::with`].
    pub fn insert(&mut self, network: &str, value: &Value) {
        let (address, length) = network.split_once('/').expect("a prefix length");
        self.insert_bits(address.parse().expect("an address"), length.parse().expect("a length"), value);
    }

    /// As [`Writer::with`].
    pub fn insert_bits(&mut self, address: IpAddr, length: u8, value: &Value) {
        let place = value.write(&mut self.data, &mut self.written);
        let (bits, length) = self.in_tree(address, length);
        self.put(bits, length, Record::Data(place));
    }

    /// Lets the networks that stand for IPv4 addresses point to the IPv4 networks.
    #[must_use]
    pub fn with_aliases(mut self) -> Self {
        let mut node = 0;
        for _ in 0..96 {
            node = self.child(node, 0);
        }
        for (address, length) in ALIASES {
            let address: std::net::Ipv6Addr = address.parse().expect("an address");
            self.put(address.to_bits(), length, Record::Node(node));
        }
        self
    }

    fn in_tree(&self, address: IpAddr, length: u8) -> (u128, u8) {
        match (address, self.is_ipv6) {
            (IpAddr::V4(address), false) => (u128::from(address.to_bits()) << 96, length),
            (IpAddr::V4(address), true) => (address.to_bits().into(), length + 96),
            (IpAddr::V6(address), _) => (address.to_bits(), length),
        }
    }

    fn put(&mut self, bits: u128, length: u8, record: Record) {
        let bit = |depth: u8| usize::from(bits << depth >> 127 == 1);
        let mut node = 0;
        for depth in 0..length - 1 {
            node = self.child(node, bit(depth));
        }
        self.nodes[node][bit(length - 1)] = record;
    }

    /// The node of a record; a record without one gets one, and the halves of a network keep its record.
    fn child(&mut self, node: usize, side: usize) -> usize {
        match self.nodes[node][side] {
            Record::Node(child) => child,
            record @ (Record::Empty | Record::Data(_)) => {
                self.nodes.push([record; 2]);
                let child = self.nodes.len() - 1;
                self.nodes[node][side] = Record::Node(child);
                child
            }
        }
    }

    /// The bytes of the file.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let nodes = self.nodes.len();
        let number = |record| match record {
            Record::Empty => nodes,
            Record::Node(node) => node,
            Record::Data(place) => nodes + 16 + place,
        };
        let records: Vec<[usize; 2]> = self.nodes.iter().map(|[zero, one]| [number(*zero), number(*one)]).collect();
        let ip_version = if self.is_ipv6 { 6 } else { 4 };
        assemble(&self.kind, ip_version, self.record_size, &records, &self.data)
    }
}

/// Puts a database together from the numbers of its records and the bytes of its data section.
#[must_use]
pub fn assemble(kind: &str, ip_version: u16, record_size: u16, nodes: &[[usize; 2]], data: &[u8]) -> Vec<u8> {
    let mut file = tree(record_size, nodes);
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let number = |number: usize| Value::U32(number.try_into().expect("a small number"));
    let metadata = map([
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_795_946_400)),
        ("database_type", text(kind)),
        ("description", map([("en", text("a test"))])),
        ("ip_version", Value::U16(ip_version)),
        ("languages", Value::Array(vec![text("en")])),
        ("node_count", number(nodes.len())),
        ("record_size", Value::U16(record_size)),
    ]);
    metadata.write_whole(&mut file);
    file
}

fn tree(record_size: u16, nodes: &[[usize; 2]]) -> Vec<u8> {
    let mut tree = Vec::new();
    for [zero, one] in nodes {
        let [zero, one] = [zero, one].map(|record| u32::try_from(*record).expect("a record of 32 bits").to_be_bytes());
        match record_size {
            24 => {
                tree.extend(&zero[1..]);
                tree.extend(&one[1..]);
            }
            28 => {
                tree.extend(&zero[1..]);
                tree.push(zero[0] << 4 | one[0]);
                tree.extend(&one[1..]);
            }
            _ => {
                tree.extend(zero);
                tree.extend(one);
            }
        }
    }
    tree
}
