//! The tuple of a flow, and the pair of a thing for each direction.
//!
//! Both directions are one type with two names, never a bool: `original` and `reply` cannot be mixed up at a call.

use core::net::IpAddr;

use crate::{Family, Protocol};

/// The layer-4 part of a tuple (`CTA_TUPLE_PROTO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer4 {
    /// A protocol without any.
    #[default]
    None,
    /// TCP, UDP, UDP-Lite, SCTP, DCCP.
    Ports {
        /// Sender's port.
        src: u16,
        /// Receiver's port.
        dst: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Identifier of an echo or timestamp, else 0.
        id: u16,
        /// Message type.
        kind: u8,
        /// Message code.
        code: u8,
    },
    /// GRE of PPTP: call ids (the kernel carries them as ports).
    Keys {
        /// Sender's key.
        src: u16,
        /// Receiver's key.
        dst: u16,
    },
}

/// One direction of a flow (`CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_TUPLE_MASTER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Sender; of the same family as `dst`.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// IP protocol.
    pub protocol: Protocol,
    /// What the protocol adds.
    pub layer4: Layer4,
}

impl Tuple {
    /// Family of the addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.src {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Source and destination port, for protocols that have them.
    #[must_use]
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match self.layer4 {
            Layer4::Ports { src, dst } => Some((src, dst)),
            Layer4::None | Layer4::Icmp { .. } | Layer4::Keys { .. } => None,
        }
    }
}

/// One thing for each direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerDirection<T> {
    /// The direction of the first packet.
    pub original: T,
    /// The direction of the answer.
    pub reply: T,
}
