//! Expressions of the rules: small programs over registers (linux/netfilter/nf_tables.h).

use ctwarden_model::Family;
use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, ExpressionAttribute, Expressions, Immediate, ListAttribute, Lookup, Meta, MetaKey,
    Operator, Payload, Register, Verdict, VerdictAttribute,
};

use super::{number_attribute, string_attribute};

pub(super) type Expression = ListAttribute<ExpressionAttribute>;

/// Bases `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// The end of a packet that a rule compares with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Source, Self::Destination];
}

/// `meta nfproto` equals the family (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
pub(super) fn is_family(family: Family) -> [Expression; 2] {
    let number = match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    };
    [
        Expressions::Meta(vec![Meta::Key(MetaKey::Nfproto), Meta::DestinationRegister(Register::Reg1)]).into(),
        compare(Operator::Equal, vec![number]),
    ]
}

/// Loads an address into register 1. Offsets: RFC 791, section 3.1; RFC 8200, section 3.
pub(super) fn address(family: Family, side: Side) -> Expression {
    let (offset, length) = match (family, side) {
        (Family::Ipv4, Side::Source) => (12, 4),
        (Family::Ipv4, Side::Destination) => (16, 4),
        (Family::Ipv6, Side::Source) => (8, 16),
        (Family::Ipv6, Side::Destination) => (24, 16),
    };
    payload(NETWORK_HEADER, offset, length, Register::Reg1)
}

/// Loads the protocol and the destination port behind the address of register 1, as the key of a set needs them.
pub(super) fn service(family: Family) -> [Expression; 2] {
    // Registers of four bytes: an IPv4 address takes one, an IPv6 address takes four.
    let (protocol, port) = match family {
        Family::Ipv4 => (Register::Reg32_01, Register::Reg32_02),
        Family::Ipv6 => (Register::Reg32_04, Register::Reg32_05),
    };
    [
        Expressions::Meta(vec![Meta::Key(MetaKey::L4Proto), Meta::DestinationRegister(protocol)]).into(),
        payload(TRANSPORT_HEADER, 2, 2, port),
    ]
}

/// Loads both addresses, the protocol and both ports, as the key of a set of flows.
pub(super) fn flow(family: Family) -> [Expression; 5] {
    let (destination, protocol, ports) = match family {
        Family::Ipv4 => (Register::Reg32_01, Register::Reg32_02, [Register::Reg32_03, Register::Reg32_04]),
        Family::Ipv6 => (Register::Reg2, Register::Reg32_08, [Register::Reg32_09, Register::Reg32_10]),
    };
    let (offset, length) = match family {
        Family::Ipv4 => (16, 4),
        Family::Ipv6 => (24, 16),
    };
    let [source_port, destination_port] = ports;
    [
        address(family, Side::Source),
        payload(NETWORK_HEADER, offset, length, destination),
        Expressions::Meta(vec![Meta::Key(MetaKey::L4Proto), Meta::DestinationRegister(protocol)]).into(),
        payload(TRANSPORT_HEADER, 0, 2, source_port),
        payload(TRANSPORT_HEADER, 2, 2, destination_port),
    ]
}

fn payload(base: u32, offset: u32, length: u32, register: Register) -> Expression {
    Expressions::Payload(vec![
        Payload::DestinationRegister(register),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
    .into()
}

/// Goes on if the key in register 1 is in the set.
pub(super) fn is_in(set: &str) -> Expression {
    Expressions::Lookup(vec![Lookup::Set(set.to_owned()), Lookup::SourceRegister(Register::Reg1)]).into()
}

/// Counts the packet in a named counter: `NFTA_OBJREF_IMM_TYPE` and `NFTA_OBJREF_IMM_NAME`.
pub(super) fn count_in(counter: &str) -> Expression {
    other("objref", vec![number_attribute(1, super::schema::OBJECT_COUNTER), string_attribute(2, counter)])
}

/// `drop`: the verdict `NF_DROP` (linux/netfilter.h).
pub(super) fn drop_packet() -> Expression {
    verdict(vec![VerdictAttribute::Code(Verdict::Other(0))])
}

/// `reject with icmpx admin-prohibited`: `NFT_REJECT_ICMPX_UNREACH`, `NFT_REJECT_ICMPX_ADMIN_PROHIBITED`.
pub(super) fn reject_packet() -> Expression {
    other("reject", vec![number_attribute(1, 2), DefaultNla::new(2, vec![3])])
}

/// `meta l4proto tcp reject with tcp reset`: `NFT_REJECT_TCP_RST`. Other protocols go on to the next rule.
pub(super) fn reset_connection() -> [Expression; 3] {
    const TCP: u8 = 6;
    [
        Expressions::Meta(vec![Meta::Key(MetaKey::L4Proto), Meta::DestinationRegister(Register::Reg1)]).into(),
        compare(Operator::Equal, vec![TCP]),
        other("reject", vec![number_attribute(1, 1)]),
    ]
}

/// `jump CHAIN`: the verdict `NFT_JUMP`, which is -3.
pub(super) fn jump(chain: &str) -> Expression {
    verdict(vec![
        VerdictAttribute::Code(Verdict::Other((-3_i32).cast_unsigned())),
        VerdictAttribute::Chain(chain.to_owned()),
    ])
}

/// `ct state invalid continue`. The rule changes nothing; the expression `ct` makes the kernel track connections in this
/// network namespace.
pub(super) fn track() -> Vec<Expression> {
    /// `NFTA_CT_DREG`, `NFTA_CT_KEY`, `NFT_CT_STATE`.
    const DESTINATION: u16 = 1;
    const KEY: u16 = 2;
    const STATE: u32 = 0;
    /// `NF_CT_STATE_INVALID_BIT`.
    const INVALID: u32 = 1;
    vec![
        other("ct", vec![number_attribute(DESTINATION, Register::Reg1.into()), number_attribute(KEY, STATE)]),
        Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(4),
            Bitwise::Mask(DataAttribute::Value(INVALID.to_ne_bytes().to_vec())),
            Bitwise::Xor(DataAttribute::Value(vec![0; 4])),
        ])
        .into(),
        compare(Operator::NotEqual, vec![0; 4]),
        // `NFT_CONTINUE`.
        verdict(vec![VerdictAttribute::Code(Verdict::Other((-1_i32).cast_unsigned()))]),
    ]
}

fn compare(operator: Operator, value: Vec<u8>) -> Expression {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value)),
    ])
    .into()
}

fn verdict(attributes: Vec<VerdictAttribute>) -> Expression {
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(attributes)),
    ])
    .into()
}

fn other(name: &str, attributes: Vec<DefaultNla>) -> Expression {
    Expressions::Other { expression_type: name.to_owned(), attributes }.into()
}
