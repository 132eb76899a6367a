//! Options of single protocols, and the commands that accept them.
//!
//! `-p` makes a protocol's options known. If `-p` is repeated, the options of both protocols are known and the last
//! protocol interprets all of them, by their codes. The codes are those of conntrack 1.4.9, so the result is the same
//! even in that case.

use ctwarden_model::Protocol;

use super::verb::{Verb, Verbs};

/// A protocol with options of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolDefinition {
    pub protocol: Protocol,
    /// Name for `-p`, in any case.
    pub name: &'static str,
    /// Its options, in the order in which mistakes are checked.
    pub options: &'static [ProtocolOption],
    /// Names of an incomplete pair in messages: of the original and of the reply direction. `None`: the protocol has no
    /// pairs.
    pub(super) pairs: Option<[(&'static str, &'static str); 2]>,
}

/// An option of a protocol; it always takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolOption {
    /// Long names; messages use the first one.
    pub long: &'static [&'static str],
    /// Name of its value.
    pub value: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Commands that require it.
    pub required: Verbs,
    /// Commands that require this option together with the other one of its direction.
    pub paired: Verbs,
    /// Commands that accept it.
    pub optional: Verbs,
    /// Whether conntrack 1.4.9 lacks it.
    pub ours: bool,
    /// The code by which the last `-p` interprets it.
    pub(super) code: u8,
    pub(super) part: Part,
}

/// What an option of a protocol sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    OriginalSrc,
    OriginalDst,
    ReplySrc,
    ReplyDst,
    MaskSrc,
    MaskDst,
    TupleSrc,
    TupleDst,
    State,
    OriginalVtag,
    ReplyVtag,
    Role,
    IcmpType,
    IcmpCode,
    IcmpId,
    ReplyIcmpId,
    OriginalScale,
    ReplyScale,
    OriginalFlags,
    ReplyFlags,
    HandshakeSequence,
}

use Verb::{Add, Create, CreateExpectation, Delete, DeleteExpectation, Event, Get, GetExpectation, List, Update};

const MANY: &[Verb] = &[List, Update, Delete, Event];
const ONE: &[Verb] = &[Create, Add, Get];
const CREATE: &[Verb] = &[Create, Add];
const EXPECTED: &[Verb] = &[CreateExpectation];
const EXPECTATION: &[Verb] = &[CreateExpectation, DeleteExpectation, GetExpectation];
const SAVED: &[Verb] = &[Create, Add, Update, Delete];

const fn option(
    code: u8,
    part: Part,
    long: &'static [&'static str],
    value: &'static str,
    help: &'static str,
) -> ProtocolOption {
    ProtocolOption {
        long,
        value,
        help,
        required: Verbs::NONE,
        paired: Verbs::NONE,
        optional: Verbs::NONE,
        ours: false,
        code,
        part,
    }
}

impl ProtocolOption {
    const fn may(mut self, verbs: &[Verb]) -> Self {
        self.optional = Verbs::of(verbs);
        self
    }

    const fn must(mut self, verbs: &[Verb]) -> Self {
        self.required = Verbs::of(verbs);
        self
    }

    const fn pair(mut self, verbs: &[Verb]) -> Self {
        self.paired = Verbs::of(verbs);
        self
    }

    /// Marks an option of ctwarden's own: an option of saved lines.
    const fn saved(mut self) -> Self {
        self.optional = Verbs::of(SAVED);
        self.ours = true;
        self
    }
}

/// The four ports of a flow, starting with that code.
const fn ports(first: u8) -> [ProtocolOption; 4] {
    [
        option(first, Part::OriginalSrc, &["sport", "orig-port-src"], "PORT", "Source port, original direction")
            .may(MANY)
            .pair(ONE)
            .must(EXPECTATION),
        option(
            first + 1,
            Part::OriginalDst,
            &["dport", "orig-port-dst"],
            "PORT",
            "Destination port, original direction",
        )
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
        option(first + 2, Part::ReplySrc, &["reply-port-src"], "PORT", "Source port, reply direction")
            .may(MANY)
            .pair(ONE)
            .must(&[DeleteExpectation, GetExpectation]),
        option(first + 3, Part::ReplyDst, &["reply-port-dst"], "PORT", "Destination port, reply direction")
            .may(MANY)
            .pair(ONE)
            .must(&[DeleteExpectation, GetExpectation]),
    ]
}

const fn masks(first: u8) -> [ProtocolOption; 2] {
    [
        option(first, Part::MaskSrc, &["mask-port-src"], "PORT", "Mask of the expected source port").must(EXPECTED),
        option(first + 1, Part::MaskDst, &["mask-port-dst"], "PORT", "Mask of the expected destination port")
            .must(EXPECTED),
    ]
}

const fn tuple(first: u8) -> [ProtocolOption; 2] {
    [
        option(first, Part::TupleSrc, &["tuple-port-src"], "PORT", "Source port of the expected flow").must(EXPECTED),
        option(first + 1, Part::TupleDst, &["tuple-port-dst"], "PORT", "Destination port of the expected flow")
            .must(EXPECTED),
    ]
}

const fn state(code: u8, help: &'static str) -> ProtocolOption {
    option(code, Part::State, &["state"], "STATE", help).may(&[List, Update, Delete, Get, Event]).must(CREATE)
}

/// Codes of ctwarden's own options are above all others.
const OURS: u8 = 200;

const TCP: &[ProtocolOption] = {
    let [a, b, c, d] = ports(b'1');
    let [e, f] = masks(b'5');
    let [h, i] = tuple(b'8');
    let g = state(
        b'7',
        "NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2 or LISTEN",
    );
    &[
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        option(OURS, Part::OriginalScale, &["orig-wscale"], "NUMBER", "Window scale, original direction").saved(),
        option(OURS + 1, Part::ReplyScale, &["reply-wscale"], "NUMBER", "Window scale, reply direction").saved(),
        option(
            OURS + 2,
            Part::OriginalFlags,
            &["orig-tcp-flags"],
            "NUMBER",
            "Flags of the TCP tracker, original direction",
        )
        .saved(),
        option(OURS + 3, Part::ReplyFlags, &["reply-tcp-flags"], "NUMBER", "Flags of the TCP tracker, reply direction")
            .saved(),
    ]
};

const UDP: &[ProtocolOption] = {
    let [a, b, c, d] = ports(b'1');
    let [e, f] = masks(b'5');
    let [g, h] = tuple(b'7');
    &[a, b, c, d, e, f, g, h]
};

const SCTP: &[ProtocolOption] = {
    let [a, b, c, d] = ports(1);
    let [e, f] = masks(5);
    let [h, i] = tuple(8);
    let g = state(
        7,
        "NONE, CLOSED, COOKIE_WAIT, COOKIE_ECHOED, ESTABLISHED, SHUTDOWN_SENT, SHUTDOWN_RECD, SHUTDOWN_ACK_SENT, HEARTBEAT_SENT or HEARTBEAT_ACKED",
    );
    const TAGGED: &[Verb] = &[Create, Add, CreateExpectation];
    &[
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        option(10, Part::OriginalVtag, &["orig-vtag"], "NUMBER", "Verification tag, original direction")
            .may(&[Update, Get])
            .must(TAGGED),
        option(11, Part::ReplyVtag, &["reply-vtag"], "NUMBER", "Verification tag, reply direction")
            .may(&[Update, Get])
            .must(TAGGED),
    ]
};

const DCCP: &[ProtocolOption] = {
    let [a, b, c, d] = ports(1);
    let [e, f] = masks(5);
    let [h, i] = tuple(8);
    let g = state(7, "NONE, REQUEST, RESPOND, PARTOPEN, OPEN, CLOSEREQ, CLOSING, TIMEWAIT, IGNORE or INVALID");
    &[
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        option(10, Part::Role, &["role"], "ROLE", "Role of the original direction: client or server").must(&[
            Create,
            Add,
            CreateExpectation,
        ]),
        option(OURS + 4, Part::HandshakeSequence, &["handshake-seq"], "NUMBER", "Sequence number of the handshake")
            .saved(),
    ]
};

const GRE: &[ProtocolOption] = &[
    option(b'1', Part::OriginalSrc, &["srckey", "orig-key-src"], "KEY", "Source key, original direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(b'2', Part::OriginalDst, &["dstkey", "orig-key-dst"], "KEY", "Destination key, original direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(b'3', Part::ReplySrc, &["reply-key-src"], "KEY", "Source key, reply direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(b'4', Part::ReplyDst, &["reply-key-dst"], "KEY", "Destination key, reply direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(b'5', Part::MaskSrc, &["mask-key-src"], "KEY", "Mask of the expected source key").must(EXPECTED),
    option(b'6', Part::MaskDst, &["mask-key-dst"], "KEY", "Mask of the expected destination key").must(EXPECTED),
    option(b'7', Part::TupleSrc, &["tuple-key-src"], "KEY", "Source key of the expected flow").must(EXPECTED),
    option(b'8', Part::TupleDst, &["tuple-key-dst"], "KEY", "Destination key of the expected flow").must(EXPECTED),
];

const fn icmp(names: [&'static [&'static str]; 3]) -> [ProtocolOption; 4] {
    let [kind, code, id] = names;
    const ASKED: &[Verb] = &[List, Update, Delete, Event, Create, Add, Get];
    [
        option(b'1', Part::IcmpType, kind, "NUMBER", "Message type").may(MANY).must(ONE),
        option(b'2', Part::IcmpCode, code, "NUMBER", "Message code").may(MANY).must(ONE),
        option(b'3', Part::IcmpId, id, "NUMBER", "Identifier").may(ASKED),
        option(OURS + 5, Part::ReplyIcmpId, &["reply-icmp-id"], "NUMBER", "Identifier, reply direction").saved(),
    ]
}

const ICMP: &[ProtocolOption] = &icmp([&["icmp-type"], &["icmp-code"], &["icmp-id"]]);
const ICMPV6: &[ProtocolOption] = &icmp([&["icmpv6-type"], &["icmpv6-code"], &["icmpv6-id"]]);

const PORTS: Option<[(&str, &str); 2]> = Some([("sport", "dport"), ("reply-src-port", "reply-dst-port")]);

const fn protocol(
    protocol: Protocol,
    name: &'static str,
    options: &'static [ProtocolOption],
    pairs: Option<[(&'static str, &'static str); 2]>,
) -> ProtocolDefinition {
    ProtocolDefinition { protocol, name, options, pairs }
}

/// Protocols with options of their own. The messages about incomplete pairs are those of 1.4.9, typing errors included.
pub const PROTOCOLS: &[ProtocolDefinition] = &[
    protocol(Protocol::TCP, "tcp", TCP, PORTS),
    protocol(Protocol::UDP, "udp", UDP, PORTS),
    protocol(Protocol::UDPLITE, "udplite", UDP, PORTS),
    protocol(Protocol::SCTP, "sctp", SCTP, PORTS),
    protocol(Protocol::DCCP, "dccp", DCCP, Some([("sport", "dport"), ("reply-port-src", "report-port-dst")])),
    protocol(Protocol::ICMP, "icmp", ICMP, None),
    protocol(Protocol::ICMPV6, "icmpv6", ICMPV6, None),
    protocol(Protocol::GRE, "gre", GRE, Some([("srckey", "dstkey"), ("reply-src-key", "reply-dst-key")])),
];
