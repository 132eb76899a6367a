//! The reasons why an entry has no save line that can be read back.
//!
//! A new entry needs its timeout and, depending on its protocol, state, tags and role. The kernel creates no entry
//! without them. An offloaded flow has no timeout, and the text form of SCTP has no tags. A refused line stops the load
//! of the whole file. So the command leaves out such a line and counts it.

use core::fmt;

use ctwarden_model::{EventKind, Flow, Layer4, Protocol, ProtocolInfo, Rare, Tuple};

use super::extra::is_word;

/// A part that is missing, or that no words can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// The timeout is missing: offloaded flows have none.
    Timeout,
    /// The state of TCP, SCTP or DCCP is missing.
    State,
    /// The verification tags of SCTP are missing.
    Tags,
    /// The role of DCCP is missing or has a number without a word.
    Role,
    /// The ports, keys or ICMP message are missing, or belong to another protocol.
    Ports,
    /// The words cannot express the reply tuple.
    Reply,
    /// The line is a change, which identifies the flow by its tuple only, and the flow is in a zone.
    Zone,
    /// The words cannot express another part, such as the helper, the master or the window scale.
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

/// Whether the tuple has exactly the parts that its protocol has.
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

/// Whether the words express the whole reply. There are no words for a protocol of the reply, nor for type and code of
/// its ICMP message.
fn is_reply(original: &Tuple, reply: &Tuple) -> bool {
    let message = |tuple: &Tuple| match tuple.layer4 {
        Layer4::Icmp { kind, code, .. } => Some((kind, code)),
        Layer4::None | Layer4::Ports { .. } | Layer4::Keys { .. } => None,
    };
    let one_family =
        [reply.src, original.dst, reply.dst].iter().all(|address| address.is_ipv4() == original.src.is_ipv4());
    one_family && original.protocol == reply.protocol && message(&original.reversed()) == message(reply)
}

/// Checks the parts that the kernel requires for a new entry of the protocol.
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

/// Checks that the flow is in no zone. `-U` takes no zone, and would change flows with this tuple in every zone.
fn of_zone(flow: &Flow) -> Option<Lack> {
    let zones = flow.rare.as_deref().map(|rare| rare.zones).unwrap_or_default();
    let any = flow.zone.0 != 0 || zones.original.is_some() || zones.reply.is_some();
    any.then_some(Lack::Zone)
}

/// Checks the parts for which only some values have words.
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
