//! The changes that create the table anew.

use ctwarden_model::{Family, SetName};
use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Hook, HookNumber, InetHookNumber, NfTablesMessage, RuleAttribute, RuleMessage,
    SetAttribute, SetDescription, SetFlags, SetMessage, TableAttribute, TableMessage,
};

use super::expressions::{
    Expression, Side, address, count_in, drop_packet, flow, is_family, is_in, jump, reject_packet, reset_connection,
    service, track,
};
use super::{TABLE, addresses_of, flow_set, number_attribute, services_of, string_attribute, table};
use crate::netlink::nftables::Change;

/// `NFT_OBJECT_COUNTER` (linux/netfilter/nf_tables.h).
pub(super) const OBJECT_COUNTER: u32 = 1;

/// The chain that the chains at hooks jump to.
const BLOCKED: &str = "blocked";

/// The chain for packets of killed flows. Only prerouting jumps to it: a reset that ctwarden causes leaves through the hook
/// output.
const KILLED: &str = "killed";

/// The hooks, with a priority before everything that usually accepts. At prerouting and output, `raw` (-300) comes before
/// connection tracking, so that a dropped packet makes no entry. Forward and input come after destination NAT and see
/// the address behind the translation.
const CHAINS: [(&str, InetHookNumber, i32); 4] = [
    ("prerouting", InetHookNumber::PreRouting, -300),
    ("input", InetHookNumber::LocalIn, -10),
    ("forward", InetHookNumber::Forward, -10),
    ("output", InetHookNumber::LocalOut, -300),
];

/// What happens to a packet from or to an address of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterVerdict {
    Drop,
    /// The sender gets an ICMP error.
    Reject,
}

/// A set of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManagedSet {
    pub(crate) name: SetName,
    pub(crate) verdict: FilterVerdict,
}

/// The comment of the table, as `nft` stores one: type `NFTNL_UDATA_TABLE_COMMENT`, length, text with a closing zero
/// (libnftnl, udata.h). A table with this comment is ctwarden's own.
pub(super) const OWNED: &[u8] = b"\0\x14managed by ctwarden\0";

/// The change of `add table`.
fn add_table() -> Change {
    let attributes = vec![TableAttribute::Name(TABLE.to_owned()), TableAttribute::UserData(OWNED.to_vec())];
    change(NfTablesMessage::NewTable(TableMessage { attributes }), NLM_F_CREATE)
}

/// Removes the table with everything in it.
pub(crate) fn delete_table() -> Vec<Change> {
    let attributes = vec![TableAttribute::Name(TABLE.to_owned())];
    // Without a table the deletion would fail.
    vec![add_table(), change(NfTablesMessage::DeleteTable(TableMessage { attributes }), 0)]
}

/// Replaces the table by one with these sets, which are empty. The caller adds the elements in the same transaction.
pub(crate) fn rebuild_table(sets: &[ManagedSet]) -> Vec<Change> {
    let mut changes = delete_table();
    changes.push(add_table());
    for name in [BLOCKED, KILLED] {
        changes.push(change(NfTablesMessage::NewChain(ChainMessage { attributes: chain(name) }), NLM_F_CREATE));
    }
    for (family, id) in [(Family::Ipv4, 1), (Family::Ipv6, 2)] {
        changes.push(add_flows(family, id));
        for end in [reset_connection().to_vec(), vec![drop_packet()]] {
            changes.push(add_rule(KILLED, flow_rule(family, end)));
        }
    }
    for (number, set) in sets.iter().enumerate() {
        // The two sets of flows have the numbers before.
        let id = u32::try_from(number).unwrap_or(u32::MAX).saturating_mul(4).saturating_add(3);
        changes.push(add_counter(&set.name.0));
        for (family, id) in [(Family::Ipv4, id), (Family::Ipv6, id.saturating_add(2))] {
            changes.push(add_addresses(&set.name.0, family, id));
            changes.push(add_services(&set.name.0, family, id.saturating_add(1)));
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            for side in Side::BOTH {
                changes.push(add_rule(BLOCKED, address_rule(set, family, side)));
                changes.push(add_rule(BLOCKED, service_rule(set, family, side)));
            }
        }
    }
    for (name, hook, priority) in CHAINS {
        changes.push(add_base_chain(name, hook, priority));
        changes.push(add_rule(name, vec![jump(BLOCKED)]));
        if name == "prerouting" {
            changes.push(add_rule(name, vec![jump(KILLED)]));
        }
    }
    changes.push(add_rule("input", track()));
    changes
}

fn address_rule(set: &ManagedSet, family: Family, side: Side) -> Vec<Expression> {
    let mut rule = is_family(family).to_vec();
    rule.push(address(family, side));
    rule.push(is_in(&addresses_of(&set.name.0, family).name));
    rule.extend(end(set));
    rule
}

/// The port is the destination's in both rules: a service is where a flow goes to, whichever end the set names. A
/// packet of a reply has the port as its source, and the flow that it belongs to cannot begin.
fn service_rule(set: &ManagedSet, family: Family, side: Side) -> Vec<Expression> {
    let mut rule = is_family(family).to_vec();
    rule.push(address(family, side));
    rule.extend(service(family));
    rule.push(is_in(&services_of(&set.name.0, family).name));
    rule.extend(end(set));
    rule
}

/// A packet of a killed flow.
fn flow_rule(family: Family, end: Vec<Expression>) -> Vec<Expression> {
    let mut rule = is_family(family).to_vec();
    rule.extend(flow(family));
    rule.push(is_in(flow_set::name(family)));
    rule.extend(end);
    rule
}

fn end(set: &ManagedSet) -> [Expression; 2] {
    let verdict = match set.verdict {
        FilterVerdict::Drop => drop_packet(),
        FilterVerdict::Reject => reject_packet(),
    };
    [count_in(&set.name.0), verdict]
}

fn add_counter(name: &str) -> Change {
    /// `NFTA_OBJ_TABLE`, `NFTA_OBJ_NAME`, `NFTA_OBJ_TYPE`, `NFTA_OBJ_DATA`.
    const TABLE_OF: u16 = 1;
    const NAME: u16 = 2;
    const TYPE: u16 = 3;
    const DATA: u16 = 4;
    const NESTED: u16 = 1 << 15;
    let attributes = vec![
        string_attribute(TABLE_OF, TABLE),
        string_attribute(NAME, name),
        number_attribute(TYPE, OBJECT_COUNTER),
        DefaultNla::new(DATA | NESTED, Vec::new()),
    ];
    change(NfTablesMessage::NewObject(attributes), NLM_F_CREATE)
}

fn add_addresses(set: &str, family: Family, id: u32) -> Change {
    let handle = addresses_of(set, family);
    let attributes = vec![
        SetAttribute::Table(TABLE.to_owned()),
        SetAttribute::Name(handle.name),
        SetAttribute::Flags(SetFlags::Interval | SetFlags::Timeout),
        SetAttribute::KeyType(handle.kind.key_type()),
        SetAttribute::KeyLen(length_of(family)),
        SetAttribute::Id(id),
    ];
    change(NfTablesMessage::NewSet(SetMessage { attributes }), NLM_F_CREATE | NLM_F_EXCL)
}

fn add_services(set: &str, family: Family, id: u32) -> Change {
    /// `NFTA_SET_FIELD_LEN`, in an element of the list `NFTA_SET_DESC_CONCAT`.
    const FIELD_LENGTH: u16 = 1;
    const ELEMENT: u16 = 1;
    const NESTED: u16 = 1 << 15;
    let handle = services_of(set, family);
    let field = |bytes: u32| {
        let mut nested = vec![8, 0, 0, 0];
        if let Some(kind) = nested.get_mut(2..4) {
            kind.copy_from_slice(&FIELD_LENGTH.to_ne_bytes());
        }
        nested.extend(bytes.to_be_bytes());
        DefaultNla::new(ELEMENT | NESTED, nested)
    };
    let address = length_of(family);
    let attributes = vec![
        SetAttribute::Table(TABLE.to_owned()),
        SetAttribute::Name(handle.name.clone()),
        SetAttribute::Flags(SetFlags::Interval | SetFlags::Timeout | SetFlags::Concat),
        SetAttribute::KeyType(handle.key_type()),
        SetAttribute::KeyLen(address + 8),
        SetAttribute::Id(id),
        SetAttribute::Description(vec![SetDescription::Concat(vec![field(address), field(1), field(2)])]),
    ];
    change(NfTablesMessage::NewSet(SetMessage { attributes }), NLM_F_CREATE | NLM_F_EXCL)
}

fn add_flows(family: Family, id: u32) -> Change {
    let address_type = match family {
        Family::Ipv4 => 7,
        Family::Ipv6 => 8,
    };
    let attributes = vec![
        SetAttribute::Table(TABLE.to_owned()),
        SetAttribute::Name(flow_set::name(family).to_owned()),
        SetAttribute::Flags(SetFlags::Timeout),
        // Two addresses, `inet_proto` and two times `inet_service`, six bits each.
        SetAttribute::KeyType((address_type << 24) | (address_type << 18) | (12 << 12) | (13 << 6) | 13),
        SetAttribute::KeyLen(2 * length_of(family) + 12),
        SetAttribute::Id(id),
    ];
    change(NfTablesMessage::NewSet(SetMessage { attributes }), NLM_F_CREATE | NLM_F_EXCL)
}

const fn length_of(family: Family) -> u32 {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

fn chain(name: &str) -> Vec<ChainAttribute> {
    vec![ChainAttribute::Table(TABLE.to_owned()), ChainAttribute::Name(name.to_owned())]
}

fn add_base_chain(name: &str, hook: InetHookNumber, priority: i32) -> Change {
    let mut attributes = chain(name);
    attributes.push(ChainAttribute::Hook(vec![
        Hook::Number(HookNumber::Inet(hook)),
        Hook::Priority(priority.cast_unsigned()),
    ]));
    attributes.push(ChainAttribute::Type("filter".to_owned()));
    change(NfTablesMessage::NewChain(ChainMessage { attributes }), NLM_F_CREATE)
}

fn add_rule(chain: &str, expressions: Vec<Expression>) -> Change {
    let attributes = vec![
        RuleAttribute::Table(TABLE.to_owned()),
        RuleAttribute::Chain(chain.to_owned()),
        RuleAttribute::Expressions(expressions),
    ];
    change(NfTablesMessage::NewRule(RuleMessage { attributes }), NLM_F_CREATE | NLM_F_APPEND)
}

fn change(message: NfTablesMessage, flags: u16) -> Change {
    Change { family: table().family, message, flags }
}
