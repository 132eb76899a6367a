//! What the rules of this namespace use of connection tracking.
//!
//! A rule with one of these expressions switches tracking on in its family when it is loaded, in whatever chain it is. A
//! rule that sets labels makes room for them. A rule that sets a mask of events prevents entries from sending the other
//! events.

use std::collections::BTreeMap;
use std::fs;

use ctwarden_model::Family;
use serde::Serialize;

use super::super::netfilter::{DumpedObject, ObjectDump, ObjectRequest, attributes, dump, find, text};
use super::super::per_family::PerFamily;

/// `NFNL_SUBSYS_NFTABLES` and `NFT_MSG_GETRULE` (linux/netfilter/nf_tables.h).
const GET_RULE: u16 = 10 << 8 | 7;
/// `NFTA_RULE_EXPRESSIONS`, `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
/// `NFTA_CT_KEY` and `NFTA_CT_SREG`; `NFT_CT_LABELS` and `NFT_CT_EVENTMASK`.
const CT_KEY: u16 = 2;
const CT_SOURCE: u16 = 4;
const CT_LABELS: u32 = 13;
const CT_EVENTS: u32 = 18;
/// `NFTA_IMMEDIATE_DREG`, `NFTA_IMMEDIATE_DATA` and in it `NFTA_DATA_VALUE`.
const IMMEDIATE_DESTINATION: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
/// `NFTA_MATCH_NAME` and `NFTA_TARGET_NAME`: an extension of iptables in a rule of nftables; `NFTA_TARGET_INFO`.
const EXTENSION_NAME: u16 = 1;
const EXTENSION_INFO: u16 = 3;
/// Position of `ct_events` and `exp_events` in `struct xt_ct_target_info` (linux/netfilter/xt_CT.h).
const TARGET_EVENTS: std::ops::Range<usize> = 4..8;
const TARGET_EXPECTATION_EVENTS: std::ops::Range<usize> = 8..12;

/// `IPCT_NEW`, `IPCT_RELATED` (the begin of a flow that was expected) and `IPCT_DESTROY`
/// (linux/netfilter/nf_conntrack_common.h).
const BEGIN_AND_END: u32 = 1 | 1 << 1 | 1 << 2;

/// Expressions of nftables that call `nf_ct_netns_get` (net/netfilter/nft_*.c).
const EXPRESSIONS: [&str; 7] = ["ct", "nat", "masq", "redir", "connlimit", "synproxy", "flow_offload"];
/// Extensions of iptables that call it (net/netfilter/xt_*.c, net/ipv4/netfilter/ipt_*.c).
const MATCHES: [&str; 8] =
    ["conntrack", "state", "connmark", "connbytes", "connlimit", "connlabel", "helper", "cluster"];
const TARGETS: [&str; 10] =
    ["CT", "CONNMARK", "CONNSECMARK", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "SYNPROXY", "CLUSTERIP"];

/// Number of rules for each use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in super::super) struct Rules {
    /// Rules that switch tracking on.
    pub(in super::super) tracking: PerFamily<u32>,
    /// Rules that make room for labels.
    pub(in super::super) labels: u32,
    /// Rules that prevent entries from sending events of their begin or end.
    pub(in super::super) muting: u32,
}

impl Rules {
    /// Reads the rules of nftables; `None` if they cannot be read.
    pub(super) fn read() -> Option<Self> {
        match dump(&ObjectRequest { kind: GET_RULE, family: 0, attributes: Vec::new() }) {
            ObjectDump::All(rules) => Some(Self::of(&rules)),
            ObjectDump::NoSubsystem => Some(Self::default()),
            ObjectDump::Failed => None,
        }
    }

    fn of(rules: &[DumpedObject]) -> Self {
        let mut sum = Self::default();
        for rule in rules {
            let expressions = || attributes(find(&rule.attributes, RULE_EXPRESSIONS).unwrap_or_default());
            let expressions = || expressions().filter(|(kind, _)| *kind == LIST_ELEMENT).map(|(_, value)| value);
            if expressions().any(tracks) {
                // linux/netfilter.h: NFPROTO_INET 1, NFPROTO_IPV4 2, NFPROTO_BRIDGE 7, NFPROTO_IPV6 10.
                let (ipv4, ipv6) = match rule.family {
                    1 | 7 => (1, 1),
                    2 => (1, 0),
                    10 => (0, 1),
                    _ => (0, 0),
                };
                sum.tracking.ipv4 = sum.tracking.ipv4.saturating_add(ipv4);
                sum.tracking.ipv6 = sum.tracking.ipv6.saturating_add(ipv6);
            }
            if expressions().any(sets_labels) {
                sum.labels = sum.labels.saturating_add(1);
            }
            if mutes_by(expressions()) {
                sum.muting = sum.muting.saturating_add(1);
            }
        }
        sum
    }
}

/// Whether a rule, given as a notification, excludes the events of the begin or the end of a flow.
pub(in super::super) fn mutes(rule: &DumpedObject) -> bool {
    Rules::of(std::slice::from_ref(rule)).muting > 0
}

/// Name and data of an expression.
fn parts(expression: &[u8]) -> (&str, &[u8]) {
    let name = find(expression, EXPRESSION_NAME).map(text).unwrap_or_default();
    (name, find(expression, EXPRESSION_DATA).unwrap_or_default())
}

fn tracks(expression: &[u8]) -> bool {
    let (name, data) = parts(expression);
    let extension = || find(data, EXTENSION_NAME).map(text).unwrap_or_default();
    match name {
        "match" => MATCHES.contains(&extension()),
        "target" => TARGETS.contains(&extension()),
        name => EXPRESSIONS.contains(&name),
    }
}

/// A number in network byte order, as netlink sends it.
fn number(data: &[u8], kind: u16) -> Option<u32> {
    find(data, kind).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes)
}

/// A number in host byte order: a register, a structure.
fn in_memory(bytes: Option<&[u8]>) -> Option<u32> {
    bytes.and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
}

/// Whether the expressions of a rule exclude the events of the begin or the end of a flow. A mask that is not part of the
/// rule (because it comes from a map) counts as excluding them.
fn mutes_by<'a>(expressions: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut registers = BTreeMap::new();
    for expression in expressions {
        let mask = match parts(expression) {
            ("immediate", data) => {
                let value = find(data, IMMEDIATE_DATA).and_then(|data| find(data, DATA_VALUE));
                registers.insert(number(data, IMMEDIATE_DESTINATION), in_memory(value));
                continue;
            }
            ("ct", data) if number(data, CT_KEY) == Some(CT_EVENTS) && find(data, CT_SOURCE).is_some() => {
                registers.get(&number(data, CT_SOURCE)).copied().flatten().unwrap_or(0)
            }
            ("target", data) if find(data, EXTENSION_NAME).map(text) == Some("CT") => {
                let info = find(data, EXTENSION_INFO).unwrap_or_default();
                match (in_memory(info.get(TARGET_EVENTS)), in_memory(info.get(TARGET_EXPECTATION_EVENTS))) {
                    // It sets no mask, but a zone or a helper.
                    (Some(0) | None, Some(0) | None) => continue,
                    (events, _) => events.unwrap_or(0),
                }
            }
            _ => continue,
        };
        if mask & BEGIN_AND_END != BEGIN_AND_END {
            return true;
        }
    }
    false
}

fn sets_labels(expression: &[u8]) -> bool {
    match parts(expression) {
        ("ct", data) => number(data, CT_KEY) == Some(CT_LABELS) && find(data, CT_SOURCE).is_some(),
        ("match", data) => find(data, EXTENSION_NAME).map(text) == Some("connlabel"),
        _ => false,
    }
}

/// Names of the tables that iptables-legacy has in this namespace.
pub(super) fn legacy_tables(family: Family) -> Vec<String> {
    let file = match family {
        Family::Ipv4 => "/proc/thread-self/net/ip_tables_names",
        Family::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
    };
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
        let named = attribute(EXPRESSION_NAME, format!("{name}\0").as_bytes());
        attribute(LIST_ELEMENT, &[named, attribute(EXPRESSION_DATA, &data.concat())].concat())
    }

    fn rule(family: u8, expressions: &[Vec<u8>]) -> DumpedObject {
        let table = attribute(1, b"t\0");
        // The kernel marks lists (NLA_F_NESTED).
        DumpedObject {
            family,
            attributes: [table, attribute(RULE_EXPRESSIONS | 0x8000, &expressions.concat())].concat(),
        }
    }

    fn ct(way: u16, key: u32) -> Vec<u8> {
        expression("ct", &[attribute(way, &1_u32.to_be_bytes()), attribute(CT_KEY, &key.to_be_bytes())])
    }

    fn extension(kind: &str, name: &str) -> Vec<u8> {
        expression(kind, &[attribute(EXTENSION_NAME, format!("{name}\0").as_bytes())])
    }

    #[test]
    fn rules_count_for_their_family() {
        let plain = expression("counter", &[]);
        assert_eq!(Rules::of(&[rule(1, &[plain])]), Rules::default());
        let (inet, ip, ip6, netdev) = (1, 2, 10, 5);
        let rules = [
            rule(inet, &[ct(1, 0)]),
            rule(ip, &[expression("counter", &[]), expression("masq", &[])]),
            rule(ip6, &[extension("match", "conntrack"), extension("target", "LOG")]),
            rule(ip6, &[extension("match", "limit")]),
            rule(ip, &[extension("target", "DNAT")]),
            rule(netdev, &[ct(1, 0)]),
        ];
        let found = Rules::of(&rules);
        assert_eq!((found.tracking, found.labels), (PerFamily { ipv4: 3, ipv6: 2 }, 0));
    }

    #[test]
    fn only_setting_labels_makes_room_for_them() {
        assert_eq!(Rules::of(&[rule(1, &[ct(1, CT_LABELS)])]).labels, 0);
        assert_eq!(Rules::of(&[rule(1, &[ct(CT_SOURCE, CT_LABELS)])]).labels, 1);
        assert_eq!(Rules::of(&[rule(1, &[ct(CT_SOURCE, 3)])]).labels, 0);
        assert_eq!(Rules::of(&[rule(2, &[extension("match", "connlabel")])]).labels, 1);
    }

    fn immediate(register: u32, value: u32) -> Vec<u8> {
        let data = attribute(DATA_VALUE, &value.to_ne_bytes());
        let parts =
            [attribute(IMMEDIATE_DESTINATION, &register.to_be_bytes()), attribute(IMMEDIATE_DATA | 0x8000, &data)];
        expression("immediate", &parts)
    }

    fn target(events: u32, expectation_events: u32) -> Vec<u8> {
        let info = [[0; 4], events.to_ne_bytes(), expectation_events.to_ne_bytes(), [0; 4]].concat();
        expression("target", &[attribute(EXTENSION_NAME, b"CT\0"), attribute(EXTENSION_INFO, &info)])
    }

    #[test]
    fn a_mask_without_begin_or_end_mutes() {
        let muting = |expressions: &[Vec<u8>]| Rules::of(&[rule(1, expressions)]).muting;
        let (new, related, destroy, reply) = (1, 2, 4, 8);
        let set = ct(CT_SOURCE, CT_EVENTS);
        assert_eq!(muting(&[immediate(1, new | related | destroy), set.clone()]), 0);
        assert_eq!(muting(&[immediate(1, u32::MAX), set.clone()]), 0);
        for mask in [new, destroy, new | destroy, related | destroy | reply, 0] {
            assert_eq!(muting(&[immediate(1, mask), set.clone()]), 1, "{mask}");
            assert_eq!(muting(&[target(mask, u32::from(mask == 0))]), 1, "{mask}");
        }
        assert_eq!(muting(&[target(0, 0)]), 0, "it sets something else");
        assert_eq!(muting(&[target(new | related | destroy, 0)]), 0);
        // Another register, a register that is written again, and a mask that comes from a map.
        assert_eq!(muting(&[immediate(1, new), immediate(2, 7), set.clone()]), 1);
        assert_eq!(muting(&[immediate(1, new), immediate(1, 7), set.clone()]), 0);
        assert_eq!(muting(&[set]), 1);
        assert_eq!(muting(&[immediate(1, new), ct(1, CT_EVENTS)]), 0, "it only looks");
        assert_eq!(muting(&[immediate(1, new), ct(CT_SOURCE, 3)]), 0, "it sets a mark");
    }
}
