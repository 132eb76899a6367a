//! IP protocols and the states that conntrack keeps for three of them; numbers with names, so that a number the kernel
//! learns tomorrow passes through a plugin compiled today.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::number_or_text;

/// IP protocol number. In a configuration: a name such as `"tcp"`, or the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// Text that names no protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a protocol; write tcp, udp, icmp, icmpv6, sctp, dccp, udplite, gre, or a number from 0 to 255")]
pub struct ProtocolError(String);

impl Protocol {
    /// RFC 792.
    pub const ICMP: Self = Self(1);
    /// RFC 9293.
    pub const TCP: Self = Self(6);
    /// RFC 768.
    pub const UDP: Self = Self(17);
    /// RFC 4340.
    pub const DCCP: Self = Self(33);
    /// RFC 2784.
    pub const GRE: Self = Self(47);
    /// RFC 4443.
    pub const ICMPV6: Self = Self(58);
    /// RFC 9260.
    pub const SCTP: Self = Self(132);
    /// RFC 3828.
    pub const UDPLITE: Self = Self(136);

    const NAMES: &[(Self, &str)] = &[
        (Self::ICMP, "icmp"),
        (Self::TCP, "tcp"),
        (Self::UDP, "udp"),
        (Self::DCCP, "dccp"),
        (Self::GRE, "gre"),
        (Self::ICMPV6, "icmpv6"),
        (Self::SCTP, "sctp"),
        (Self::UDPLITE, "udplite"),
    ];

    /// Whether its flows have ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::DCCP | Self::SCTP | Self::UDPLITE)
    }
}

impl fmt::Display for Protocol {
    /// The name as in `/etc/protocols`, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(protocol, _)| protocol == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Protocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let named = Self::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(protocol, _)| *protocol);
        named.or_else(|| text.parse().ok().map(Self)).ok_or_else(|| ProtocolError(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "the name or number of a protocol", |text| text.parse())
    }
}

impl JsonSchema for Protocol {
    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "IP protocol: a name such as \"tcp\", or its number.",
            "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0, "maximum": 255 }],
        })
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$state_doc:meta])* $state:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u8);

        impl $name {
            $($(#[$state_doc])* pub const $state: Self = Self($number);)+
        }

        impl From<$name> for u8 {
            fn from(state: $name) -> Self {
                state.0
            }
        }
    };
}

states! {
    /// TCP's state (`enum tcp_conntrack` of linux/netfilter/nf_conntrack_tcp.h).
    TcpState {
        /// None yet.
        NONE = 0,
        /// SYN seen.
        SYN_SENT = 1,
        /// SYN and its answer seen.
        SYN_RECV = 2,
        /// Both ends agreed.
        ESTABLISHED = 3,
        /// One end sent FIN.
        FIN_WAIT = 4,
        /// That FIN was acknowledged.
        CLOSE_WAIT = 5,
        /// Both ends sent FIN.
        LAST_ACK = 6,
        /// All acknowledged.
        TIME_WAIT = 7,
        /// Reset.
        CLOSE = 8,
        /// Both ends sent SYN.
        SYN_SENT2 = 9,
    }
}

states! {
    /// SCTP's state (`enum sctp_conntrack` of linux/netfilter/nf_conntrack_sctp.h).
    SctpState {
        /// None yet.
        NONE = 0,
        /// Closed.
        CLOSED = 1,
        /// INIT seen.
        COOKIE_WAIT = 2,
        /// COOKIE-ECHO seen.
        COOKIE_ECHOED = 3,
        /// The association stands.
        ESTABLISHED = 4,
        /// SHUTDOWN went the original way.
        SHUTDOWN_SENT = 5,
        /// SHUTDOWN went the reply's way.
        SHUTDOWN_RECD = 6,
        /// SHUTDOWN-ACK seen.
        SHUTDOWN_ACK_SENT = 7,
        /// A heartbeat came first.
        HEARTBEAT_SENT = 8,
        /// A heartbeat was answered (up to Linux 6.1).
        HEARTBEAT_ACKED = 9,
    }
}

states! {
    /// DCCP's state (`enum ct_dccp_states` of linux/netfilter/nf_conntrack_dccp.h; not tracked since Linux 6.15).
    DccpState {
        /// None yet.
        NONE = 0,
        /// REQUEST seen.
        REQUEST = 1,
        /// RESPONSE seen.
        RESPOND = 2,
        /// One end acknowledged.
        PARTOPEN = 3,
        /// The connection stands.
        OPEN = 4,
        /// CLOSEREQ seen.
        CLOSEREQ = 5,
        /// CLOSE seen.
        CLOSING = 6,
        /// Old packets are waited out.
        TIMEWAIT = 7,
        /// A packet to be ignored.
        IGNORE = 8,
        /// A packet that makes no sense.
        INVALID = 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_written_as_name_or_number() {
        for (text, protocol) in [("tcp", Protocol::TCP), ("UDP", Protocol::UDP), ("50", Protocol(50))] {
            assert_eq!(text.parse(), Ok(protocol));
        }
        assert_eq!(
            serde_json::from_str::<Vec<Protocol>>("[\"icmpv6\", 6]").unwrap(),
            [Protocol::ICMPV6, Protocol::TCP]
        );
        assert_eq!((Protocol::SCTP.to_string(), Protocol(50).to_string()), ("sctp".into(), "50".into()));
        let refused = serde_json::from_str::<Protocol>("\"tpc\"").unwrap_err().to_string();
        assert!(refused.starts_with("\"tpc\" is not a protocol; write tcp, udp"), "{refused}");
        assert!(serde_json::from_str::<Protocol>("256").is_err() && serde_json::from_str::<Protocol>("-1").is_err());
    }
}
