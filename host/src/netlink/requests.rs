//! Requests to conntrack and what came of each: deletes, updates, the full entry of one flow, figures of the table.
//!
//! The kernel handles a request while it is sent, so all answers are in the socket when the send returns. That is why this
//! socket can be plain and blocking: whoever asks is a thread that has nothing else to do.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use ctwarden_engine::Ack;
use ctwarden_model::{Effect, EffectId, Flow, FlowId, FlowKey, TableStatistics};
use ctwarden_netlink::{NetfilterSocket, OpenError, Read};
use ctwarden_wire::{Content, Messages, request};
use rustix::io::Errno;

/// Effects in one send. Each asks for an acknowledgement, and the answers to all of them wait in the receive buffer at once.
const EFFECTS_IN_ONE_SEND: usize = 128;

/// Receive buffer: far more than the answers to one send need.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long to wait for answers that should be there already.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket for requests.
pub(crate) struct Requests {
    socket: NetfilterSocket,
    outgoing: Vec<u8>,
    sequence: u32,
}

/// What a message answers.
#[derive(Clone, Copy)]
enum Asked {
    /// A change; the answer is its acknowledgement.
    Change(EffectId),
    /// Who has the tuple after the change: `IPCTNL_MSG_CT_NEW` ignores `CTA_ID`, so only the entry that comes back tells
    /// whether the change hit the flow that was meant.
    Identity(EffectId, FlowId),
}

impl Requests {
    /// Opens the socket.
    pub(crate) fn open() -> Result<Self, OpenError> {
        let socket = NetfilterSocket::open()?;
        socket.size_receive_buffer(RECEIVE_BUFFER)?;
        Ok(Self { socket, outgoing: Vec::new(), sequence: 0 })
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
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Carries out changes of the conntrack and the expectation table, in order, and gives what came of each. Effects on
    /// nftables sets are not for this socket and are left out.
    pub(crate) fn apply<'a>(&mut self, effects: impl Iterator<Item = (EffectId, &'a Effect)>) -> Vec<(EffectId, Ack)> {
        let mut effects = effects.peekable();
        let mut outcomes = Vec::new();
        while effects.peek().is_some() {
            let mut asked = BTreeMap::new();
            self.outgoing.clear();
            for (id, effect) in effects.by_ref().take(EFFECTS_IN_ONE_SEND) {
                self.write(id, effect, &mut asked);
            }
            self.exchange(asked, &mut outcomes);
        }
        outcomes
    }

    fn write(&mut self, id: EffectId, effect: &Effect, asked: &mut BTreeMap<u32, Asked>) {
        let sequence = self.next_sequence();
        match effect {
            Effect::Delete(key) => request::delete(&mut self.outgoing, sequence, true, key),
            Effect::Update(update) => {
                request::update(&mut self.outgoing, sequence, true, update);
                let identity = self.next_sequence();
                request::get(&mut self.outgoing, identity, &update.key);
                asked.insert(identity, Asked::Identity(id, update.key.id));
            }
            Effect::DeleteExpectation(key) => request::expectation::delete(&mut self.outgoing, sequence, true, key),
            Effect::Block(_) | Effect::Unblock(_) => return,
        }
        asked.insert(sequence, Asked::Change(id));
    }

    /// Sends what was written and reads until each request has its answer.
    fn exchange(&mut self, mut asked: BTreeMap<u32, Asked>, outcomes: &mut Vec<(EffectId, Ack)>) {
        let mut known: BTreeMap<EffectId, Ack> = BTreeMap::new();
        let changes: Vec<EffectId> = asked
            .values()
            .filter_map(|a| match a {
                Asked::Change(id) => Some(*id),
                Asked::Identity(..) => None,
            })
            .collect();
        if self.socket.send(&self.outgoing).is_ok() {
            while !asked.is_empty() {
                match self.socket.read() {
                    Ok(Read::Bytes) => note_answers(self.socket.bytes(), &mut asked, &mut known),
                    Ok(Read::Nothing) if self.socket.wait(PATIENCE).unwrap_or(false) => {}
                    // Whatever is still open got no answer.
                    Ok(Read::Nothing | Read::Overrun) | Err(_) => break,
                }
            }
        }
        outcomes.extend(changes.into_iter().map(|id| (id, known.get(&id).copied().unwrap_or(Ack::NoAnswer))));
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
                match message.content() {
                    Content::Conntrack(entry) => {
                        entry.flow.to_flow().into_iter().filter(|flow| flow.id == Some(id)).for_each(&mut row);
                    }
                    Content::Answer(answer) if answer.errno == Errno::NOENT.raw_os_error() => {}
                    Content::Answer(answer) => return Err(io::Error::from_raw_os_error(answer.errno)),
                    Content::Noop
                    | Content::Done { .. }
                    | Content::Overrun
                    | Content::Expectation(_)
                    | Content::Statistics(_)
                    | Content::CpuStatistics(_)
                    | Content::ExpectationCpuStatistics(_)
                    | Content::Other
                    | Content::Malformed(_) => {}
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

fn note_answers(bytes: &[u8], asked: &mut BTreeMap<u32, Asked>, known: &mut BTreeMap<EffectId, Ack>) {
    for message in Messages::new(bytes).map_while(Result::ok) {
        let Some(question) = asked.remove(&message.header.sequence) else { continue };
        match question {
            Asked::Change(id) => {
                if let Content::Answer(answer) = message.content() {
                    known.insert(id, as_ack(answer.errno));
                }
            }
            Asked::Identity(id, meant) => {
                // An error instead of an entry: the flow ended right after its change, which stands as it was acknowledged.
                let Content::Conntrack(entry) = message.content() else { continue };
                let is = entry.flow.to_flow().ok().and_then(|flow| flow.id);
                if is.is_some_and(|is| is != meant) && known.get(&id) == Some(&Ack::Done) {
                    known.insert(id, Ack::Replaced);
                }
            }
        }
    }
}

fn as_ack(errno: i32) -> Ack {
    // Compared as numbers: 0, which is no error, is no `Errno`, and making one of it panics.
    match errno {
        0 => Ack::Done,
        _ if errno == Errno::NOENT.raw_os_error() => Ack::Gone,
        _ => Ack::Refused(errno),
    }
}
