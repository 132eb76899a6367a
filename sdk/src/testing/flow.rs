//! Flows for tests, built step by step.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bindings::ctwarden::conntrack::types as wit;
use crate::{Endpoints, Entry, Family, FlowKey, FlowTuple, Protocol, Status, TcpState, Timestamp};

/// A flow to deliver to a policy. By default it is a new TCP connection without an answer and without NAT, with an id
/// of its own.
#[derive(Clone, Debug)]
#[must_use]
pub struct FlowBuilder {
    pub(crate) record: wit::Flow,
    original: Endpoints,
    reply_src: Option<SocketAddr>,
    reply_dst: Option<SocketAddr>,
    pub(crate) rare: Rare,
}

/// Attributes that a policy reads by one call of the host each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    pub(crate) helper: Option<String>,
    pub(crate) labels: Option<u128>,
    pub(crate) security_context: Option<String>,
    pub(crate) master: Option<FlowTuple>,
    pub(crate) zones: Option<(u16, u16)>,
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
}

/// Returns a new TCP connection from 192.0.2.1:40000 to 198.51.100.1:443, to be changed.
pub fn flow() -> FlowBuilder {
    static NEXT_ID: AtomicU32 = AtomicU32::new(1);
    let original = Endpoints {
        src: IpAddr::from([192, 0, 2, 1]),
        dst: IpAddr::from([198, 51, 100, 1]),
        src_port: 40_000,
        dst_port: 443,
    };
    let record = wit::Flow {
        kind: wit::Kind::New,
        by_us: false,
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        zone: 0,
        protocol: Protocol::TCP.0,
        original: original.into(),
        reply: original.reversed().into(),
        status: Some(Status::CONFIRMED.0),
        state: Some(TcpState::SYN_SENT.0),
        timeout: Some(120),
        mark: None,
        original_counters: None,
        reply_counters: None,
        started: None,
        stopped: None,
    };
    FlowBuilder { record, original, reply_src: None, reply_dst: None, rare: Rare::default() }
}

impl FlowBuilder {
    /// Sets the protocol. A protocol other than TCP has no state.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.record.protocol = protocol.0;
        self.record.state = (protocol == Protocol::TCP).then_some(TcpState::SYN_SENT.0);
        self
    }

    /// Sets the protocol to TCP, in state SYN_SENT.
    pub fn tcp(self) -> Self {
        self.protocol(Protocol::TCP)
    }

    /// Sets the protocol to UDP, without a state.
    pub fn udp(self) -> Self {
        self.protocol(Protocol::UDP)
    }

    /// Makes the flow an echo request with this identifier: ICMP, or ICMPv6 if the addresses are IPv6.
    pub fn ping(mut self, id: u16) -> Self {
        self.original.src_port = id;
        self.original.dst_port = 0;
        self.protocol(Protocol::ICMP)
    }

    /// Sets the sender of the first packet: `192.0.2.1:4000`, `[2001:db8::1]:4000`, or an address alone.
    ///
    /// # Panics
    /// The text is neither an address nor an address and a port.
    #[track_caller]
    pub fn from(mut self, sender: &str) -> Self {
        let sender = socket(sender, self.original.src_port);
        (self.original.src, self.original.src_port) = (sender.ip(), sender.port());
        self
    }

    /// Sets the receiver of the first packet, written as in [`from`](Self::from).
    ///
    /// # Panics
    /// The text is neither an address nor an address and a port.
    #[track_caller]
    pub fn to(mut self, receiver: &str) -> Self {
        let receiver = socket(receiver, self.original.dst_port);
        (self.original.dst, self.original.dst_port) = (receiver.ip(), receiver.port());
        self
    }

    /// Adds destination NAT: sets the server that really answers.
    ///
    /// # Panics
    /// The text is neither an address nor an address and a port.
    #[track_caller]
    pub fn answered_by(mut self, server: &str) -> Self {
        self.reply_src = Some(socket(server, self.original.dst_port));
        self
    }

    /// Adds source NAT: sets the address as which the sender appears.
    ///
    /// # Panics
    /// The text is neither an address nor an address and a port.
    #[track_caller]
    pub fn appearing_as(mut self, sender: &str) -> Self {
        self.reply_dst = Some(socket(sender, self.original.src_port));
        self
    }

    /// Marks the flow as answered and assured. A TCP flow becomes established.
    pub fn established(mut self) -> Self {
        self.record.status = Some((Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED).0);
        if self.record.protocol == Protocol::TCP.0 {
            self.record.state = Some(TcpState::ESTABLISHED.0);
            self.record.timeout = Some(432_000);
        }
        self
    }

    /// Makes the flow a row of a sweep. The kernel always reports the mark in a row.
    pub fn row(mut self) -> Self {
        self.record.kind = wit::Kind::Row;
        self.record.mark = self.record.mark.or(Some(0));
        self
    }

    /// Makes the flow an `update` event.
    pub const fn updated(mut self) -> Self {
        self.record.kind = wit::Kind::Update;
        self
    }

    /// Makes the flow a `destroy` event.
    pub const fn destroyed(mut self) -> Self {
        self.record.kind = wit::Kind::Destroy;
        self
    }

    /// Makes the flow an event that a verdict of this host caused.
    pub const fn by_us(mut self) -> Self {
        self.record.by_us = true;
        self
    }

    /// Sets the kernel's id.
    pub const fn id(mut self, id: u32) -> Self {
        self.record.id = id;
        self
    }

    /// Sets the conntrack zone.
    pub const fn zone(mut self, zone: u16) -> Self {
        self.record.zone = zone;
        self
    }

    /// Sets exactly these status bits.
    pub const fn status(mut self, status: Status) -> Self {
        self.record.status = Some(status.0);
        self
    }

    /// Sets the state of the protocol.
    pub fn state(mut self, state: impl Into<u8>) -> Self {
        self.record.state = Some(state.into());
        self
    }

    /// Sets the seconds until the entry expires.
    pub const fn timeout(mut self, seconds: u32) -> Self {
        self.record.timeout = Some(seconds);
        self
    }

    /// Sets the mark of the flow.
    pub const fn mark(mut self, mark: u32) -> Self {
        self.record.mark = Some(mark);
        self
    }

    /// Sets the accounting: packets and bytes of the original direction and of the reply direction.
    pub const fn counters(mut self, original: (u64, u64), reply: (u64, u64)) -> Self {
        self.record.original_counters = Some(wit::Counters { packets: original.0, bytes: original.1 });
        self.record.reply_counters = Some(wit::Counters { packets: reply.0, bytes: reply.1 });
        self
    }

    /// Sets the time when the flow began.
    pub const fn started(mut self, time: Timestamp) -> Self {
        self.record.started = Some(time.0);
        self
    }

    /// Sets the time when the flow ended.
    pub const fn stopped(mut self, time: Timestamp) -> Self {
        self.record.stopped = Some(time.0);
        self
    }

    /// Sets the name of the helper.
    pub fn helper(mut self, name: &str) -> Self {
        self.rare.helper = Some(name.to_owned());
        self
    }

    /// Sets these label bits, by number 0 to 127.
    ///
    /// # Panics
    /// A number is above 127.
    #[track_caller]
    pub fn labels(mut self, bits: &[u8]) -> Self {
        let bit = |bit: &u8| 1_u128.checked_shl((*bit).into()).unwrap_or_else(|| panic!("there is no label bit {bit}"));
        self.rare.labels = Some(bits.iter().map(bit).fold(0, |all, bit| all | bit));
        self
    }

    /// Sets the security context.
    pub fn security_context(mut self, context: &str) -> Self {
        self.rare.security_context = Some(context.to_owned());
        self
    }

    /// Makes the flow one that the helper of another flow expected.
    pub fn expected_by(mut self, master: &Self) -> Self {
        let master = master.record();
        let (protocol, endpoints) = (Protocol(master.protocol), master.original.into());
        self.rare.master = Some(FlowTuple { protocol, endpoints });
        self.record.status = Some(self.record.status.unwrap_or(0) | Status::EXPECTED.0);
        self
    }

    /// Sets zones that differ by direction.
    pub const fn zones(mut self, original: u16, reply: u16) -> Self {
        self.rare.zones = Some((original, reply));
        self
    }

    /// Adds a top-level attribute that has no name in the interface.
    pub fn attribute(mut self, number: u16, payload: &[u8]) -> Self {
        self.rare.attributes.push((number, payload.to_vec()));
        self
    }

    /// Returns the key that names the flow.
    pub fn key(&self) -> FlowKey {
        Entry::from_wit(self.record()).key()
    }

    /// Returns the flow as the WIT record that the host passes.
    pub(crate) fn record(&self) -> wit::Flow {
        let (mut original, mut protocol) = (self.original, Protocol(self.record.protocol));
        let mut reply = original.reversed();
        if protocol == Protocol::ICMP {
            // Type and code of the request and of its answer. The identifier is the same in both.
            let (request, answer) = match Family::of(original.dst) {
                Family::Ipv4 => ([8, 0], [0, 0]),
                Family::Ipv6 => ([128, 0], [129, 0]),
            };
            original.dst_port = u16::from_be_bytes(request);
            (reply.src_port, reply.dst_port) = (original.src_port, u16::from_be_bytes(answer));
            if Family::of(original.dst) == Family::Ipv6 {
                protocol = Protocol::ICMPV6;
            }
        }
        if let Some(server) = self.reply_src {
            (reply.src, reply.src_port) = (server.ip(), server.port());
        }
        if let Some(sender) = self.reply_dst {
            (reply.dst, reply.dst_port) = (sender.ip(), sender.port());
        }
        wit::Flow { protocol: protocol.0, original: original.into(), reply: reply.into(), ..self.record }
    }
}

#[track_caller]
fn socket(text: &str, port: u16) -> SocketAddr {
    let address = || text.parse().ok().map(|address: IpAddr| SocketAddr::new(address, port));
    let whole = text.parse().ok().or_else(address);
    whole.unwrap_or_else(|| panic!("\"{text}\" is not an address, nor an address and a port"))
}
