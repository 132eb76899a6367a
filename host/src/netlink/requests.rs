//! Requests to conntrack and what came of each: deletes, updates, the full entry of one flow, figures of the table.
//!
//! The kernel handles a request while it is sent, so all answers are in the socket when the send returns. That is why this
//! socket can be plain and blocking: whoever asks is a thread that has nothing else to do.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use ctwarden_engine::Ack;
use ctwarden_model::{Effect, EffectId, Flow, FlowKey, TableStatistics};
use ctwarden_netlink::{NetfilterSocket, OpenError, Read};
use ctwarden_wire::{Content, Message, Messages, request};
use rustix::io::Errno;

use super::changes::Changes;

/// Receive buffer: far more than the answers to one send need.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long to wait for answers that should be there already.
const PATIENCE: Duration = Duration::from_secs(1);

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

    /// Opens the socket.
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
        let mut asked = BTreeMap::new();
        self.outgoing.clear();
        for key in keys {
            let sequence = self.next_sequence();
            request::get(&mut self.outgoing, sequence, key);
            asked.insert(sequence, key.id);
        }
        if keys.is_empty() {
            return Ok(());
        }
        self.socket.send(&self.outgoing)?;
        while !asked.is_empty() {
            match self.socket.read()? {
                Read::Bytes => {}
                Read::Nothing if self.socket.wait(PATIENCE)? => continue,
                Read::Nothing | Read::Overrun => return Err(io::Error::other("no answer came from the kernel")),
            }
            for message in Messages::new(self.socket.bytes()).map_while(Result::ok) {
                let Some(id) = asked.remove(&message.header.sequence) else { continue };
                let content = message.content();
                if let Content::Conntrack(entry) = content {
                    entry.flow.to_flow().into_iter().filter(|flow| flow.id == Some(id)).for_each(&mut row);
                } else if let Content::Answer(answer) = content
                    && answer.errno != Errno::NOENT.raw_os_error()
                {
                    return Err(io::Error::from_raw_os_error(answer.errno));
                }
            }
        }
        Ok(())
    }

    /// How many entries the table has.
    pub(crate) fn entries(&mut self) -> io::Result<u32> {
        let sequence = self.next_sequence();
        self.outgoing.clear();
        request::statistics(&mut self.outgoing, sequence);
        self.ask(sequence, |content| {
            let Content::Statistics(global) = content else { return None };
            global.entries
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
