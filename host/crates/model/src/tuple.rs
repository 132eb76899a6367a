//! The tuple of a flow, and a pair of values for the two directions.
//!
//! The two directions are fields with names and never a bool, so a call cannot mix up `original` and `reply`.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use crate::{Family, Protocol};

/// The layer-4 part of a tuple (`CTA_TUPLE_PROTO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer4 {
    /// The protocol adds nothing to the addresses.
    #[default]
    None,
    /// Ports of TCP, UDP, UDP-Lite, SCTP or DCCP.
    Ports { src: u16, dst: u16 },
    /// Fields of ICMP or ICMPv6.
    Icmp {
        /// Identifier of an echo or timestamp message, otherwise 0.
        id: u16,
        kind: u8,
        code: u8,
    },
    /// Call ids of GRE as PPTP uses it. The kernel keeps them in the place of ports.
    Keys { src: u16, dst: u16 },
}

/// One direction of a flow (`CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_TUPLE_MASTER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    /// Address of the sender, of the same family as `dst`.
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: Protocol,
    pub layer4: Layer4,
}

/// Feeds the hasher a few large words. Each verdict hashes tuples, and a hasher does its work once for each word.
impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                state.write_u64(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()));
            }
            (src, dst) => {
                for address in [src, dst] {
                    match address {
                        IpAddr::V4(address) => state.write_u32(address.to_bits()),
                        IpAddr::V6(address) => state.write_u128(address.to_bits()),
                    }
                }
            }
        }
        let (layer4, first, second) = match self.layer4 {
            Layer4::None => (0, 0, 0),
            Layer4::Ports { src, dst } => (1, src, dst),
            Layer4::Icmp { id, kind, code } => (2, id, u16::from_be_bytes([kind, code])),
            Layer4::Keys { src, dst } => (3, src, dst),
        };
        let ends = u64::from(first) << 16 | u64::from(second);
        state.write_u64(u64::from(self.protocol.0) << 40 | layer4 << 32 | ends);
    }
}

impl Tuple {
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.src {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Source and destination port. `None` for protocols without ports.
    #[must_use]
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match self.layer4 {
            Layer4::Ports { src, dst } => Some((src, dst)),
            Layer4::None | Layer4::Icmp { .. } | Layer4::Keys { .. } => None,
        }
    }

    /// The tuple of the other direction of a flow without NAT. The ends are swapped, and an ICMP query becomes its
    /// answer. An ICMP type without an answer stays as it is.
    #[must_use]
    pub const fn reversed(&self) -> Self {
        let layer4 = match self.layer4 {
            Layer4::None => Layer4::None,
            Layer4::Ports { src, dst } => Layer4::Ports { src: dst, dst: src },
            Layer4::Keys { src, dst } => Layer4::Keys { src: dst, dst: src },
            Layer4::Icmp { id, kind, code } => {
                let kind = match self.protocol {
                    Protocol::ICMPV6 => icmpv6_answer(kind),
                    Protocol(_) => icmp_answer(kind),
                };
                Layer4::Icmp { id, kind, code }
            }
        };
        Self { src: self.dst, dst: self.src, protocol: self.protocol, layer4 }
    }
}

/// Maps an ICMP query to its answer, and the answer to the query: echo, timestamp, information, address mask (RFC 792,
/// RFC 950).
const fn icmp_answer(kind: u8) -> u8 {
    match kind {
        0 => 8,
        8 => 0,
        13 => 14,
        14 => 13,
        15 => 16,
        16 => 15,
        17 => 18,
        18 => 17,
        other => other,
    }
}

/// Maps an ICMPv6 query to its answer, and the answer to the query: echo (RFC 4443), node information (RFC 4620).
const fn icmpv6_answer(kind: u8) -> u8 {
    match kind {
        128 => 129,
        129 => 128,
        139 => 140,
        140 => 139,
        other => other,
    }
}

/// A value for each direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerDirection<T> {
    /// The direction of the first packet of the flow.
    pub original: T,
    /// The direction of the answers to the first packet.
    pub reply: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(protocol: Protocol, layer4: Layer4) -> Tuple {
        Tuple { src: [192, 0, 2, 1].into(), dst: [198, 51, 100, 2].into(), protocol, layer4 }
    }

    #[test]
    fn the_reverse_of_a_reverse_is_the_tuple() {
        let kinds = (0..=u8::MAX).map(|kind| Layer4::Icmp { id: 7, kind, code: 0 });
        let others = [Layer4::None, Layer4::Ports { src: 1, dst: 2 }, Layer4::Keys { src: 1, dst: 2 }];
        for layer4 in kinds.chain(others) {
            for protocol in [Protocol::ICMP, Protocol::ICMPV6, Protocol::TCP] {
                let tuple = tuple(protocol, layer4);
                assert_eq!(tuple.reversed().reversed(), tuple);
                assert_eq!((tuple.reversed().src, tuple.reversed().dst), (tuple.dst, tuple.src));
            }
        }
    }

    #[test]
    fn an_echo_is_answered_by_an_echo_reply() {
        let echo = tuple(Protocol::ICMP, Layer4::Icmp { id: 7, kind: 8, code: 0 });
        assert_eq!(echo.reversed().layer4, Layer4::Icmp { id: 7, kind: 0, code: 0 });
        let echo = tuple(Protocol::ICMPV6, Layer4::Icmp { id: 7, kind: 128, code: 0 });
        assert_eq!(echo.reversed().layer4, Layer4::Icmp { id: 7, kind: 129, code: 0 });
    }
}
