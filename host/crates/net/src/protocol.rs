//! IP protocol numbers and the state numbers that conntrack keeps for TCP, SCTP and DCCP.
//!
//! Numbers stay numbers: a state that the kernel invents later passes through unharmed.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// Text that names no protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a protocol; write tcp, udp, icmp, icmpv6, sctp, dccp, udplite, gre, or a number from 0 to 255")]
pub struct ProtocolError(String);

impl Protocol {
    /// ICMP (RFC 792).
    pub const ICMP: Self = Self(1);
    /// IP in IP (RFC 2003).
    pub const IPIP: Self = Self(4);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// DCCP (RFC 4340).
    pub const DCCP: Self = Self(33);
    /// GRE (RFC 2784).
    pub const GRE: Self = Self(47);
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);
    /// SCTP (RFC 9260).
    pub const SCTP: Self = Self(132);
    /// UDP-Lite (RFC 3828).
    pub const UDPLITE: Self = Self(136);

    /// Whether its layer-4 part is a pair of ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::DCCP | Self::SCTP | Self::UDPLITE)
    }

    /// Lower-case name as `/etc/protocols` and conntrack write it, where there is one.
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

    /// The protocol of a name as [`Protocol::name`] gives it, or of a decimal number.
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
}

impl FromStr for Protocol {
    type Err = ProtocolError;

    /// As [`Protocol::parse`].
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        Self::parse(text).ok_or_else(|| ProtocolError(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    /// The name as in `/etc/protocols`, or the number.
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

            /// The kernel's name of the state, where it is known.
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
        /// None yet.
        NONE = 0 "NONE",
        /// SYN seen.
        SYN_SENT = 1 "SYN_SENT",
        /// SYN and SYN-ACK seen.
        SYN_RECV = 2 "SYN_RECV",
        /// Both ends agreed.
        ESTABLISHED = 3 "ESTABLISHED",
        /// One end sent FIN.
        FIN_WAIT = 4 "FIN_WAIT",
        /// ACK of the first FIN seen.
        CLOSE_WAIT = 5 "CLOSE_WAIT",
        /// Both ends sent FIN.
        LAST_ACK = 6 "LAST_ACK",
        /// All acknowledged.
        TIME_WAIT = 7 "TIME_WAIT",
        /// Reset.
        CLOSE = 8 "CLOSE",
        /// Simultaneous open (was LISTEN).
        SYN_SENT2 = 9 "SYN_SENT2",
    }
}

states! {
    /// SCTP state (`enum sctp_conntrack`, linux/netfilter/nf_conntrack_sctp.h).
    SctpState {
        /// None yet.
        NONE = 0 "NONE",
        /// Closed.
        CLOSED = 1 "CLOSED",
        /// INIT seen.
        COOKIE_WAIT = 2 "COOKIE_WAIT",
        /// COOKIE-ECHO seen.
        COOKIE_ECHOED = 3 "COOKIE_ECHOED",
        /// The association stands.
        ESTABLISHED = 4 "ESTABLISHED",
        /// SHUTDOWN went the original way.
        SHUTDOWN_SENT = 5 "SHUTDOWN_SENT",
        /// SHUTDOWN went the reply's way.
        SHUTDOWN_RECD = 6 "SHUTDOWN_RECD",
        /// SHUTDOWN-ACK seen.
        SHUTDOWN_ACK_SENT = 7 "SHUTDOWN_ACK_SENT",
        /// HEARTBEAT seen before anything else.
        HEARTBEAT_SENT = 8 "HEARTBEAT_SENT",
        /// HEARTBEAT-ACK (kernels up to 6.1).
        HEARTBEAT_ACKED = 9 "HEARTBEAT_ACKED",
    }
}

states! {
    /// DCCP state (`enum ct_dccp_states`, linux/netfilter/nf_conntrack_dccp.h; the tracker left the kernel in 6.15).
    DccpState {
        /// None yet.
        NONE = 0 "NONE",
        /// REQUEST seen.
        REQUEST = 1 "REQUEST",
        /// RESPONSE seen.
        RESPOND = 2 "RESPOND",
        /// One end acknowledged.
        PARTOPEN = 3 "PARTOPEN",
        /// The connection stands.
        OPEN = 4 "OPEN",
        /// CLOSEREQ seen.
        CLOSEREQ = 5 "CLOSEREQ",
        /// CLOSE seen.
        CLOSING = 6 "CLOSING",
        /// Waiting out old packets.
        TIMEWAIT = 7 "TIMEWAIT",
        /// Packet to be ignored.
        IGNORE = 8 "IGNORE",
        /// Packet that is invalid.
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
