//! The kernel's table as Debian's `conntrack` reports it, and entries made with that program.
//!
//! A second program has to confirm what the daemon claims to have done. This module reads only the parts of the listing
//! that the scenarios need.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;

use crate::command::{Said, line};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// The sender's port, for protocols with ports.
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    pub packets: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `tcp`, `udp`, `icmp`, `icmpv6`.
    pub protocol: String,
    /// The seconds until the entry expires.
    pub timeout: u32,
    /// The protocol's state, such as `ESTABLISHED`.
    pub state: Option<String>,
    /// The tuple of the original direction, which the first packet took.
    pub original: Way,
    /// The tuple of the reply direction.
    pub reply: Way,
    /// Flags such as `UNREPLIED` and `ASSURED`.
    pub flags: Vec<String>,
    pub mark: u32,
    /// The zone of both directions.
    pub zone: u16,
    pub id: u32,
    pub line: String,
}

impl Entry {
    /// Whether the original direction has this port, as source or destination.
    #[must_use]
    pub fn has_port(&self, port: u16) -> bool {
        self.original.src_port == Some(port) || self.original.dst_port == Some(port)
    }

    /// Whether any of the four addresses is this one.
    #[must_use]
    pub fn has_address(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().expect("an address");
        [&self.original, &self.reply].iter().any(|way| way.src == address || way.dst == address)
    }
}

/// All entries of the thread's namespace, of both families.
#[must_use]
pub fn table() -> Vec<Entry> {
    Said::of(line("conntrack", "-L -o id"), "").good().lines().map(entry).collect()
}

/// The number of entries of the expectation table.
#[must_use]
pub fn expectations() -> usize {
    Said::of(line("conntrack", "-L expect"), "").good().lines().count()
}

/// Makes an entry from the options of `conntrack -I`.
pub fn insert(options: &str) {
    let _ = Said::of(line("conntrack", &format!("-I {options}")), "").good();
}

/// Makes many entries in one run of the program, from one line of options each.
pub fn insert_all(entries: impl Iterator<Item = String>) {
    let lines: String = entries.map(|options| format!("-I {options}\n")).collect();
    let mut command = Command::new("conntrack");
    command.args(["-R", "-"]);
    let _ = Said::of(command, &lines).good();
}

/// Changes entries, by the options of `conntrack -U`.
pub fn update(options: &str) {
    let _ = Said::of(line("conntrack", &format!("-U {options}")), "").good();
}

/// Removes entries, by the options of `conntrack -D`.
pub fn remove(options: &str) {
    let _ = Said::of(line("conntrack", &format!("-D {options}")), "").good();
}

fn entry(line: &str) -> Entry {
    let words: Vec<&str> = line.split_whitespace().collect();
    let flags = words.iter().filter_map(|word| word.strip_prefix('[')?.strip_suffix(']')).map(str::to_owned).collect();
    // The original direction begins with the first "src=", the reply with the second. Fields of the whole entry come
    // last.
    let mut directions: [BTreeMap<&str, &str>; 2] = [BTreeMap::new(), BTreeMap::new()];
    let mut begun = 0;
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        begun += usize::from(name == "src");
        directions[usize::from(begun > 1)].entry(name).or_insert(value);
    }
    // An ICMP entry has ids of both directions before the entry's own id, which comes last.
    let last_id = words.iter().rev().find_map(|word| word.strip_prefix("id="));
    let number = |name: &str| directions[1].get(name).map_or(0, |value| value.parse().expect("a number"));
    // "tcp 6 431999 ESTABLISHED src=…", "udp 17 29 src=…"
    let timeout = words.get(2).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no timeout: {line}"));
    let state = words.get(3).filter(|word| !word.contains('=') && !word.starts_with('['));
    let [original, reply] = &directions;
    Entry {
        protocol: words[0].to_owned(),
        timeout,
        state: state.map(|&word| word.to_owned()),
        original: way(original, line),
        reply: way(reply, line),
        flags,
        mark: number("mark"),
        zone: u16::try_from(number("zone")).expect("a zone"),
        id: last_id.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {line}")),
        line: line.to_owned(),
    }
}

fn way(words: &BTreeMap<&str, &str>, line: &str) -> Way {
    let address = |name: &str| -> IpAddr {
        words.get(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {line}"))
    };
    let port = |name: &str| words.get(name).map(|value| value.parse().expect("a port"));
    Way {
        src: address("src"),
        dst: address("dst"),
        src_port: port("sport"),
        dst_port: port("dport"),
        packets: words.get("packets").map(|value| value.parse().expect("a number")),
    }
}
