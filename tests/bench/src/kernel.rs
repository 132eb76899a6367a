//! Reads and changes the kernel's table from the benchmark itself.
//!
//! The benchmark needs a witness that is neither the daemon nor a peer, the bare cost of receiving a dump, and a way to
//! fill a table in seconds.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ctwarden_model::{EventKind, Filter, Flow, FlowKey, Masked, Tuple, Update};
use ctwarden_wire::{Content, KernelFilter, Messages, request};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// The number of requests in one send without acknowledgement.
const IN_ONE_SEND: usize = 128;

/// The size of one read. A dump fills 32 KiB at a time.
const READ_BYTES: usize = 64 * 1024;

/// The multicast groups of a socket (`NFNLGRP_CONNTRACK_*`), as bits of `nl_groups`: destroy events, or update and
/// destroy events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Groups {
    None,
    Destroy,
    UpdateDestroy,
}

impl Groups {
    const fn bits(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Destroy => 1 << 2,
            Self::UpdateDestroy => 1 << 1 | 1 << 2,
        }
    }
}

/// The number of entries and the sum of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) entries: u64,
    /// The sum of the ids.
    pub(crate) ids: u64,
}

/// The parts of an event that the benchmark needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) kind: EventKind,
    /// Whether a request caused the event, and not a packet or a timeout.
    pub(crate) by_request: bool,
    pub(crate) original: Tuple,
}

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Kernel {
    socket: OwnedFd,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    sequence: u32,
}

impl Kernel {
    /// Opens a socket for these events. Its receive buffer is large enough for every line of the benchmark.
    pub(crate) fn open(groups: Groups) -> Result<Self> {
        let open = || {
            let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
            let socket = rustix::net::socket_with(kind.0, kind.1, kind.2, Some(netlink::NETFILTER))?;
            rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups.bits()))?;
            // The kernel doubles this size.
            sockopt::set_socket_recv_buffer_size_force(&socket, 128 << 20)?;
            Ok::<_, Errno>(socket)
        };
        let socket = open().context("cannot open a conntrack socket; run as root")?;
        Ok(Self { socket, outgoing: Vec::new(), incoming: vec![0; READ_BYTES], sequence: 0 })
    }

    /// The number of entries in the namespace.
    pub(crate) fn entries(&mut self) -> Result<u64> {
        let mut entries = None;
        self.ask(request::statistics, |content| {
            if let Content::Statistics(global) = content {
                entries = global.entries;
            }
            entries.is_some()
        })?;
        Ok(entries.context("the kernel did not report the number of entries")?.into())
    }

    /// Counts the entries that pass the kernel's own filter and for which `holds` is true.
    pub(crate) fn count(&mut self, filter: &Filter, mut holds: impl FnMut(&Flow) -> bool) -> Result<Count> {
        let mut count = Count { entries: 0, ids: 0 };
        self.walk(&KernelFilter::of(filter), |flow| {
            if holds(&flow) {
                count.entries += 1;
                count.ids = count.ids.wrapping_add(flow.id.unwrap_or_default().0.into());
            }
        })?;
        Ok(count)
    }

    /// Calls `each` with every entry that passes the filter.
    pub(crate) fn walk(&mut self, filter: &KernelFilter, mut each: impl FnMut(Flow)) -> Result<()> {
        let mut broken = None;
        self.ask(
            |buffer, sequence| request::dump(buffer, sequence, filter),
            |content| match content {
                Content::Conntrack(entry) => {
                    match entry.flow.to_flow() {
                        Ok(flow) => each(flow),
                        Err(error) => broken = Some(error),
                    }
                    false
                }
                Content::Done { .. } => true,
                Content::Noop
                | Content::Overrun
                | Content::Answer(_)
                | Content::Expectation(_)
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Other
                | Content::Malformed(_) => false,
            },
        )?;
        broken.map_or(Ok(()), |error| Err(error).context("an entry of the table cannot be read"))
    }

    /// Receives the whole table and looks only for its end. Every reader has to pay this cost. Returns the number of
    /// bytes.
    pub(crate) fn receive_all(&mut self) -> Result<u64> {
        self.outgoing.clear();
        self.sequence += 1;
        request::dump(&mut self.outgoing, self.sequence, &KernelFilter::EVERYTHING);
        self.send()?;
        let mut bytes = 0;
        loop {
            let length = self.receive(RecvFlags::empty())?.context("a dump ended without an end message")?;
            bytes += length as u64;
            let read = self.incoming.get(..length).unwrap_or_default();
            // `NLMSG_DONE` (linux/netlink.h) is the last message, of 20 bytes, alone or after the last entries.
            if let Some([20, 0, 0, 0, 3, 0, ..]) = read.last_chunk::<20>() {
                return Ok(bytes);
            }
        }
    }

    /// Makes entries, many in one send.
    pub(crate) fn create(&mut self, flows: impl Iterator<Item = Flow>) -> Result<()> {
        self.change(flows, |buffer, sequence, flow| request::create(buffer, sequence, &flow))
    }

    /// Marks one entry and waits for the acknowledgement.
    pub(crate) fn mark_one(&mut self, key: FlowKey, mark: Masked) -> Result<()> {
        self.ask(|buffer, sequence| request::update(buffer, sequence, true, &marking(key, mark)), |_| false)
    }

    fn change<T>(&mut self, things: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, u32, T)) -> Result<()> {
        let mut things = things.peekable();
        while things.peek().is_some() {
            self.outgoing.clear();
            for thing in things.by_ref().take(IN_ONE_SEND) {
                self.sequence = self.sequence.wrapping_add(1);
                write(&mut self.outgoing, self.sequence, thing);
            }
            without_acknowledgement(&mut self.outgoing);
            self.send()?;
            // The kernel has handled all requests by now. It answers only those that it refuses.
            while let Some(length) = self.receive(RecvFlags::DONTWAIT)? {
                for message in Messages::new(self.incoming.get(..length).unwrap_or_default()) {
                    if let Content::Answer(answer) = message.context("an answer cannot be read")?.content() {
                        let error = std::io::Error::from_raw_os_error(answer.errno);
                        ensure!(answer.is_ack(), "the kernel refused an entry of the table: {error}");
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends a request and passes the answers to `is_last`, until it returns true or an acknowledgement comes.
    fn ask(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        mut is_last: impl FnMut(Content<'_>) -> bool,
    ) -> Result<()> {
        self.outgoing.clear();
        self.sequence = self.sequence.wrapping_add(1);
        write(&mut self.outgoing, self.sequence);
        self.send()?;
        loop {
            let length = self.receive(RecvFlags::empty())?.context("no answer came from the kernel")?;
            for message in Messages::new(self.incoming.get(..length).unwrap_or_default()) {
                let message = message.context("an answer cannot be read")?;
                // Events have sequence numbers of their own; their port is not the port of this socket.
                if message.header.sequence != self.sequence {
                    continue;
                }
                let content = message.content();
                if let Content::Answer(answer) = &content {
                    if answer.is_ack() {
                        return Ok(());
                    }
                    bail!("the kernel refused: {}", std::io::Error::from_raw_os_error(answer.errno));
                }
                if is_last(content) {
                    return Ok(());
                }
            }
        }
    }

    /// Passes the events of one read to `hand`. Returns false if none came within this time.
    pub(crate) fn hear(&mut self, within: Duration, mut hand: impl FnMut(Heard)) -> Result<bool> {
        let end = Instant::now() + within;
        let mut fds = [rustix::event::PollFd::new(&self.socket, rustix::event::PollFlags::IN)];
        let left = rustix::event::Timespec::try_from(end.saturating_duration_since(Instant::now()))?;
        match rustix::event::poll(&mut fds, Some(&left)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error).context("cannot wait for events"),
        }
        let Some(length) = self.receive(RecvFlags::DONTWAIT)? else { return Ok(false) };
        for message in Messages::new(self.incoming.get(..length).unwrap_or_default()) {
            let message = message.context("an event cannot be read")?;
            if let Content::Conntrack(entry) = message.content() {
                let original = entry.flow.original().context("an event has no original tuple")?;
                hand(Heard { kind: entry.kind(), by_request: message.header.port != 0, original });
            }
        }
        Ok(true)
    }

    /// Discards the messages that wait in the socket.
    pub(crate) fn drain(&mut self) -> Result<()> {
        while self.receive(RecvFlags::DONTWAIT)?.is_some() {}
        Ok(())
    }

    fn send(&self) -> Result<()> {
        let sent = rustix::net::send(&self.socket, &self.outgoing, SendFlags::empty());
        let sent = sent.context("cannot send requests to the kernel")?;
        ensure!(sent == self.outgoing.len(), "the kernel accepted only a part of the requests");
        Ok(())
    }

    /// Reads once. Returns `None` if no message waits.
    fn receive(&mut self, flags: RecvFlags) -> Result<Option<usize>> {
        match rustix::net::recv(&self.socket, self.incoming.as_mut_slice(), flags) {
            Ok((_, length)) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(Errno::NOBUFS) => bail!("the benchmark's own socket lost events; its figures would be wrong"),
            Err(error) => Err(error).context("cannot read from the kernel"),
        }
    }
}

const fn marking(key: FlowKey, mark: Masked) -> Update {
    Update { key, mark: Some(mark), labels: None, timeout: None }
}

/// Clears `NLM_F_ACK` in each message of the buffer (`struct nlmsghdr`, linux/netlink.h: length, kind, flags). The
/// kernel still answers requests that it refuses.
fn without_acknowledgement(messages: &mut [u8]) {
    const ACK: u8 = 4;
    let mut rest = messages;
    while let Some((&mut [l0, l1, l2, l3, _, _, ref mut low, ref mut high], _)) = rest.split_first_chunk_mut::<8>() {
        let flags = u16::from_ne_bytes([*low, *high]) & !u16::from(ACK);
        [*low, *high] = flags.to_ne_bytes();
        let length = u32::from_ne_bytes([l0, l1, l2, l3]).next_multiple_of(4) as usize;
        rest = rest.get_mut(length.max(8)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_not_asked_for() {
        let mut buffer = Vec::new();
        let flow = crate::population::Kind::Fixed.flow(7);
        request::create(&mut buffer, 1, &flow);
        request::delete(&mut buffer, 2, true, &flow.key());
        without_acknowledgement(&mut buffer);
        let flags: Vec<_> = Messages::new(&buffer).map(|message| message.unwrap().header.flags).collect();
        assert_eq!(flags.len(), 2);
        assert!(flags.iter().all(|flags| !flags.contains(ctwarden_wire::Flags::ACK)));
        assert!(flags[0].contains(ctwarden_wire::Flags::CREATE));
    }
}
