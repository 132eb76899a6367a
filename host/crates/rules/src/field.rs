//! The fields of a flow that a condition can name, with their types.

use std::net::IpAddr;

use crate::flow::{Flow, Volume};

/// The type of a value in a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int,
    Duration,
    Timestamp,
    Address,
    Text,
    Labels,
    Set,
    List,
}

impl Type {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a number",
            Self::Duration => "a duration",
            Self::Timestamp => "a time",
            Self::Address => "an address",
            Self::Text => "a text",
            Self::Labels => "the labels",
            Self::Set => "a set",
            Self::List => "a list",
        }
    }
}

/// A field whose value is a number. Durations and times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Family,
    Zone,
    Protocol,
    OriginalSrcPort,
    OriginalDstPort,
    ReplySrcPort,
    ReplyDstPort,
    Status,
    State,
    Mark,
    Bytes,
    Packets,
    OriginalBytes,
    OriginalPackets,
    ReplyBytes,
    ReplyPackets,
    Timeout,
    Age,
    Started,
    Stopped,
    Now,
}

const SECOND: i64 = 1_000_000_000;

impl Field {
    /// Returns the value. `None` if the flow lacks it.
    #[inline]
    pub(crate) fn of(self, flow: &Flow) -> Option<i64> {
        let port = |port: u16| flow.protocol.has_ports().then_some(i64::from(port));
        let bytes = |volume: Option<Volume>| volume.map(|volume| clamped(volume.bytes));
        let packets = |volume: Option<Volume>| volume.map(|volume| clamped(volume.packets));
        match self {
            Self::Family => Some(if flow.original.src.is_ipv4() { 4 } else { 6 }),
            Self::Zone => Some(flow.zone.into()),
            Self::Protocol => Some(flow.protocol.0.into()),
            Self::OriginalSrcPort => port(flow.original.src_port),
            Self::OriginalDstPort => port(flow.original.dst_port),
            Self::ReplySrcPort => port(flow.reply.src_port),
            Self::ReplyDstPort => port(flow.reply.dst_port),
            Self::Status => flow.status.map(i64::from),
            Self::State => flow.state.map(i64::from),
            Self::Mark => flow.mark.map(i64::from),
            Self::Bytes => bytes(flow.volume()),
            Self::Packets => packets(flow.volume()),
            Self::OriginalBytes => bytes(flow.original_volume),
            Self::OriginalPackets => packets(flow.original_volume),
            Self::ReplyBytes => bytes(flow.reply_volume),
            Self::ReplyPackets => packets(flow.reply_volume),
            Self::Timeout => flow.timeout.map(|seconds| i64::from(seconds).saturating_mul(SECOND)),
            Self::Age => flow.started.map(|started| clamped(flow.stopped.unwrap_or(flow.now).saturating_sub(started))),
            Self::Started => flow.started.map(clamped),
            Self::Stopped => flow.stopped.map(clamped),
            Self::Now => Some(clamped(flow.now)),
        }
    }

    /// Returns the least and the greatest value that the field can have.
    pub(crate) const fn bounds(self) -> (i64, i64) {
        match self {
            Self::Family => (4, 6),
            Self::Protocol | Self::State => (0, u8::MAX as i64),
            Self::Zone | Self::OriginalSrcPort | Self::OriginalDstPort | Self::ReplySrcPort | Self::ReplyDstPort => {
                (0, u16::MAX as i64)
            }
            Self::Status | Self::Mark => (0, u32::MAX as i64),
            Self::Timeout => (0, u32::MAX as i64 * SECOND),
            Self::Bytes
            | Self::Packets
            | Self::OriginalBytes
            | Self::OriginalPackets
            | Self::ReplyBytes
            | Self::ReplyPackets
            | Self::Age
            | Self::Started
            | Self::Stopped
            | Self::Now => (0, i64::MAX),
        }
    }

    /// Whether the value changes while the flow exists without an event that says so.
    pub(crate) const fn passes(self) -> bool {
        match self {
            Self::Bytes
            | Self::Packets
            | Self::OriginalBytes
            | Self::OriginalPackets
            | Self::ReplyBytes
            | Self::ReplyPackets
            | Self::Timeout
            | Self::Age
            | Self::Now => true,
            Self::Family
            | Self::Zone
            | Self::Protocol
            | Self::OriginalSrcPort
            | Self::OriginalDstPort
            | Self::ReplySrcPort
            | Self::ReplyDstPort
            | Self::Status
            | Self::State
            | Self::Mark
            | Self::Started
            | Self::Stopped => false,
        }
    }

    pub(crate) const fn is_port(self) -> bool {
        matches!(self, Self::OriginalSrcPort | Self::OriginalDstPort | Self::ReplySrcPort | Self::ReplyDstPort)
    }

    pub(crate) fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(_, named)| matches!(named, Named::Number(field, _) if *field == self));
        named.map_or("the field", |(name, _)| name)
    }
}

fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One of the four addresses of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// Sender of the first packet.
    OriginalSrc,
    /// Receiver of the first packet, before NAT.
    OriginalDst,
    /// Sender of the answers: the real server, after NAT.
    ReplySrc,
    /// Receiver of the answers: the address that source NAT chose.
    ReplyDst,
}

impl Address {
    pub(crate) const ALL: [Self; 4] = [Self::OriginalSrc, Self::OriginalDst, Self::ReplySrc, Self::ReplyDst];

    /// Returns the address of the flow.
    #[inline]
    #[must_use]
    pub const fn of(self, flow: &Flow) -> IpAddr {
        match self {
            Self::OriginalSrc => flow.original.src,
            Self::OriginalDst => flow.original.dst,
            Self::ReplySrc => flow.reply.src,
            Self::ReplyDst => flow.reply.dst,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(_, named)| matches!(named, Named::Address(address) if *address == self));
        named.map_or("the address", |(name, _)| name)
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Number(Field, Type),
    Address(Address),
    Helper,
    Labels,
    /// A bit of the status.
    Bit(u32),
}

/// Every name. Of two names of one field, the first is used in errors.
pub(crate) const NAMES: &[(&str, Named)] = &[
    ("flow.family", Named::Number(Field::Family, Type::Int)),
    ("flow.zone", Named::Number(Field::Zone, Type::Int)),
    ("flow.protocol", Named::Number(Field::Protocol, Type::Int)),
    ("flow.original.src", Named::Address(Address::OriginalSrc)),
    ("flow.original.dst", Named::Address(Address::OriginalDst)),
    ("flow.original.src_port", Named::Number(Field::OriginalSrcPort, Type::Int)),
    ("flow.original.dst_port", Named::Number(Field::OriginalDstPort, Type::Int)),
    ("flow.original.bytes", Named::Number(Field::OriginalBytes, Type::Int)),
    ("flow.original.packets", Named::Number(Field::OriginalPackets, Type::Int)),
    ("flow.reply.src", Named::Address(Address::ReplySrc)),
    ("flow.reply.dst", Named::Address(Address::ReplyDst)),
    ("flow.reply.src_port", Named::Number(Field::ReplySrcPort, Type::Int)),
    ("flow.reply.dst_port", Named::Number(Field::ReplyDstPort, Type::Int)),
    ("flow.reply.bytes", Named::Number(Field::ReplyBytes, Type::Int)),
    ("flow.reply.packets", Named::Number(Field::ReplyPackets, Type::Int)),
    ("flow.src", Named::Address(Address::OriginalSrc)),
    ("flow.dst", Named::Address(Address::OriginalDst)),
    ("flow.src_port", Named::Number(Field::OriginalSrcPort, Type::Int)),
    ("flow.dst_port", Named::Number(Field::OriginalDstPort, Type::Int)),
    ("flow.status", Named::Number(Field::Status, Type::Int)),
    ("flow.status.expected", Named::Bit(1)),
    ("flow.status.seen_reply", Named::Bit(1 << 1)),
    ("flow.status.assured", Named::Bit(1 << 2)),
    ("flow.status.confirmed", Named::Bit(1 << 3)),
    ("flow.status.src_nat", Named::Bit(1 << 4)),
    ("flow.status.dst_nat", Named::Bit(1 << 5)),
    ("flow.status.seq_adjust", Named::Bit(1 << 6)),
    ("flow.status.src_nat_done", Named::Bit(1 << 7)),
    ("flow.status.dst_nat_done", Named::Bit(1 << 8)),
    ("flow.status.dying", Named::Bit(1 << 9)),
    ("flow.status.fixed_timeout", Named::Bit(1 << 10)),
    ("flow.status.template", Named::Bit(1 << 11)),
    ("flow.status.nat_clash", Named::Bit(1 << 12)),
    ("flow.status.helper", Named::Bit(1 << 13)),
    ("flow.status.offload", Named::Bit(1 << 14)),
    ("flow.status.hw_offload", Named::Bit(1 << 15)),
    ("flow.state", Named::Number(Field::State, Type::Int)),
    ("flow.mark", Named::Number(Field::Mark, Type::Int)),
    ("flow.labels", Named::Labels),
    ("flow.helper", Named::Helper),
    ("flow.bytes", Named::Number(Field::Bytes, Type::Int)),
    ("flow.packets", Named::Number(Field::Packets, Type::Int)),
    ("flow.timeout", Named::Number(Field::Timeout, Type::Duration)),
    ("flow.age", Named::Number(Field::Age, Type::Duration)),
    ("flow.started", Named::Number(Field::Started, Type::Timestamp)),
    ("flow.stopped", Named::Number(Field::Stopped, Type::Timestamp)),
    ("now", Named::Number(Field::Now, Type::Timestamp)),
];
