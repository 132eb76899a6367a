//! A conntrack entry as the kernel reported it. Values are converted only when they are read.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::bindings::ctwarden::conntrack::types as wit;
use crate::{DccpState, Endpoints, Family, Protocol, SctpState, Status, TcpState, Timestamp};

/// How the host learned of an entry: from a sweep or from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A row of a sweep: the entry as it is now.
    Row,
    /// The event of a new entry.
    New,
    /// The event of a changed entry. It carries what changed.
    Update,
    /// The event of a removed entry.
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

/// Accounting of one direction (`CTA_COUNTERS_*`), with `net.netfilter.nf_conntrack_acct=1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counters {
    /// Number of packets since the flow began.
    pub packets: u64,
    /// Bytes at layer 3, headers included.
    pub bytes: u64,
}

/// The fields of an ICMP or ICMPv6 query that conntrack keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Icmp {
    /// Identifier of the query.
    pub id: u16,
    /// Type of the message.
    pub kind: u8,
    /// Code of the message.
    pub code: u8,
}

/// One entry of the conntrack table.
///
/// A value that the kernel left out is `None`, never zero. Events carry few values. A new entry has addresses, status,
/// timeout and state. An update has little more than what changed. Only the end has counters (with
/// `net.netfilter.nf_conntrack_acct=1`). [`FlowKey::fetch`] asks the kernel for the whole entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry(wit::Flow);

impl Entry {
    pub(crate) const fn from_wit(record: wit::Flow) -> Self {
        Self(record)
    }

    /// Returns how the host learned of the entry.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::from_wit(self.0.kind)
    }

    /// Whether a verdict of this host caused the event. Such events arrive only with [`own_changes`].
    ///
    /// [`own_changes`]: crate::Subscription::own_changes
    #[must_use]
    pub const fn by_us(&self) -> bool {
        self.0.by_us
    }

    /// Returns the kernel's id (`CTA_ID`), unique among the entries that exist at one time.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.0.id
    }

    /// Returns the conntrack zone, 0 by default.
    #[must_use]
    pub const fn zone(&self) -> u16 {
        self.0.zone
    }

    /// Returns the IP protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.0.protocol)
    }

    /// Whether the protocol is TCP.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.protocol() == Protocol::TCP
    }

    /// Whether the protocol is UDP.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        self.protocol() == Protocol::UDP
    }

    /// Returns the direction of the first packet, as it was sent: `src` is its sender.
    #[must_use]
    #[inline]
    pub fn original(&self) -> Endpoints {
        self.0.original.into()
    }

    /// Returns the direction of the answers, as the kernel expects them on the wire, after NAT: `src` is their sender.
    #[must_use]
    #[inline]
    pub fn reply(&self) -> Endpoints {
        self.0.reply.into()
    }

    /// Returns the address of the sender of the first packet.
    #[must_use]
    #[inline]
    pub fn src(&self) -> IpAddr {
        self.0.original.src.into()
    }

    /// Returns the address to which the first packet was sent, before NAT.
    #[must_use]
    #[inline]
    pub fn dst(&self) -> IpAddr {
        self.0.original.dst.into()
    }

    /// Returns the source port of the first packet. `None` if the protocol has no ports.
    #[must_use]
    pub fn src_port(&self) -> Option<u16> {
        self.protocol().has_ports().then_some(self.0.original.src_port)
    }

    /// Returns the destination port of the first packet: the service. `None` if the protocol has no ports.
    #[must_use]
    pub fn dst_port(&self) -> Option<u16> {
        self.protocol().has_ports().then_some(self.0.original.dst_port)
    }

    /// Returns the four addresses of both directions. Without NAT, the last two repeat the first two.
    #[must_use]
    #[inline]
    pub fn addresses(&self) -> [IpAddr; 4] {
        let (original, reply) = (&self.0.original, &self.0.reply);
        [original.src.into(), original.dst.into(), reply.src.into(), reply.dst.into()]
    }

    /// Returns the address family of the flow.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.0.original.src {
            wit::IpAddress::Ipv4(_) => Family::Ipv4,
            wit::IpAddress::Ipv6(_) => Family::Ipv6,
        }
    }

    /// Returns identifier, type and code of the query. `None` if the protocol is neither ICMP nor ICMPv6.
    #[must_use]
    pub fn icmp(&self) -> Option<Icmp> {
        let [kind, code] = self.0.original.dst_port.to_be_bytes();
        let icmp = self.protocol() == Protocol::ICMP || self.protocol() == Protocol::ICMPV6;
        icmp.then_some(Icmp { id: self.0.original.src_port, kind, code })
    }

    /// Returns the status bits. `None` if the event did not carry them.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.0.status.map(Status)
    }

    /// Whether all of these status bits are known to be set.
    #[must_use]
    pub fn has(&self, status: Status) -> bool {
        self.status().is_some_and(|present| present.contains(status))
    }

    /// Returns the state number of the protocol: `TCP_CONNTRACK_*`, `SCTP_CONNTRACK_*` or `CT_DCCP_*`.
    #[must_use]
    pub const fn state(&self) -> Option<u8> {
        self.0.state
    }

    /// Returns the TCP state. `None` if the protocol is not TCP or the event did not carry a state.
    #[must_use]
    pub fn tcp_state(&self) -> Option<TcpState> {
        self.0.state.filter(|_| self.is_tcp()).map(TcpState)
    }

    /// Returns the SCTP state. `None` if the protocol is not SCTP or the event did not carry a state.
    #[must_use]
    pub fn sctp_state(&self) -> Option<SctpState> {
        self.0.state.filter(|_| self.protocol() == Protocol::SCTP).map(SctpState)
    }

    /// Returns the DCCP state. `None` if the protocol is not DCCP or the event did not carry a state.
    #[must_use]
    pub fn dccp_state(&self) -> Option<DccpState> {
        self.0.state.filter(|_| self.protocol() == Protocol::DCCP).map(DccpState)
    }

    /// Returns the seconds until the entry expires if no packet renews it.
    #[must_use]
    pub const fn timeout(&self) -> Option<u32> {
        self.0.timeout
    }

    /// Returns the mark. Events leave out a mark of 0 that did not change.
    #[must_use]
    pub const fn mark(&self) -> Option<u32> {
        self.0.mark
    }

    /// Returns the accounting of the original direction.
    #[must_use]
    pub fn original_counters(&self) -> Option<Counters> {
        self.0.original_counters.map(Counters::from)
    }

    /// Returns the accounting of the reply direction.
    #[must_use]
    pub fn reply_counters(&self) -> Option<Counters> {
        self.0.reply_counters.map(Counters::from)
    }

    /// Returns when the flow began, with `net.netfilter.nf_conntrack_timestamp=1`.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        self.0.started.map(Timestamp)
    }

    /// Returns when the flow ended: only in [`Kind::Destroy`] events, with the same setting.
    #[must_use]
    pub fn stopped(&self) -> Option<Timestamp> {
        self.0.stopped.map(Timestamp)
    }

    /// Returns the key that names the flow in a verdict of a later call.
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

/// Names one flow outside the call that delivered it.
///
/// The host looks up the entry before it acts, and checks protections against the entry that the kernel has. A later
/// flow with the same addresses and ports and another id is not hit: the outcome is `replaced`. Linux may give a later
/// flow the same id. That flow is not hit either in two cases: the host learned of the first flow's end after it last
/// delivered an entry with this key to the policy, or the entry says that it began later
/// (`net.netfilter.nf_conntrack_timestamp=1`). A policy that keeps keys should forget them at
/// [`Kind::Destroy`](crate::Kind::Destroy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    /// The kernel's id (`CTA_ID`).
    pub id: u32,
    /// Conntrack zone, 0 by default.
    pub zone: u16,
    /// IP protocol of the flow.
    pub protocol: Protocol,
    /// Original direction of the flow.
    pub original: Endpoints,
}

/// Hashes the id and the ports, and no addresses: a map of a million flows should not spend its time on them. The id
/// alone separates nearly all flows. The ports separate flows without an id, as in a table from a file.
impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.original.src_port.hash(state);
        self.original.dst_port.hash(state);
    }
}

impl FlowKey {
    /// Asks the kernel for the whole entry as it is now. `None` if the entry is gone or has another id. Each call costs
    /// a system call.
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
