//! The rules of the gateway's rule set, and their expressions.
//!
//! An nftables rule is a small program over registers (linux/netfilter/nf_tables.h).

use ctwarden_model::Family;
use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, ExpressionAttribute, Expressions, Immediate, ListAttribute, Lookup, Meta, MetaKey,
    Operator, Payload, Register, Verdict, VerdictAttribute,
};

/// The verdicts `NF_DROP` and `NF_ACCEPT` (linux/netfilter.h).
const DROP: Verdict = Verdict::Other(0);
const ACCEPT: Verdict = Verdict::Other(1);

/// Base `NFT_PAYLOAD_NETWORK_HEADER` (linux/netfilter/nf_tables.h).
const NETWORK_HEADER: u32 = 1;

/// The expression `ct`: its attributes `NFTA_CT_DREG`, `NFTA_CT_KEY` and `NFTA_CT_SREG`, and the keys `NFT_CT_STATE`
/// and `NFT_CT_LABELS`.
const CT_DESTINATION: u16 = 1;
const CT_KEY: u16 = 2;
const CT_SOURCE: u16 = 4;
const CT_STATE: u32 = 0;
const CT_LABELS: u32 = 13;

/// The 128 label bits of an entry (`XT_CONNLABEL_MAXBIT` is 127), with bit 0 set.
const LABEL_0: u128 = 1;

/// The `NF_CT_STATE_BIT` of established and of related, and `NF_CT_STATE_INVALID_BIT`
/// (linux/netfilter/nf_conntrack_common.h).
const ESTABLISHED: u32 = 1 << 1;
const RELATED: u32 = 1 << 2;
const INVALID: u32 = 1;

/// The address of a packet that a rule compares: source or destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    From,
    To,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Counts and drops packets from or to the addresses of a set.
    DropSet {
        family: Family,
        /// The address that the rule looks up in the set.
        direction: Direction,
        set: String,
    },
    /// Drops packets that connection tracking finds invalid.
    DropInvalid,
    /// Accepts packets of known connections.
    AcceptEstablished,
    /// Sets label 0. With such a rule entries have room for labels, even if no packet reaches the rule.
    SetLabel,
}

type Expression = ListAttribute<ExpressionAttribute>;

impl Rule {
    pub(super) fn expressions(&self) -> Vec<Expression> {
        match self {
            Self::DropSet { family, direction, set } => {
                let (number, offset, length) = header_place(*family, *direction);
                vec![
                    Expressions::Meta(vec![Meta::Key(MetaKey::Nfproto), Meta::DestinationRegister(Register::Reg1)])
                        .into(),
                    compare(Operator::Equal, vec![number]),
                    Expressions::Payload(vec![
                        Payload::DestinationRegister(Register::Reg1),
                        Payload::Base(NETWORK_HEADER),
                        Payload::Offset(offset),
                        Payload::Len(length),
                    ])
                    .into(),
                    Expressions::Lookup(vec![Lookup::Set(set.clone()), Lookup::SourceRegister(Register::Reg1)]).into(),
                    Expressions::Other { expression_type: "counter".to_owned(), attributes: Vec::new() }.into(),
                    verdict(DROP),
                ]
            }
            Self::DropInvalid => state_rule(INVALID, DROP),
            Self::SetLabel => vec![
                Expressions::Immediate(vec![
                    Immediate::DestinationRegister(Register::Reg1),
                    Immediate::Data(DataAttribute::Value(LABEL_0.to_ne_bytes().to_vec())),
                ])
                .into(),
                connection_tracking(CT_SOURCE, CT_LABELS),
            ],
            Self::AcceptEstablished => state_rule(ESTABLISHED | RELATED, ACCEPT),
        }
    }
}

/// The `NFPROTO_*` number of a family, and the offset and length of an address in its header (RFC 791; RFC 8200,
/// section 3).
const fn header_place(family: Family, direction: Direction) -> (u8, u32, u32) {
    match (family, direction) {
        (Family::Ipv4, Direction::From) => (2, 12, 4),
        (Family::Ipv4, Direction::To) => (2, 16, 4),
        (Family::Ipv6, Direction::From) => (10, 8, 16),
        (Family::Ipv6, Direction::To) => (10, 24, 16),
    }
}

/// The expressions of `ct state BITS VERDICT`. The register holds the connection state in host byte order.
fn state_rule(bits: u32, end: Verdict) -> Vec<Expression> {
    let zero = DataAttribute::Value(vec![0; 4]);
    vec![
        connection_tracking(CT_DESTINATION, CT_STATE),
        Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(4),
            Bitwise::Mask(DataAttribute::Value(bits.to_ne_bytes().to_vec())),
            Bitwise::Xor(zero),
        ])
        .into(),
        compare(Operator::NotEqual, vec![0; 4]),
        verdict(end),
    ]
}

/// The expression `ct`, which copies between a part of the entry and a register. The attribute `way` gives the
/// direction.
fn connection_tracking(way: u16, key: u32) -> Expression {
    Expressions::Other {
        expression_type: "ct".to_owned(),
        attributes: vec![
            DefaultNla::new(way, u32::from(Register::Reg1).to_be_bytes().to_vec()),
            DefaultNla::new(CT_KEY, key.to_be_bytes().to_vec()),
        ],
    }
    .into()
}

fn compare(operator: Operator, value: Vec<u8>) -> Expression {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value)),
    ])
    .into()
}

fn verdict(code: Verdict) -> Expression {
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(vec![VerdictAttribute::Code(code)])),
    ])
    .into()
}
