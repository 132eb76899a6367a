//! IP protocol numbers and the state numbers that conntrack keeps for TCP, SCTP and DCCP.
//!
//! The types keep plain numbers, so a state that a later kernel adds passes through unchanged.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// The text names no protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a protocol; write tcp, udp, icmp, icmpv6, sctp, dccp, udplite, gre, or a number from 0 to 255")]
pub struct ProtocolError(String);

impl Protocol {
    /// ICMP for IPv4 (RFC 792).
    pub const ICMP: Self = Self(1);
    /// IP in IP (RFC 2003).
    pub const IPIP: Self = Self(4);
    /// Transmission Control Protocol (RFC 9293).
    pub const TCP: Self = Self(6);
    /// User Datagram Protocol (RFC 768).
    pub const UDP: Self = Self(17);
    /// Datagram Congestion Control Protocol (RFC 4340).
    pub const DCCP: Self = Self(33);
    /// Generic Routing Encapsulation (RFC 2784).
    pub const GRE: Self = Self(47);
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);
    /// Stream Control Transmission Protocol (RFC 9260).
    pub const SCTP: Self = Self(132);
    /// Lightweight User Datagram Protocol (RFC 3828).
    pub const UDPLITE: Self = Self(136);

    /// Whether the layer-4 part of its tuples is a pair of ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::DCCP | Self::SCTP | Self::UDPLITE)
    }

    /// The lower-case name as `/etc/protocols` and conntrack write it, if the protocol has one here.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ICMP => "icmp",
            Self::IPIP => "ipip",
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::DCCP => "dccp",
            Self::GRE => "gre",
            Self::ICMPV6 => "icmpv6",
            Self::SCTP => "sctp",
            Self::UDPLITE => "udplite",
            _ => return None,
        })
    }

    /// Reads a name as [`Protocol::name`] gives it, in any case, or a decimal number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const NAMED: [Protocol; 9] = [
            Protocol::ICMP,
            Protocol::IPIP,
            Protocol::TCP,
            Protocol::UDP,
            Protocol::DCCP,
            Protocol::GRE,
            Protocol::ICMPV6,
            Protocol::SCTP,
            Protocol::UDPLITE,
        ];
        let named = NAMED.into_iter().find(|p| p.name().is_some_and(|n| n.eq_ignore_ascii_case(text)));
        named.or_else(|| text.parse().ok().map(Self))
    }

    /// The number of a state of this protocol, by its name in any case. `None` if the protocol has no such state.
    #[must_use]
    pub fn state_number(self, name: &str) -> Option<u8> {
        let known = |number: &u8| match self {
            Self::TCP => TcpState(*number).name(),
            Self::SCTP => SctpState(*number).name(),
            Self::DCCP => DccpState(*number).name(),
            _ => None,
        };
        (0..=u8::MAX).find(|number| known(number).is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }
}

impl FromStr for Protocol {
    type Err = ProtocolError;

    /// Reads a protocol as [`Protocol::parse`] does.
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        Self::parse(text).ok_or_else(|| ProtocolError(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    /// Writes the name as in `/etc/protocols`, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$state_doc:meta])* $state:ident = $number:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u8);

        impl $name {
            $($(#[$state_doc])* pub const $state: Self = Self($number);)+

            /// The kernel's name of the state, if the state is known here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                Some(match self.0 { $($number => $text,)+ _ => return None })
            }
        }

        impl From<$name> for u8 {
            fn from(state: $name) -> Self {
                state.0
            }
        }
    };
}

states! {
    /// TCP state (`enum tcp_conntrack`, linux/netfilter/nf_conntrack_tcp.h).
    TcpState {
        /// No state is known yet.
        NONE = 0 "NONE",
        /// The kernel has seen a SYN.
        SYN_SENT = 1 "SYN_SENT",
        /// The kernel has seen a SYN and a SYN-ACK.
        SYN_RECV = 2 "SYN_RECV",
        /// The three-way handshake is complete.
        ESTABLISHED = 3 "ESTABLISHED",
        /// One end has sent a FIN.
        FIN_WAIT = 4 "FIN_WAIT",
        /// The kernel has seen an ACK of the first FIN.
        CLOSE_WAIT = 5 "CLOSE_WAIT",
        /// Both ends have sent a FIN.
        LAST_ACK = 6 "LAST_ACK",
        /// Both FINs are acknowledged.
        TIME_WAIT = 7 "TIME_WAIT",
        /// An end has reset the connection.
        CLOSE = 8 "CLOSE",
        /// Both ends have sent a SYN (simultaneous open; formerly LISTEN).
        SYN_SENT2 = 9 "SYN_SENT2",
    }
}

states! {
    /// SCTP state (`enum sctp_conntrack`, linux/netfilter/nf_conntrack_sctp.h).
    SctpState {
        /// No state is known yet.
        NONE = 0 "NONE",
        /// The association is closed.
        CLOSED = 1 "CLOSED",
        /// The kernel has seen an INIT.
        COOKIE_WAIT = 2 "COOKIE_WAIT",
        /// The kernel has seen a COOKIE-ECHO.
        COOKIE_ECHOED = 3 "COOKIE_ECHOED",
        /// The association is established.
        ESTABLISHED = 4 "ESTABLISHED",
        /// A SHUTDOWN travelled in the original direction.
        SHUTDOWN_SENT = 5 "SHUTDOWN_SENT",
        /// A SHUTDOWN travelled in the reply direction.
        SHUTDOWN_RECD = 6 "SHUTDOWN_RECD",
        /// The kernel has seen a SHUTDOWN-ACK.
        SHUTDOWN_ACK_SENT = 7 "SHUTDOWN_ACK_SENT",
        /// A HEARTBEAT was the first chunk that the kernel saw.
        HEARTBEAT_SENT = 8 "HEARTBEAT_SENT",
        /// The kernel has seen a HEARTBEAT-ACK (kernels up to 6.1).
        HEARTBEAT_ACKED = 9 "HEARTBEAT_ACKED",
    }
}

states! {
    /// DCCP state (`enum ct_dccp_states`, linux/netfilter/nf_conntrack_dccp.h; Linux 6.17 removed the tracker).
    DccpState {
        /// No state is known yet.
        NONE = 0 "NONE",
        /// The kernel has seen a REQUEST.
        REQUEST = 1 "REQUEST",
        /// The kernel has seen a RESPONSE.
        RESPOND = 2 "RESPOND",
        /// One end has acknowledged the handshake.
        PARTOPEN = 3 "PARTOPEN",
        /// The connection is established.
        OPEN = 4 "OPEN",
        /// The kernel has seen a CLOSEREQ.
        CLOSEREQ = 5 "CLOSEREQ",
        /// The kernel has seen a CLOSE.
        CLOSING = 6 "CLOSING",
        /// The entry waits for late packets of the closed connection.
        TIMEWAIT = 7 "TIMEWAIT",
        /// The tracker ignores the packet.
        IGNORE = 8 "IGNORE",
        /// The packet is invalid for the state.
        INVALID = 9 "INVALID",
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_protocol_is_written_as_name_or_number() {
        for (text, protocol) in [("tcp", Protocol::TCP), ("UDP", Protocol::UDP), ("50", Protocol(50))] {
            assert_eq!(text.parse(), Ok(protocol));
            assert_eq!(Protocol::parse(text), Some(protocol));
        }
        assert_eq!((Protocol::SCTP.to_string(), Protocol(50).to_string()), ("sctp".into(), "50".into()));
        let refused = "tpc".parse::<Protocol>().unwrap_err().to_string();
        assert!(refused.starts_with("\"tpc\" is not a protocol; write tcp, udp"), "{refused}");
    }
}
