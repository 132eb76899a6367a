//! A conntrack entry as the kernel told it; nothing is converted before it is asked for.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::bindings::ctwarden::policy::types as wit;
use crate::{DccpState, Endpoints, Family, Protocol, SctpState, Status, TcpState, Timestamp};

/// How an entry came to the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A row of a sweep: the entry as it is now.
    Row,
    /// First seen.
    New,
    /// Changed; it carries what changed.
    Update,
    /// Gone.
    Destroy,
}

impl Kind {
    pub(crate) const fn from_wit(kind: wit::Kind) -> Self {
        match kind {
            wit::Kind::Row => Self::Row,
            wit::Kind::New => Self::New,
            wit::Kind::Update => Self::Update,
            wit::Kind::Destroy => Self::Destroy,
        }
    }
}

/// Accounting of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes at layer 3, headers included.
    pub bytes: u64,
}

/// What conntrack keeps of an ICMP or ICMPv6 query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Icmp {
    /// Identifier.
    pub id: u16,
    /// Type of the message.
    pub kind: u8,
    /// Code of the message.
    pub code: u8,
}

/// One conntrack entry.
///
/// What the kernel left out is `None`, never zero. Events are thin: a new entry has addresses, status, timeout and state,
/// an update little more than what changed, and counters come only at the end (with `net.netfilter.nf_conntrack_acct=1`).
/// [`FlowKey::fetch`] asks for the whole entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry(wit::Flow);

impl Entry {
    pub(crate) const fn from_wit(record: wit::Flow) -> Self {
        Self(record)
    }

    /// How it came.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::from_wit(self.0.kind)
    }

    /// Whether a verdict of this host caused the event. Such events come only with [`own_changes`].
    ///
    /// [`own_changes`]: crate::Subscription::own_changes
    #[must_use]
    pub const fn by_us(&self) -> bool {
        self.0.by_us
    }

    /// The kernel's id, unique among the entries that live.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.0.id
    }

    /// Conntrack zone, 0 by default.
    #[must_use]
    pub const fn zone(&self) -> u16 {
        self.0.zone
    }

    /// IP protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.0.protocol)
    }

    /// Whether it is TCP.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.protocol() == Protocol::TCP
    }

    /// Whether it is UDP.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        self.protocol() == Protocol::UDP
    }

    /// As the first packet was sent: its sender is `src`.
    #[must_use]
    #[inline]
    pub fn original(&self) -> Endpoints {
        self.0.original.into()
    }

    /// As an answer is expected on the wire, after NAT: its sender is `src`.
    #[must_use]
    #[inline]
    pub fn reply(&self) -> Endpoints {
        self.0.reply.into()
    }

    /// Who sent the first packet.
    #[must_use]
    #[inline]
    pub fn src(&self) -> IpAddr {
        self.0.original.src.into()
    }

    /// To whom the first packet was sent, before NAT.
    #[must_use]
    #[inline]
    pub fn dst(&self) -> IpAddr {
        self.0.original.dst.into()
    }

    /// Sender's port of the first packet, where the protocol has ports.
    #[must_use]
    pub fn src_port(&self) -> Option<u16> {
        self.protocol().has_ports().then_some(self.0.original.src_port)
    }

    /// Receiver's port of the first packet, where the protocol has ports: the service.
    #[must_use]
    pub fn dst_port(&self) -> Option<u16> {
        self.protocol().has_ports().then_some(self.0.original.dst_port)
    }

    /// The four addresses of both directions; without NAT the last two repeat the first.
    #[must_use]
    #[inline]
    pub fn addresses(&self) -> [IpAddr; 4] {
        let (original, reply) = (&self.0.original, &self.0.reply);
        [original.src.into(), original.dst.into(), reply.src.into(), reply.dst.into()]
    }

    /// Family of its addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.0.original.src {
            wit::IpAddress::Ipv4(_) => Family::Ipv4,
            wit::IpAddress::Ipv6(_) => Family::Ipv6,
        }
    }

    /// Identifier, type and code of the query, with ICMP and ICMPv6.
    #[must_use]
    pub fn icmp(&self) -> Option<Icmp> {
        let [kind, code] = self.0.original.dst_port.to_be_bytes();
        let icmp = self.protocol() == Protocol::ICMP || self.protocol() == Protocol::ICMPV6;
        icmp.then_some(Icmp { id: self.0.original.src_port, kind, code })
    }

    /// Status bits.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.0.status.map(Status)
    }

    /// Whether all of these status bits are known to be set.
    #[must_use]
    pub fn has(&self, status: Status) -> bool {
        self.status().is_some_and(|present| present.contains(status))
    }

    /// The protocol's own state number.
    #[must_use]
    pub const fn state(&self) -> Option<u8> {
        self.0.state
    }

    /// TCP's state.
    #[must_use]
    pub fn tcp_state(&self) -> Option<TcpState> {
        self.0.state.filter(|_| self.is_tcp()).map(TcpState)
    }

    /// SCTP's state.
    #[must_use]
    pub fn sctp_state(&self) -> Option<SctpState> {
        self.0.state.filter(|_| self.protocol() == Protocol::SCTP).map(SctpState)
    }

    /// DCCP's state.
    #[must_use]
    pub fn dccp_state(&self) -> Option<DccpState> {
        self.0.state.filter(|_| self.protocol() == Protocol::DCCP).map(DccpState)
    }

    /// Seconds until it expires, unless a packet comes.
    #[must_use]
    pub const fn timeout(&self) -> Option<u32> {
        self.0.timeout
    }

    /// Its mark. Events leave out a mark of 0 that did not change.
    #[must_use]
    pub const fn mark(&self) -> Option<u32> {
        self.0.mark
    }

    /// Accounting of the original direction.
    #[must_use]
    pub fn original_counters(&self) -> Option<Counters> {
        self.0.original_counters.map(Counters::from)
    }

    /// Accounting of the reply direction.
    #[must_use]
    pub fn reply_counters(&self) -> Option<Counters> {
        self.0.reply_counters.map(Counters::from)
    }

    /// When it began, with `net.netfilter.nf_conntrack_timestamp=1`.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        self.0.started.map(Timestamp)
    }

    /// When it ended, at its end, with the same setting.
    #[must_use]
    pub fn stopped(&self) -> Option<Timestamp> {
        self.0.stopped.map(Timestamp)
    }

    /// What names it in a verdict of a later call.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        FlowKey { id: self.0.id, zone: self.0.zone, protocol: self.protocol(), original: self.original() }
    }
}

impl From<wit::Counters> for Counters {
    fn from(counters: wit::Counters) -> Self {
        Self { packets: counters.packets, bytes: counters.bytes }
    }
}

/// Names one flow beyond the call that delivered it.
///
/// The host looks the entry up before it does anything, and judges protections by what the kernel has. A later flow with the same
/// addresses and ports and another id is not hit: the outcome is `replaced`. Linux may give it the same id. It is not hit either
/// where the host has heard of the first flow's end since this policy was last handed an entry of that name, or where the entry
/// tells that it began later (`net.netfilter.nf_conntrack_timestamp=1`). A policy that keeps keys forgets them at
/// [`Kind::Destroy`](crate::Kind::Destroy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    /// The kernel's id.
    pub id: u32,
    /// Conntrack zone.
    pub zone: u16,
    /// IP protocol.
    pub protocol: Protocol,
    /// The original direction.
    pub original: Endpoints,
}

/// The id alone tells nearly all flows apart, and the ports those that have none, as in a table from a file: a map of a million
/// flows should not spend its time on hashing addresses.
impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.original.src_port.hash(state);
        self.original.dst_port.hash(state);
    }
}

impl FlowKey {
    /// Asks the kernel for the whole entry as it is now; none where it is gone. Costs a system call.
    #[must_use]
    pub fn fetch(self) -> Option<Entry> {
        crate::host::details::get(self.into()).map(Entry)
    }
}

impl From<FlowKey> for wit::FlowKey {
    fn from(key: FlowKey) -> Self {
        Self { id: key.id, zone: key.zone, protocol: key.protocol.0, original: key.original.into() }
    }
}
