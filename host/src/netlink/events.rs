//! The event socket: joins the groups that subscribers need and decodes the kernel's messages into events.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ctwarden_model::{Event, EventKind, ExpectationEvent, Filter, FlowKey};
use ctwarden_netlink::{NetlinkSocket, OpenError, Protocol, Read};
use ctwarden_wire::{Content, EventFilter, Messages, MulticastGroup};

/// The multicast groups that subscribers need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) new: bool,
    pub(crate) update: bool,
    pub(crate) destroy: bool,
    pub(crate) expectations: bool,
}

impl Groups {
    const fn each(self) -> [(MulticastGroup, bool); 5] {
        [
            (MulticastGroup::CONNTRACK_NEW, self.new),
            (MulticastGroup::CONNTRACK_UPDATE, self.update),
            (MulticastGroup::CONNTRACK_DESTROY, self.destroy),
            (MulticastGroup::EXPECTATION_NEW, self.expectations),
            (MulticastGroup::EXPECTATION_DESTROY, self.expectations),
        ]
    }
}

/// Which `destroy` events need full decoding. Of all others only the flow and its origin are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Events of flows that something other than ctwarden ended.
    pub(crate) others: bool,
    /// Events of flows that ctwarden ended.
    pub(crate) own: bool,
}

impl Ends {
    const fn wants(self, by_us: bool) -> bool {
        if by_us { self.own } else { self.others }
    }
}

/// The result of one read of the socket.
pub(crate) enum Drained {
    /// The read returned events.
    Some,
    /// No event is available now.
    Nothing,
    Lost,
}

/// One message of the kernel.
pub(crate) enum KernelMessage {
    Flow(Event),
    /// The end of a flow for which no subscriber needs more.
    End {
        key: FlowKey,
        /// Whether ctwarden ended the flow.
        by_us: bool,
    },
    Expectation(ExpectationEvent),
}

/// The socket, its groups, and the event filter in front of it.
pub(crate) struct EventSocket {
    socket: NetlinkSocket,
    joined: Groups,
    ends: Ends,
    program: Option<EventFilter>,
    unreadable: u64,
}

impl EventSocket {
    /// Opens the socket with a receive buffer of `receive_buffer` bytes, as the kernel counts them. The socket is in no
    /// group yet.
    pub(crate) fn open(receive_buffer: usize) -> Result<Self, OpenError> {
        let socket = NetlinkSocket::open_for_many(Protocol::Netfilter)?;
        socket.size_receive_buffer(receive_buffer)?;
        Ok(Self { socket, joined: Groups::default(), ends: Ends::default(), program: None, unreadable: 0 })
    }

    /// Joins and leaves groups until the socket is in exactly those of `wanted`. The socket receives at least the flows
    /// that match any of the filters, or all flows if there is no filter. Only the `destroy` events in `ends` are fully
    /// decoded.
    pub(crate) fn listen(&mut self, wanted: Groups, ends: Ends, filters: &[Filter]) -> Result<(), OpenError> {
        let program = EventFilter::of(filters);
        if program != self.program {
            // An event that arrives in between passes the old filter or the new one.
            self.socket.attach(program.as_ref())?;
            self.program = program;
        }
        for ((group, wants), (_, has)) in wanted.each().into_iter().zip(self.joined.each()) {
            match (wants, has) {
                (true, false) => self.socket.join(group)?,
                (false, true) => self.socket.leave(group)?,
                (true, true) | (false, false) => {}
            }
        }
        (self.joined, self.ends) = (wanted, ends);
        Ok(())
    }

    /// Number of messages since the start that could not be decoded.
    pub(crate) const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Whether the next read returns messages that the last one already took over.
    pub(crate) const fn has_taken_more(&self) -> bool {
        self.socket.has_taken_more()
    }

    /// Reads once and passes each message to `hand`. `ours` is the port of the socket that sends ctwarden's own
    /// requests.
    pub(crate) fn drain(&mut self, ours: u32, mut hand: impl FnMut(KernelMessage)) -> io::Result<Drained> {
        match self.socket.read()? {
            Read::Nothing => return Ok(Drained::Nothing),
            Read::Overrun => return Ok(Drained::Lost),
            Read::Bytes => {}
        }
        for message in Messages::new(self.socket.bytes()) {
            let Ok(message) = message else {
                self.unreadable += 1;
                break;
            };
            let by_us = message.header.port == ours && ours != 0;
            match message.content() {
                Content::Conntrack(entry) if entry.kind() == EventKind::Destroy && !self.ends.wants(by_us) => {
                    match entry.flow.key() {
                        Ok(key) => hand(KernelMessage::End { key, by_us }),
                        Err(_) => self.unreadable += 1,
                    }
                }
                Content::Conntrack(entry) => match entry.flow.to_flow() {
                    Ok(flow) => hand(KernelMessage::Flow(Event { kind: entry.kind(), by_us, flow })),
                    Err(_) => self.unreadable += 1,
                },
                Content::Expectation(entry) => match entry.expectation.to_expectation() {
                    Ok(expectation) => {
                        hand(KernelMessage::Expectation(ExpectationEvent { kind: entry.kind(), by_us, expectation }));
                    }
                    Err(_) => self.unreadable += 1,
                },
                Content::Malformed(_) => self.unreadable += 1,
                Content::Overrun => return Ok(Drained::Lost),
                Content::Noop
                | Content::Done { .. }
                | Content::Answer(_)
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Other => {}
            }
        }
        Ok(Drained::Some)
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
