//! The changes that create tables, chains, sets and rules, as values that the caller puts into one transaction.

use ctwarden_model::Family;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Hook, HookNumber, InetHookNumber, NfTablesMessage, RuleAttribute, RuleMessage,
    SetAttribute, SetFlags, SetMessage, TableAttribute, TableMessage,
};

use super::{Rule, RuleChange};

/// Number of the key type in `nft` (`enum datatypes`), and length of the key. The kernel only stores the number.
const fn key(family: Family) -> (u32, u32) {
    match family {
        Family::Ipv4 => (7, 4),
        Family::Ipv6 => (8, 16),
    }
}

/// The change of `add table`.
pub(crate) fn add_table(table: &str) -> RuleChange {
    let attributes = vec![TableAttribute::Name(table.to_owned())];
    RuleChange { message: NfTablesMessage::NewTable(TableMessage { attributes }), flags: NLM_F_CREATE }
}

/// The change of `add chain` with `type filter hook forward priority filter; policy accept`.
pub(crate) fn add_base_chain(table: &str, name: &str) -> RuleChange {
    let attributes = vec![
        ChainAttribute::Table(table.to_owned()),
        ChainAttribute::Name(name.to_owned()),
        ChainAttribute::Hook(vec![
            Hook::Number(HookNumber::Inet(InetHookNumber::Forward)),
            // Value of `NF_IP_PRI_FILTER`.
            Hook::Priority(0),
        ]),
        ChainAttribute::Type("filter".to_owned()),
    ];
    RuleChange { message: NfTablesMessage::NewChain(ChainMessage { attributes }), flags: NLM_F_CREATE }
}

/// The change of `add chain` without a hook. Only a jump leads to such a chain.
pub(crate) fn add_chain(table: &str, name: &str) -> RuleChange {
    let attributes = vec![ChainAttribute::Table(table.to_owned()), ChainAttribute::Name(name.to_owned())];
    RuleChange { message: NfTablesMessage::NewChain(ChainMessage { attributes }), flags: NLM_F_CREATE }
}

/// The change of `add set` with `flags interval, timeout`. The kernel refuses it if the set exists. `number`
/// distinguishes the sets of one transaction.
pub(crate) fn add_set(table: &str, name: &str, family: Family, number: u32) -> RuleChange {
    let (key_type, key_bytes) = key(family);
    let attributes = vec![
        SetAttribute::Table(table.to_owned()),
        SetAttribute::Name(name.to_owned()),
        SetAttribute::Flags(SetFlags::Interval | SetFlags::Timeout),
        SetAttribute::KeyType(key_type),
        SetAttribute::KeyLen(key_bytes),
        SetAttribute::Id(number),
    ];
    RuleChange { message: NfTablesMessage::NewSet(SetMessage { attributes }), flags: NLM_F_CREATE | NLM_F_EXCL }
}

/// The change of `add rule`, which appends the rule to the chain.
pub(crate) fn add_rule(table: &str, chain: &str, rule: &Rule) -> RuleChange {
    let attributes = vec![
        RuleAttribute::Table(table.to_owned()),
        RuleAttribute::Chain(chain.to_owned()),
        RuleAttribute::Expressions(rule.expressions()),
    ];
    RuleChange { message: NfTablesMessage::NewRule(RuleMessage { attributes }), flags: NLM_F_CREATE | NLM_F_APPEND }
}
