//! nftables rules, and the contents of sets and counters as `nft` reports them.
//!
//! Blocks end up in sets. A counter shows what no listing shows: whether a packet of a flow met a rule.

use std::net::IpAddr;
use std::process::Command;

use serde_json::Value;

use crate::command::Said;

/// One element of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The address, or the first address of the network.
    pub address: IpAddr,
    /// The length of the prefix in bits.
    pub length: u8,
    /// The lifetime in seconds that the element was given.
    pub lifetime: Option<u64>,
}

/// Loads a ruleset in the syntax of `nft -f`.
pub fn load(ruleset: &str) {
    try_load(ruleset).unwrap_or_else(|why| panic!("{why}\n{ruleset}"));
}

/// Loads a ruleset that the kernel may not support completely.
///
/// # Errors
/// The first line that `nft` wrote to standard error.
pub fn try_load(ruleset: &str) -> Result<(), String> {
    // Inside braces, nft wants a line break or a semicolon before the closing brace.
    let mut command = Command::new("nft");
    command.args(["-f", "-"]);
    let said = Said::of(command, &format!("{}\n", ruleset.replace('}', "\n}")));
    if said.is_good() { Ok(()) } else { Err(said.err.lines().next().unwrap_or_default().to_owned()) }
}

fn list(arguments: &[&str]) -> Value {
    let mut command = Command::new("nft");
    command.args(["-j", "list"]).args(arguments);
    serde_json::from_str(&Said::of(command, "").good()).expect("nft writes JSON")
}

fn member<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let items = answer["nftables"].as_array().expect("nft lists under one name");
    items.iter().find_map(|item| item.get(name)).unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// The elements of a set, which is named by family, table and name.
#[must_use]
pub fn elements(set: &str) -> Vec<Element> {
    let answer = list(&[&["set"], set.split(' ').collect::<Vec<_>>().as_slice()].concat());
    set_elements(member(&answer, "set"))
}

/// Whether a set contains an address, by itself or within a network or range. The set is named by family, table and
/// name.
#[must_use]
pub fn holds(set: &str, address: &str) -> bool {
    let mut command = Command::new("nft");
    command.args(["get", "element"]).args(set.split(' ')).arg(format!("{{ {address} }}"));
    Said::of(command, "").is_good()
}

/// The elements of a set as `nft -j` writes it.
#[must_use]
pub fn set_elements(set: &Value) -> Vec<Element> {
    set["elem"].as_array().into_iter().flatten().map(element).collect()
}

fn element(written: &Value) -> Element {
    let (value, lifetime) = match written.get("elem") {
        Some(elem) => (&elem["val"], elem["timeout"].as_u64()),
        None => (written, None),
    };
    let (address, length) = match value.get("prefix") {
        Some(prefix) => (&prefix["addr"], prefix["len"].as_u64()),
        None => (value, None),
    };
    let address: IpAddr = address.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{written}"));
    let whole = if address.is_ipv4() { 32 } else { 128 };
    Element { address, length: u8::try_from(length.unwrap_or(whole)).expect("a prefix length"), lifetime }
}

/// The number of packets of a named counter. The counter is named by family, table and name.
#[must_use]
pub fn counter(name: &str) -> u64 {
    let answer = list(&[&["counter"], name.split(' ').collect::<Vec<_>>().as_slice()].concat());
    member(&answer, "counter")["packets"].as_u64().expect("a counter counts packets")
}
