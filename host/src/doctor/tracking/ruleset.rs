//! What the rules of this namespace use of connection tracking.
//!
//! A rule with one of these expressions switches tracking on in its family when it is loaded, wherever it stands, and
//! one that sets labels makes room for them.

use std::fs;

use ctwarden_model::Family;
use serde::Serialize;

use super::super::netfilter::{Question, Told, attributes, dump, find, text};
use super::super::per_family::PerFamily;

/// `NFNL_SUBSYS_NFTABLES` and `NFT_MSG_GETRULE` (linux/netfilter/nf_tables.h).
const GET_RULE: u16 = 10 << 8 | 7;
/// `NFTA_RULE_EXPRESSIONS`, `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
/// `NFTA_CT_KEY` and `NFTA_CT_SREG`; `NFT_CT_LABELS`.
const CT_KEY: u16 = 2;
const CT_SOURCE: u16 = 4;
const CT_LABELS: u32 = 13;
/// `NFTA_MATCH_NAME` and `NFTA_TARGET_NAME`: an extension of iptables in a rule of nftables.
const EXTENSION_NAME: u16 = 1;

/// Expressions of nftables that call `nf_ct_netns_get` (net/netfilter/nft_*.c).
const EXPRESSIONS: [&str; 7] = ["ct", "nat", "masq", "redir", "connlimit", "synproxy", "flow_offload"];
/// Extensions of iptables that do (net/netfilter/xt_*.c, net/ipv4/netfilter/ipt_*.c).
const MATCHES: [&str; 8] =
    ["conntrack", "state", "connmark", "connbytes", "connlimit", "connlabel", "helper", "cluster"];
const TARGETS: [&str; 10] =
    ["CT", "CONNMARK", "CONNSECMARK", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "SYNPROXY", "CLUSTERIP"];

/// How many rules use what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in super::super) struct Rules {
    /// Rules that switch tracking on.
    pub(in super::super) tracking: PerFamily<u32>,
    /// Rules that make room for labels.
    pub(in super::super) labels: u32,
}

impl Rules {
    /// Of nftables; none where they cannot be read.
    pub(super) fn read() -> Option<Self> {
        Some(Self::of(&dump(Question { kind: GET_RULE, family: 0, attributes: Vec::new() })?))
    }

    fn of(rules: &[Told]) -> Self {
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
        }
        sum
    }
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

fn sets_labels(expression: &[u8]) -> bool {
    match parts(expression) {
        ("ct", data) => {
            let key = find(data, CT_KEY).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
            key == Some(CT_LABELS) && find(data, CT_SOURCE).is_some()
        }
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

    fn rule(family: u8, expressions: &[Vec<u8>]) -> Told {
        let table = attribute(1, b"t\0");
        // The kernel marks lists (NLA_F_NESTED).
        Told { family, attributes: [table, attribute(RULE_EXPRESSIONS | 0x8000, &expressions.concat())].concat() }
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
}
