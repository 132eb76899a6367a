//! The changes that make tables, chains, sets and rules.
//!
//! They are plain values, put into one transaction by the caller, so that a rule set is there wholly or not at all.

use ctwarden_model::Family;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Hook, HookNumber, InetHookNumber, NfTablesMessage, RuleAttribute, RuleMessage,
    SetAttribute, SetFlags, SetMessage, TableAttribute, TableMessage,
};

use super::{Change, Rule, Table};

/// What a set holds and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetKind {
    /// Family of its addresses.
    pub(crate) family: Family,
    /// Whether it takes networks beside single addresses.
    pub(crate) interval: bool,
    /// Whether elements may have a lifetime.
    pub(crate) timeout: bool,
}

impl SetKind {
    /// Number of the key's type in `nft` (its `enum datatypes`), which the kernel stores for it without a meaning of its own.
    pub(super) const fn key_type(self) -> u32 {
        match self.family {
            Family::Ipv4 => 7,
            Family::Ipv6 => 8,
        }
    }

    /// Name of the key's type in `nft`.
    pub(super) const fn key_type_name(self) -> &'static str {
        match self.family {
            Family::Ipv4 => "ipv4_addr",
            Family::Ipv6 => "ipv6_addr",
        }
    }

    const fn key_bytes(self) -> u32 {
        match self.family {
            Family::Ipv4 => 4,
            Family::Ipv6 => 16,
        }
    }
}

/// `add table`.
pub(crate) fn add_table(table: &Table) -> Change {
    let attributes = vec![TableAttribute::Name(table.name.clone())];
    Change {
        family: table.family,
        message: NfTablesMessage::NewTable(TableMessage { attributes }),
        flags: NLM_F_CREATE,
    }
}

/// `add chain` with `type filter hook forward priority filter`, where packets are accepted at its end.
pub(crate) fn add_base_chain(table: &Table, name: &str) -> Change {
    let attributes = vec![
        ChainAttribute::Table(table.name.clone()),
        ChainAttribute::Name(name.to_owned()),
        ChainAttribute::Hook(vec![
            Hook::Number(HookNumber::Inet(InetHookNumber::Forward)),
            // NF_IP_PRI_FILTER.
            Hook::Priority(0),
        ]),
        ChainAttribute::Type("filter".to_owned()),
    ];
    Change {
        family: table.family,
        message: NfTablesMessage::NewChain(ChainMessage { attributes }),
        flags: NLM_F_CREATE,
    }
}

/// `add chain`: one that packets only come to by a jump.
pub(crate) fn add_chain(table: &Table, name: &str) -> Change {
    let attributes = vec![ChainAttribute::Table(table.name.clone()), ChainAttribute::Name(name.to_owned())];
    Change {
        family: table.family,
        message: NfTablesMessage::NewChain(ChainMessage { attributes }),
        flags: NLM_F_CREATE,
    }
}

/// `add set`; it is an error where it is there. `number` tells the sets of one transaction apart.
pub(crate) fn add_set(table: &Table, name: &str, kind: SetKind, number: u32) -> Change {
    let mut flags = SetFlags::empty();
    flags.set(SetFlags::Interval, kind.interval);
    flags.set(SetFlags::Timeout, kind.timeout);
    let attributes = vec![
        SetAttribute::Table(table.name.clone()),
        SetAttribute::Name(name.to_owned()),
        SetAttribute::Flags(flags),
        SetAttribute::KeyType(kind.key_type()),
        SetAttribute::KeyLen(kind.key_bytes()),
        SetAttribute::Id(number),
    ];
    Change {
        family: table.family,
        message: NfTablesMessage::NewSet(SetMessage { attributes }),
        flags: NLM_F_CREATE | NLM_F_EXCL,
    }
}

/// `add rule`, behind those that are there.
pub(crate) fn add_rule(table: &Table, chain: &str, rule: &Rule) -> Change {
    let attributes = vec![
        RuleAttribute::Table(table.name.clone()),
        RuleAttribute::Chain(chain.to_owned()),
        RuleAttribute::Expressions(rule.expressions()),
    ];
    Change {
        family: table.family,
        message: NfTablesMessage::NewRule(RuleMessage { attributes }),
        flags: NLM_F_CREATE | NLM_F_APPEND,
    }
}
