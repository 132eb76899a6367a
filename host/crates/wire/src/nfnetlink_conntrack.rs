//! Numbers and names of linux/netfilter/nfnetlink_conntrack.h.
//!
//! There is one module for each `enum` of the header. An error uses the names to say which attribute is faulty.

/// One `enum` of the header: its members as constants, and a function from a number to the header's name.
macro_rules! numbers {
    ($(#[$doc:meta])* $module:ident $prefix:literal { $($name:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[allow(dead_code, reason = "the tables are complete, also where nothing reads or writes a member yet")]
        pub(crate) mod $module {
            $(pub(crate) const $name: u16 = $number;)+

            /// The header's name of the member.
            #[cold]
            pub(crate) const fn name(number: u16) -> &'static str {
                match number {
                    $($number => concat!($prefix, stringify!($name)),)+
                    _ => concat!($prefix, "?"),
                }
            }
        }
    };
}

numbers! {
    /// `enum ctattr_type`: top level of an entry. `TIMESTAMP_EVENT` came with Linux 6.14.
    cta "CTA_" {
        TUPLE_ORIG = 1, TUPLE_REPLY = 2, STATUS = 3, PROTOINFO = 4, HELP = 5, NAT_SRC = 6, TIMEOUT = 7, MARK = 8,
        COUNTERS_ORIG = 9, COUNTERS_REPLY = 10, USE = 11, ID = 12, NAT_DST = 13, TUPLE_MASTER = 14, SEQ_ADJ_ORIG = 15,
        SEQ_ADJ_REPLY = 16, SECMARK = 17, ZONE = 18, SECCTX = 19, TIMESTAMP = 20, MARK_MASK = 21, LABELS = 22,
        LABELS_MASK = 23, SYNPROXY = 24, FILTER = 25, STATUS_MASK = 26, TIMESTAMP_EVENT = 27,
    }
}

numbers! {
    /// `enum ctattr_tuple`.
    cta_tuple "CTA_TUPLE_" { IP = 1, PROTO = 2, ZONE = 3 }
}

numbers! {
    /// `enum ctattr_ip`.
    cta_ip "CTA_IP_" { V4_SRC = 1, V4_DST = 2, V6_SRC = 3, V6_DST = 4 }
}

numbers! {
    /// `enum ctattr_l4proto`.
    cta_proto "CTA_PROTO_" {
        NUM = 1, SRC_PORT = 2, DST_PORT = 3, ICMP_ID = 4, ICMP_TYPE = 5, ICMP_CODE = 6, ICMPV6_ID = 7, ICMPV6_TYPE = 8,
        ICMPV6_CODE = 9,
    }
}

numbers! {
    /// `enum ctattr_protoinfo`.
    cta_protoinfo "CTA_PROTOINFO_" { TCP = 1, DCCP = 2, SCTP = 3 }
}

numbers! {
    /// `enum ctattr_protoinfo_tcp`.
    cta_protoinfo_tcp "CTA_PROTOINFO_TCP_" {
        STATE = 1, WSCALE_ORIGINAL = 2, WSCALE_REPLY = 3, FLAGS_ORIGINAL = 4, FLAGS_REPLY = 5,
    }
}

numbers! {
    /// `enum ctattr_protoinfo_dccp`.
    cta_protoinfo_dccp "CTA_PROTOINFO_DCCP_" { STATE = 1, ROLE = 2, HANDSHAKE_SEQ = 3, PAD = 4 }
}

numbers! {
    /// `enum ctattr_protoinfo_sctp`.
    cta_protoinfo_sctp "CTA_PROTOINFO_SCTP_" { STATE = 1, VTAG_ORIGINAL = 2, VTAG_REPLY = 3 }
}

numbers! {
    /// `enum ctattr_counters`. The 32-bit members were last written by Linux 2.6.29.
    cta_counters "CTA_COUNTERS_" { PACKETS = 1, BYTES = 2, PACKETS32 = 3, BYTES32 = 4, PAD = 5 }
}

numbers! {
    /// `enum ctattr_tstamp`.
    cta_timestamp "CTA_TIMESTAMP_" { START = 1, STOP = 2, PAD = 3 }
}

numbers! {
    /// `enum ctattr_nat`.
    cta_nat "CTA_NAT_" { V4_MINIP = 1, V4_MAXIP = 2, PROTO = 3, V6_MINIP = 4, V6_MAXIP = 5 }
}

numbers! {
    /// `enum ctattr_protonat`.
    cta_protonat "CTA_PROTONAT_" { PORT_MIN = 1, PORT_MAX = 2 }
}

numbers! {
    /// `enum ctattr_seqadj`.
    cta_seqadj "CTA_SEQADJ_" { CORRECTION_POS = 1, OFFSET_BEFORE = 2, OFFSET_AFTER = 3 }
}

numbers! {
    /// `enum ctattr_synproxy`.
    cta_synproxy "CTA_SYNPROXY_" { ISN = 1, ITS = 2, TSOFF = 3 }
}

numbers! {
    /// `enum ctattr_help`.
    cta_help "CTA_HELP_" { NAME = 1, INFO = 2 }
}

numbers! {
    /// `enum ctattr_secctx`.
    cta_secctx "CTA_SECCTX_" { NAME = 1 }
}

numbers! {
    /// `enum ctattr_filter`.
    cta_filter "CTA_FILTER_" { ORIG_FLAGS = 1, REPLY_FLAGS = 2 }
}

numbers! {
    /// `enum ctattr_expect`: top level of an expectation.
    cta_expect "CTA_EXPECT_" {
        MASTER = 1, TUPLE = 2, MASK = 3, TIMEOUT = 4, ID = 5, HELP_NAME = 6, ZONE = 7, FLAGS = 8, CLASS = 9, NAT = 10,
        FN = 11,
    }
}

numbers! {
    /// `enum ctattr_expect_nat`.
    cta_expect_nat "CTA_EXPECT_NAT_" { DIR = 1, TUPLE = 2 }
}

numbers! {
    /// `enum ctattr_stats_cpu`.
    cta_stats "CTA_STATS_" {
        SEARCHED = 1, FOUND = 2, NEW = 3, INVALID = 4, IGNORE = 5, DELETE = 6, DELETE_LIST = 7, INSERT = 8,
        INSERT_FAILED = 9, DROP = 10, EARLY_DROP = 11, ERROR = 12, SEARCH_RESTART = 13, CLASH_RESOLVE = 14,
        CHAIN_TOOLONG = 15,
    }
}

numbers! {
    /// `enum ctattr_stats_global`.
    cta_stats_global "CTA_STATS_GLOBAL_" { ENTRIES = 1, MAX_ENTRIES = 2 }
}

numbers! {
    /// `enum ctattr_expect_stats`.
    cta_stats_exp "CTA_STATS_EXP_" { NEW = 1, CREATE = 2, DELETE = 3 }
}

numbers! {
    /// `enum cntl_msg_types`.
    ctnl "IPCTNL_MSG_CT_" {
        NEW = 0, GET = 1, DELETE = 2, GET_CTRZERO = 3, GET_STATS_CPU = 4, GET_STATS = 5, GET_DYING = 6,
        GET_UNCONFIRMED = 7,
    }
}

numbers! {
    /// `enum ctnl_exp_msg_types`.
    ctnl_exp "IPCTNL_MSG_EXP_" { NEW = 0, GET = 1, DELETE = 2, GET_STATS_CPU = 3 }
}
