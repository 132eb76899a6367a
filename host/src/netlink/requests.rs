//! Requests to conntrack and what came of each: deletes, updates, the full entry of one flow, figures of the table.
//!
//! The kernel handles a request while it is sent, so all answers are in the socket when the send returns. That is why this
//! socket is plain and blocking. The effects thread sends large batches, the loop only a few requests at a time.

use std::io;
use std::time::Duration;

use ctwarden_engine::{Ack, Looked, Lookup, LookupId};
use ctwarden_model::{Effect, EffectId, Flow, FlowKey, TableStatistics};
use ctwarden_netlink::{NetfilterSocket, OpenError, Read};
use ctwarden_wire::{Content, Message, Messages, request};
use rustix::io::Errno;

use super::changes::Changes;

/// Receive buffer: far more than the answers to one send need.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long to wait for answers that should be there already.
const PATIENCE: Duration = Duration::from_secs(1);

/// How large the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableSize {
    /// Entries of this network namespace.
    pub(crate) entries: u32,
    /// `nf_conntrack_max`, 0 where there is none; none where the kernel does not tell (before Linux 4.19).
    pub(crate) maximum: Option<u32>,
}

/// A socket for requests.
pub(crate) struct Requests {
    socket: NetfilterSocket,
    outgoing: Vec<u8>,
    sequence: u32,
    changes: Changes,
}

impl Requests {
    /// Changes that go into one send; more are cut into as many. What the kernel says to all of them waits in the receive
    /// buffer at once, also where that may not be forced over the system's limit: an echo takes 1,280 bytes of it at least, and more
    /// than 64 a send are no faster.
    pub(crate) const IN_ONE_SEND: usize = 128;

    /// Lookups that go into one send: the answer to each is a whole entry.
    const LOOKUPS_IN_ONE_SEND: usize = 64;

    pub(crate) fn open() -> Result<Self, OpenError> {
        let socket = NetfilterSocket::open_for_many()?;
        socket.size_receive_buffer(RECEIVE_BUFFER)?;
        Ok(Self { socket, outgoing: Vec::new(), sequence: 0, changes: Changes::default() })
    }

    /// Whether the kernel answers this process at all: opening the socket needs no capability, the first request does.
    pub(crate) fn check_permission(&mut self) -> Result<(), OpenError> {
        self.entries().map(drop).map_err(|source| OpenError::new("ask the kernel on", source))
    }

    /// `nlmsg_pid` of the events that its requests cause.
    pub(crate) const fn port(&self) -> u32 {
        self.socket.port()
    }

    fn next_sequence(&mut self) -> u32 {
        self.take_sequences(1)
    }

    /// The first of so many.
    fn take_sequences(&mut self, count: usize) -> u32 {
        // Number 0 is that of events.
        if self.sequence > u32::MAX / 2 {
            self.sequence = 0;
        }
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX));
        first
    }

    /// Carries out changes of the conntrack and the expectation table, in order, and gives what came of each. Effects on
    /// nftables sets are not for this socket and are left out.
    pub(crate) fn apply<'a>(&mut self, effects: impl Iterator<Item = (EffectId, &'a Effect)>) -> Vec<(EffectId, Ack)> {
        let mut effects = effects.filter(|(_, effect)| Changes::takes(effect)).peekable();
        let mut outcomes = Vec::new();
        while effects.peek().is_some() {
            let first = self.take_sequences(Self::IN_ONE_SEND);
            self.changes.begin(first);
            self.outgoing.clear();
            for number in 1..=Self::IN_ONE_SEND {
                let Some((id, effect)) = effects.next() else { break };
                let last = number == Self::IN_ONE_SEND || effects.peek().is_none();
                self.changes.write(&mut self.outgoing, id, effect, last);
            }
            self.carry_out();
            outcomes.extend(self.changes.outcomes());
        }
        outcomes
    }

    /// Sends the changes that were written and hears what came of them.
    fn carry_out(&mut self) {
        if self.socket.send(&self.outgoing).is_err() {
            return;
        }
        let port = self.socket.port();
        let (changes, mut answered) = (&mut self.changes, true);
        while !changes.is_over() && answered {
            answered = hear(&mut self.socket, |message| changes.hear(message, port));
        }
        if !answered {
            self.empty();
            return;
        }
        let first = self.take_sequences(Self::IN_ONE_SEND);
        self.outgoing.clear();
        let mut open = self.changes.write_doubts(&mut self.outgoing, first);
        if open == 0 || self.socket.send(&self.outgoing).is_err() {
            return;
        }
        let changes = &mut self.changes;
        while open > 0 && answered {
            answered = hear(&mut self.socket, |message| {
                open = open.saturating_sub(usize::from(changes.hear_of_doubt(message)));
            });
        }
        if !answered {
            self.empty();
        }
    }

    /// Throws away what waits in the socket, which the kernel has filled before the send returned, so that it is not taken for
    /// an answer to something else.
    fn empty(&mut self) {
        while let Ok(Read::Bytes | Read::Overrun) = self.socket.read() {}
    }

    /// The whole entry that has the tuple and zone now, whatever its id; none where there is none.
    pub(crate) fn get(&mut self, key: &FlowKey) -> io::Result<Option<Flow>> {
        let sequence = self.next_sequence();
        self.outgoing.clear();
        request::get(&mut self.outgoing, sequence, key);
        self.ask(sequence, |content| {
            let Content::Conntrack(message) = content else { return None };
            message.flow.to_flow().ok()
        })
    }

    /// Makes an entry; `EEXIST` where its tuple is taken.
    pub(crate) fn create(&mut self, flow: &Flow) -> io::Result<()> {
        let sequence = self.next_sequence();
        self.outgoing.clear();
        request::create(&mut self.outgoing, sequence, flow);
        // Whatever is no refusal is its acknowledgement.
        self.ask(sequence, |_| Some(())).map(drop)
    }

    /// Hands over the whole entries of flows as they are now; whoever is gone or was replaced is left out. All answers wait
    /// in the receive buffer at once, so that the keys must be few.
    pub(crate) fn get_each(&mut self, keys: &[FlowKey], mut row: impl FnMut(Flow)) -> io::Result<()> {
        let mut refused = None;
        self.ask_each(keys, |key, content| {
            if let Content::Conntrack(entry) = content {
                entry.flow.to_flow().into_iter().filter(|flow| flow.id == Some(key.id)).for_each(&mut row);
            } else if let Content::Answer(answer) = content
                && answer.errno != Errno::NOENT.raw_os_error()
            {
                refused = Some(answer.errno);
            }
        })?;
        refused.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    /// What the kernel has for each lookup now. A lookup whose answer is lost or cannot be read is left out.
    pub(crate) fn look_up(&mut self, lookups: &[Lookup]) -> Vec<(LookupId, Looked)> {
        let mut found = Vec::with_capacity(lookups.len());
        for few in lookups.chunks(Self::LOOKUPS_IN_ONE_SEND) {
            let keys: Vec<FlowKey> = few.iter().map(|lookup| lookup.key).collect();
            let mut ids = few.iter().map(|lookup| lookup.id);
            // The kernel answers in the order of the questions, and a lost answer ends the reading.
            let read = self.ask_each(&keys, |_, content| {
                let looked = match content {
                    Content::Conntrack(entry) => entry.flow.to_flow().ok().map(|flow| Looked::Found(Box::new(flow))),
                    Content::Answer(answer) if answer.errno == Errno::NOENT.raw_os_error() => Some(Looked::Gone),
                    Content::Answer(answer) => Some(Looked::Refused(answer.errno)),
                    Content::Noop
                    | Content::Overrun
                    | Content::Done { .. }
                    | Content::Expectation(_)
                    | Content::Statistics(_)
                    | Content::CpuStatistics(_)
                    | Content::ExpectationCpuStatistics(_)
                    | Content::Malformed(_)
                    | Content::Other => None,
                };
                found.extend(ids.next().zip(looked));
            });
            if read.is_err() {
                self.empty();
            }
        }
        found
    }

    /// Of which flows the kernel does not say that they live: what it says instead. The keys must be few.
    pub(crate) fn absent(&mut self, flows: &[(EffectId, FlowKey)]) -> Vec<(EffectId, Ack)> {
        let keys: Vec<FlowKey> = flows.iter().map(|(_, key)| *key).collect();
        let mut said = Vec::with_capacity(keys.len());
        let read = self.ask_each(&keys, |key, content| {
            said.push(match content {
                Content::Conntrack(entry) if entry.flow.key().is_ok_and(|found| found == *key) => Ack::Done,
                Content::Conntrack(_) => Ack::Replaced,
                Content::Answer(answer) if answer.errno == Errno::NOENT.raw_os_error() => Ack::Gone,
                Content::Answer(answer) => Ack::Refused(answer.errno),
                Content::Noop
                | Content::Overrun
                | Content::Done { .. }
                | Content::Expectation(_)
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Malformed(_)
                | Content::Other => Ack::NoAnswer,
            });
        });
        if read.is_err() {
            self.empty();
        }
        let said = said.into_iter().chain(std::iter::repeat(Ack::NoAnswer));
        flows.iter().map(|(id, _)| *id).zip(said).filter(|(_, ack)| *ack != Ack::Done).collect()
    }

    /// Asks for the entry at each place; `hear` is given the answer to each, in the order of the keys.
    fn ask_each(&mut self, keys: &[FlowKey], mut hear: impl FnMut(&FlowKey, Content<'_>)) -> io::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let first = self.take_sequences(keys.len());
        self.outgoing.clear();
        for (sequence, key) in (first..).zip(keys) {
            request::get(&mut self.outgoing, sequence, key);
        }
        self.socket.send(&self.outgoing)?;
        let mut open = (first..).zip(keys).peekable();
        while open.peek().is_some() {
            match self.socket.read()? {
                Read::Bytes => {}
                Read::Nothing if self.socket.wait(PATIENCE)? => continue,
                Read::Nothing | Read::Overrun => return Err(io::Error::other("no answer came from the kernel")),
            }
            for message in Messages::new(self.socket.bytes()).map_while(Result::ok) {
                if let Some((_, key)) = open.next_if(|(sequence, _)| *sequence == message.header.sequence) {
                    hear(key, message.content());
                }
            }
        }
        Ok(())
    }

    /// How many entries the table has.
    pub(crate) fn entries(&mut self) -> io::Result<u32> {
        self.size().map(|size| size.entries)
    }

    /// How many entries the table has, and how many it may have.
    pub(crate) fn size(&mut self) -> io::Result<TableSize> {
        let sequence = self.next_sequence();
        self.outgoing.clear();
        request::statistics(&mut self.outgoing, sequence);
        self.ask(sequence, |content| {
            let Content::Statistics(global) = content else { return None };
            global.entries.map(|entries| TableSize { entries, maximum: global.maximum })
        })?
        .ok_or_else(|| io::Error::other("the kernel gave no statistics"))
    }

    /// How full the table is, with its counters.
    pub(crate) fn statistics(&mut self) -> io::Result<TableStatistics> {
        let mut sum = TableStatistics::default();
        let sequence = self.next_sequence();
        self.outgoing.clear();
        request::statistics(&mut self.outgoing, sequence);
        self.ask(sequence, |content| {
            let Content::Statistics(global) = content else { return None };
            global.add_to(&mut sum);
            Some(())
        })?;
        let sequence = self.next_sequence();
        self.outgoing.clear();
        request::statistics_cpu(&mut self.outgoing, sequence);
        self.ask(sequence, |content| {
            if let Content::CpuStatistics(cpu) = &content {
                cpu.add_to(&mut sum);
            }
            matches!(content, Content::Done { .. }).then_some(())
        })?;
        Ok(sum)
    }
}

impl Requests {
    /// Sends what was written and picks the answer with that sequence number; an error answer of "no such entry" is none.
    fn ask<T>(&mut self, sequence: u32, mut pick: impl FnMut(Content<'_>) -> Option<T>) -> io::Result<Option<T>> {
        self.socket.send(&self.outgoing)?;
        loop {
            match self.socket.read()? {
                Read::Bytes => {}
                Read::Nothing if self.socket.wait(PATIENCE)? => continue,
                Read::Nothing | Read::Overrun => return Err(io::Error::other("no answer came from the kernel")),
            }
            for message in Messages::new(self.socket.bytes()) {
                let message = message.map_err(io::Error::other)?;
                if message.header.sequence != sequence {
                    continue;
                }
                let content = message.content();
                if let Content::Answer(answer) = &content {
                    if answer.errno == Errno::NOENT.raw_os_error() {
                        return Ok(None);
                    }
                    if !answer.is_ack() {
                        return Err(io::Error::from_raw_os_error(answer.errno));
                    }
                }
                if let Some(found) = pick(content) {
                    return Ok(Some(found));
                }
            }
        }
    }
}

/// Reads once; false where nothing came in time, or messages were lost.
fn hear(socket: &mut NetfilterSocket, mut each: impl FnMut(&Message<'_>)) -> bool {
    match socket.read() {
        Ok(Read::Bytes) => Messages::new(socket.bytes()).map_while(Result::ok).for_each(|message| each(&message)),
        Ok(Read::Nothing) => return socket.wait(PATIENCE).unwrap_or(false),
        Ok(Read::Overrun) | Err(_) => return false,
    }
    true
}

#[cfg(test)]
mod tests;
