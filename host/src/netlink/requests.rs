//! The daemon's requests to conntrack: deletes, updates, the full entry of one flow, statistics of the table.
//!
//! `ctwarden-netlink` sends them and matches their answers. This module turns each answer into what the engine needs.
//! The effects thread sends large batches, the loop only a few requests at a time.

use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use ctwarden_engine::{Ack, Looked, Lookup, LookupId};
use ctwarden_model::{Effect, EffectId, Flow, FlowKey, TableStatistics};
use ctwarden_netlink::{Batch, OpenError, Protocol, RequestError, RequestSocket};
use ctwarden_wire::{Content, request};
use rustix::io::Errno;

use super::changes::Changes;

/// How long to wait for answers that should already be there.
const PATIENCE: Duration = Duration::from_secs(1);

/// The size of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableSize {
    /// Entries of this network namespace.
    pub(crate) entries: u32,
    /// `nf_conntrack_max`, 0 if there is no maximum. `None` if the kernel does not report it (before Linux 4.19).
    pub(crate) maximum: Option<u32>,
}

/// A socket for requests.
pub(crate) struct Requests {
    socket: RequestSocket,
    batch: Batch,
    changes: Changes,
}

impl Requests {
    /// Most changes in one send. A longer list is split. All of the kernel's answers wait in the receive buffer at
    /// once, even if the buffer cannot be forced over the system's limit. An echo takes at least 1,280 bytes of it, and
    /// more than 64 changes a send are no faster.
    pub(crate) const IN_ONE_SEND: usize = 128;

    /// Most lookups in one send: the answer to each is a whole entry.
    const LOOKUPS_IN_ONE_SEND: usize = 64;

    pub(crate) fn open() -> Result<Self, OpenError> {
        let socket = RequestSocket::open_for_many(Protocol::Netfilter, PATIENCE)?;
        Ok(Self { socket, batch: Batch::new(), changes: Changes::default() })
    }

    /// Checks that the kernel answers this process at all: opening the socket needs no capability, the first request
    /// does.
    pub(crate) fn check_permission(&mut self) -> Result<(), OpenError> {
        self.entries().map(drop).map_err(|source| OpenError::new("query the kernel on", source))
    }

    /// `nlmsg_pid` of the events that its requests cause.
    pub(crate) const fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Carries out changes of the conntrack and the expectation table, in order, and returns their outcomes. Effects on
    /// nftables sets do not go to this socket and are skipped.
    pub(crate) fn apply<'a>(&mut self, effects: impl Iterator<Item = (EffectId, &'a Effect)>) -> Vec<(EffectId, Ack)> {
        let mut effects = effects.filter(|(_, effect)| Changes::takes(effect)).peekable();
        let mut outcomes = Vec::new();
        while effects.peek().is_some() {
            self.changes.begin();
            for number in 1..=Self::IN_ONE_SEND {
                let Some((id, effect)) = effects.next() else { break };
                let last = number == Self::IN_ONE_SEND || effects.peek().is_none();
                let changes = &mut self.changes;
                self.batch.push(|buffer, sequence| changes.write(buffer, sequence, id, effect, last));
            }
            self.carry_out();
            outcomes.extend(self.changes.outcomes());
        }
        outcomes
    }

    /// Sends the written changes and records their outcomes. If the answers end too soon, `changes` reports that.
    fn carry_out(&mut self) {
        let Self { socket, batch, changes } = self;
        let port = socket.port();
        let heard = socket.exchange(batch, |place, message| {
            changes.hear(place, message, port);
            if changes.is_over() { Break(()) } else { Continue(()) }
        });
        if heard.is_err() {
            return;
        }
        for key in changes.doubts() {
            batch.push(|buffer, sequence| request::get(buffer, sequence, &key));
        }
        // Without an answer the change stays doubtful.
        let _ = socket.ask_each(batch, |place, content| changes.hear_of_doubt(place, content));
    }

    /// Returns the whole entry that has the tuple and zone now, whatever its id. `None` if there is no entry.
    pub(crate) fn get(&mut self, key: &FlowKey) -> io::Result<Option<Flow>> {
        let found = self.socket.ask(
            |buffer, sequence| request::get(buffer, sequence, key),
            |content| match content {
                Content::Conntrack(entry) => entry.flow.to_flow().map_err(io::Error::other),
                Content::Malformed(error) => Err(io::Error::other(*error)),
                Content::Noop
                | Content::Overrun
                | Content::Done { .. }
                | Content::Answer(_)
                | Content::Expectation(_)
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Other => Err(io::Error::other("the kernel's answer is not an entry")),
            },
        );
        match found {
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
            Ok(found) => found.transpose(),
        }
    }

    /// Creates an entry. The error is `EEXIST` if its tuple is taken.
    pub(crate) fn create(&mut self, flow: &Flow) -> io::Result<()> {
        self.socket.ask(|buffer, sequence| request::create(buffer, sequence, flow), |_| ())?;
        Ok(())
    }

    /// Passes the present whole entries of flows to `row`. Flows that have ended or were replaced are skipped. All
    /// answers wait in the receive buffer at once, so pass only a few keys.
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

    /// Returns the kernel's present entry for each lookup. Lookups with a lost or unreadable answer are skipped.
    pub(crate) fn look_up(&mut self, lookups: &[Lookup]) -> Vec<(LookupId, Looked)> {
        let mut found = Vec::with_capacity(lookups.len());
        for few in lookups.chunks(Self::LOOKUPS_IN_ONE_SEND) {
            let keys: Vec<FlowKey> = few.iter().map(|lookup| lookup.key).collect();
            let mut ids = few.iter().map(|lookup| lookup.id);
            // The kernel answers in the order of the questions, and a lost answer ends the reading.
            let _ = self.ask_each(&keys, |_, content| {
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
        }
        found
    }

    /// Returns the flows that the kernel does not confirm as alive, with the kernel's answer for each. Pass only a few
    /// keys.
    pub(crate) fn absent(&mut self, flows: &[(EffectId, FlowKey)]) -> Vec<(EffectId, Ack)> {
        let keys: Vec<FlowKey> = flows.iter().map(|(_, key)| *key).collect();
        let mut said = Vec::with_capacity(keys.len());
        // A lost answer counts as no answer.
        let _ = self.ask_each(&keys, |key, content| {
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
        let said = said.into_iter().chain(std::iter::repeat(Ack::NoAnswer));
        flows.iter().map(|(id, _)| *id).zip(said).filter(|(_, ack)| *ack != Ack::Done).collect()
    }

    /// Looks up the entry of each key. `hear` receives the answers in the order of the keys.
    fn ask_each(&mut self, keys: &[FlowKey], mut hear: impl FnMut(&FlowKey, &Content<'_>)) -> Result<(), RequestError> {
        for key in keys {
            self.batch.push(|buffer, sequence| request::get(buffer, sequence, key));
        }
        self.socket.ask_each(&mut self.batch, |place, content| {
            if let Some(key) = keys.get(place) {
                hear(key, content);
            }
        })
    }

    /// Returns the number of entries in the table.
    pub(crate) fn entries(&mut self) -> io::Result<u32> {
        self.size().map(|size| size.entries)
    }

    /// Returns the number of entries in the table, and its maximum.
    pub(crate) fn size(&mut self) -> io::Result<TableSize> {
        let size = self.socket.ask(request::statistics, |content| {
            let Content::Statistics(global) = content else { return None };
            global.entries.map(|entries| TableSize { entries, maximum: global.maximum })
        })?;
        size.flatten().ok_or_else(|| io::Error::other("the kernel returned no statistics"))
    }

    /// Returns the table's size with its counters.
    pub(crate) fn statistics(&mut self) -> io::Result<TableStatistics> {
        let mut sum = TableStatistics::default();
        self.socket.ask(request::statistics, |content| {
            if let Content::Statistics(global) = content {
                global.add_to(&mut sum);
            }
        })?;
        self.socket.dump(request::statistics_cpu, None, |content, _| {
            if let Content::CpuStatistics(cpu) = content {
                cpu.add_to(&mut sum);
            }
            Ok::<_, RequestError>(())
        })?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests;
