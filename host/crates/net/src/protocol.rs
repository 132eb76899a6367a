//! IP protocol numbers and the state numbers that conntrack keeps for TCP, SCTP and DCCP.
//!
//! Numbers stay numbers: a state that the kernel invents later passes through unharmed.

use core::fmt;

/// IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

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

impl fmt::Display for Protocol {
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
    };
}

states! {
    /// TCP state (`enum tcp_conntrack`, linux/netfilter/nf_conntrack_tcp.h).
    TcpState {
        NONE = 0 "NONE",
        SYN_SENT = 1 "SYN_SENT",
        /// SYN and SYN-ACK seen.
        SYN_RECV = 2 "SYN_RECV",
        ESTABLISHED = 3 "ESTABLISHED",
        FIN_WAIT = 4 "FIN_WAIT",
        /// ACK of the first FIN seen.
        CLOSE_WAIT = 5 "CLOSE_WAIT",
        LAST_ACK = 6 "LAST_ACK",
        TIME_WAIT = 7 "TIME_WAIT",
        CLOSE = 8 "CLOSE",
        /// Simultaneous open (was LISTEN).
        SYN_SENT2 = 9 "SYN_SENT2",
    }
}

states! {
    /// SCTP state (`enum sctp_conntrack`, linux/netfilter/nf_conntrack_sctp.h).
    SctpState {
        NONE = 0 "NONE",
        CLOSED = 1 "CLOSED",
        COOKIE_WAIT = 2 "COOKIE_WAIT",
        COOKIE_ECHOED = 3 "COOKIE_ECHOED",
        ESTABLISHED = 4 "ESTABLISHED",
        SHUTDOWN_SENT = 5 "SHUTDOWN_SENT",
        SHUTDOWN_RECD = 6 "SHUTDOWN_RECD",
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
        NONE = 0 "NONE",
        REQUEST = 1 "REQUEST",
        RESPOND = 2 "RESPOND",
        PARTOPEN = 3 "PARTOPEN",
        OPEN = 4 "OPEN",
        CLOSEREQ = 5 "CLOSEREQ",
        CLOSING = 6 "CLOSING",
        /// Waiting out old packets.
        TIMEWAIT = 7 "TIMEWAIT",
        /// Packet to be ignored.
        IGNORE = 8 "IGNORE",
        /// Packet that is invalid.
        INVALID = 9 "INVALID",
    }
}
