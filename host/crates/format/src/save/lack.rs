//! What an entry lacks for a line that can be read back.
//!
//! A new entry needs its timeout and, depending on its protocol, state, tags and role: the kernel creates none without them.
//! An offloaded flow has no timeout, and a text of SCTP has no tags. A refused line stops the load of the whole file, so it
//! is better to leave the line out and count it.

use core::fmt;

use ctwarden_model::{EventKind, Flow, Layer4, Protocol, ProtocolInfo, Rare, Tuple};

use super::extra::is_word;

/// A part that is missing, or that no words can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// No timeout: offloaded flows have none.
    Timeout,
    /// No state of TCP, SCTP or DCCP.
    State,
    /// No verification tags of SCTP.
    Tags,
    /// No role of DCCP.
    Role,
    /// No ports, keys or ICMP message, or those of another protocol.
    Ports,
    /// The words cannot express the reply tuple.
    Reply,
    /// A zone, if only the tuple can identify the flow.
    Zone,
    /// A part that the words cannot express.
    Words,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "without a timeout, as offloaded flows are",
            Self::State => "without the state of its protocol",
            Self::Tags => "of SCTP without verification tags",
            Self::Role => "of DCCP without its role",
            Self::Ports => "without what its protocol has for ports",
            Self::Reply => "whose reply has no words",
            Self::Zone => "of a zone, in which no command changes an entry",
            Self::Words => "with a helper, a master or a window scale that has no words",
        })
    }
}

/// The largest window scale (RFC 7323, section 2.3).
const SCALE_MAX: u8 = 14;

/// Why the line of a flow cannot be read back; `None` if it can.
#[must_use]
pub fn lack(flow: &Flow, kind: EventKind) -> Option<Lack> {
    let (original, reply) = (&flow.tuples.original, &flow.tuples.reply);
    if !has_parts(original) || !has_parts(reply) {
        return Some(Lack::Ports);
    }
    if !is_reply(original, reply) {
        return Some(Lack::Reply);
    }
    match kind {
        EventKind::Row | EventKind::New => {
            if flow.timeout.is_none() {
                return Some(Lack::Timeout);
            }
            of_protocol(flow).or_else(|| of_words(flow))
        }
        EventKind::Update => of_zone(flow).or_else(|| of_words(flow)),
        EventKind::Destroy => None,
    }
}

/// Whether a tuple has what its protocol has, and nothing else.
const fn has_parts(tuple: &Tuple) -> bool {
    match tuple.layer4 {
        Layer4::None => {
            !tuple.protocol.has_ports() && !matches!(tuple.protocol, Protocol::ICMP | Protocol::ICMPV6 | Protocol::GRE)
        }
        Layer4::Ports { .. } => tuple.protocol.has_ports(),
        Layer4::Icmp { .. } => matches!(tuple.protocol, Protocol::ICMP | Protocol::ICMPV6),
        Layer4::Keys { .. } => matches!(tuple.protocol, Protocol::GRE),
    }
}

/// Whether the words for the reply tell all of it: there are none for its protocol, nor for type and code of its message.
fn is_reply(original: &Tuple, reply: &Tuple) -> bool {
    let message = |tuple: &Tuple| match tuple.layer4 {
        Layer4::Icmp { kind, code, .. } => Some((kind, code)),
        Layer4::None | Layer4::Ports { .. } | Layer4::Keys { .. } => None,
    };
    let one_family =
        [reply.src, original.dst, reply.dst].iter().all(|address| address.is_ipv4() == original.src.is_ipv4());
    one_family && original.protocol == reply.protocol && message(&original.reversed()) == message(reply)
}

/// What a new entry of the protocol cannot be without.
const fn of_protocol(flow: &Flow) -> Option<Lack> {
    match (flow.protocol(), &flow.info) {
        (Protocol::TCP, Some(ProtocolInfo::Tcp { state: Some(_), .. })) => None,
        (Protocol::SCTP, Some(ProtocolInfo::Sctp { state: Some(_), vtag })) => {
            if vtag.original.is_some() && vtag.reply.is_some() { None } else { Some(Lack::Tags) }
        }
        (Protocol::DCCP, Some(ProtocolInfo::Dccp { state: Some(_), role, .. })) => {
            if matches!(role, Some(0 | 1)) {
                None
            } else {
                Some(Lack::Role)
            }
        }
        (Protocol::TCP | Protocol::SCTP | Protocol::DCCP, _) => Some(Lack::State),
        (Protocol(_), _) => None,
    }
}

/// `-U` takes no zone, and would change a flow of the same tuple in each of them.
fn of_zone(flow: &Flow) -> Option<Lack> {
    let zones = flow.rare.as_deref().map(|rare| rare.zones).unwrap_or_default();
    let any = flow.zone.0 != 0 || zones.original.is_some() || zones.reply.is_some();
    any.then_some(Lack::Zone)
}

/// What of an entry only some values can be told.
fn of_words(flow: &Flow) -> Option<Lack> {
    let scales = match &flow.info {
        Some(ProtocolInfo::Tcp { window_scale, .. }) => [window_scale.original, window_scale.reply],
        Some(ProtocolInfo::Sctp { .. } | ProtocolInfo::Dccp { .. }) | None => [None; 2],
    };
    let one_family = |master: &Tuple| master.src.is_ipv4() == master.dst.is_ipv4();
    let is_told = |rare: &Rare| {
        rare.helper.as_deref().is_none_or(is_word)
            && rare.master.as_ref().is_none_or(|master| has_parts(master) && one_family(master))
    };
    let is_own = match (flow.protocol(), &flow.info) {
        (_, None)
        | (Protocol::TCP, Some(ProtocolInfo::Tcp { .. }))
        | (Protocol::SCTP, Some(ProtocolInfo::Sctp { .. }))
        | (Protocol::DCCP, Some(ProtocolInfo::Dccp { .. })) => true,
        (Protocol(_), Some(_)) => false,
    };
    let all = is_own
        && scales.into_iter().flatten().all(|scale| scale <= SCALE_MAX)
        && flow.rare.as_deref().is_none_or(is_told);
    (!all).then_some(Lack::Words)
}
