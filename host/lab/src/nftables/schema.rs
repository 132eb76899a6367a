//! The changes that make tables, chains, sets and rules.
//!
//! They are plain values, put into one transaction by the caller, so that a rule set is there wholly or not at all.

use ctwarden_model::Family;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Hook, HookNumber, InetHookNumber, NfTablesMessage, RuleAttribute, RuleMessage,
    SetAttribute, SetFlags, SetMessage, TableAttribute, TableMessage,
};

use super::{Change, Rule};

/// Numbers of key types in `nft` (its `enum datatypes`), which the kernel keeps for it, and their lengths.
const fn key(family: Family) -> (u32, u32) {
    match family {
        Family::Ipv4 => (7, 4),
        Family::Ipv6 => (8, 16),
    }
}

/// `add table`.
pub(crate) fn add_table(table: &str) -> Change {
    let attributes = vec![TableAttribute::Name(table.to_owned())];
    Change { message: NfTablesMessage::NewTable(TableMessage { attributes }), flags: NLM_F_CREATE }
}

/// `add chain` with `type filter hook forward priority filter`, where packets are accepted at its end.
pub(crate) fn add_base_chain(table: &str, name: &str) -> Change {
    let attributes = vec![
        ChainAttribute::Table(table.to_owned()),
        ChainAttribute::Name(name.to_owned()),
        ChainAttribute::Hook(vec![
            Hook::Number(HookNumber::Inet(InetHookNumber::Forward)),
            // NF_IP_PRI_FILTER.
            Hook::Priority(0),
        ]),
        ChainAttribute::Type("filter".to_owned()),
    ];
    Change { message: NfTablesMessage::NewChain(ChainMessage { attributes }), flags: NLM_F_CREATE }
}

/// `add chain`: one that packets only come to by a jump.
pub(crate) fn add_chain(table: &str, name: &str) -> Change {
    let attributes = vec![ChainAttribute::Table(table.to_owned()), ChainAttribute::Name(name.to_owned())];
    Change { message: NfTablesMessage::NewChain(ChainMessage { attributes }), flags: NLM_F_CREATE }
}

/// `add set` with `flags interval, timeout`. The kernel refuses it if the set exists. `number` tells the sets of one transaction
/// apart.
pub(crate) fn add_set(table: &str, name: &str, family: Family, number: u32) -> Change {
    let (key_type, key_bytes) = key(family);
    let attributes = vec![
        SetAttribute::Table(table.to_owned()),
        SetAttribute::Name(name.to_owned()),
        SetAttribute::Flags(SetFlags::Interval | SetFlags::Timeout),
        SetAttribute::KeyType(key_type),
        SetAttribute::KeyLen(key_bytes),
        SetAttribute::Id(number),
    ];
    Change { message: NfTablesMessage::NewSet(SetMessage { attributes }), flags: NLM_F_CREATE | NLM_F_EXCL }
}

/// `add rule`, behind those that are there.
pub(crate) fn add_rule(table: &str, chain: &str, rule: &Rule) -> Change {
    let attributes = vec![
        RuleAttribute::Table(table.to_owned()),
        RuleAttribute::Chain(chain.to_owned()),
        RuleAttribute::Expressions(rule.expressions()),
    ];
    Change { message: NfTablesMessage::NewRule(RuleMessage { attributes }), flags: NLM_F_CREATE | NLM_F_APPEND }
}
