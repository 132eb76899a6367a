//! Questions for a whole entry, before anything is decided about a flow of which too little is known.
//!
//! Events are thin, and a protected flow must not be hit because of that. A key comes from a plugin: the kernel finds an entry
//! by either of its tuples and does not compare the id in an update, so that nothing is sent for a key before its entry was
//! looked at.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use ctwarden_model::{Flow, FlowKey, Known, Outcome, Refusal, Steady, Truth};

use crate::LookupId;
use crate::ids::RoundId;
use crate::verdicts::Verdicts;
use crate::verdicts::claim::{Claim, ExpectationGroup, FlowGroup};
use crate::verdicts::sight::Sight;

/// Asks for the entry of a flow as the kernel has it now (`IPCTNL_MSG_CT_GET`). Answer with
/// [`crate::Engine::handle_lookup`]; without an answer nothing is done to the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub id: LookupId,
    /// Which flow. Its tuple may be the entry's reply tuple.
    pub key: FlowKey,
}

/// What the kernel said to a [`Lookup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The entry that has the tuple and zone now, whatever its id.
    Found(Box<Flow>),
    /// There is none (ENOENT).
    Gone,
    /// The kernel said no, with this `errno` (positive).
    Refused(i32),
}

/// Questions that may be without an answer while more are handed out. What is found has to be acted on soon, and the answers
/// to more would be old before their turn comes.
const ASKED_AHEAD: usize = 256;

/// Who waits for an entry.
#[derive(Debug)]
enum Asking {
    /// Verdicts on the flow.
    Flow(FlowGroup),
    /// Verdicts on an expectation of the flow.
    Master(ExpectationGroup),
}

#[derive(Debug)]
struct Open {
    asking: Asking,
    /// How many ends of flows had been received when the question was put.
    ends: u64,
    /// When the question was handed out.
    asked: Option<Steady>,
}

/// Questions that have no answer yet, with the verdicts that wait for it. Bounded by [`crate::EngineBounds::backlog`] and what
/// the calls outstanding then still bring.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    next: u64,
    open: BTreeMap<LookupId, Open>,
    /// The question that is open about a flow of a round: a late answer of the round joins it.
    of_round: BTreeMap<(RoundId, FlowKey), LookupId>,
    outbox: VecDeque<LookupId>,
    /// How many were handed out.
    asked: usize,
    deadlines: VecDeque<(Steady, LookupId)>,
}

impl Lookups {
    /// How many have no answer yet.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// When the next one is given up.
    pub(crate) fn deadline(&mut self) -> Option<Steady> {
        while self.deadlines.front().is_some_and(|(_, id)| !self.open.contains_key(id)) {
            self.deadlines.pop_front();
        }
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    fn overdue(&mut self, now: Steady) -> Option<Asking> {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if let Some(open) = self.close(id) {
                return Some(open.asking);
            }
        }
        None
    }

    fn close(&mut self, id: LookupId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.asked = self.asked.saturating_sub(usize::from(open.asked.is_some()));
        if let Asking::Flow(FlowGroup { round: Some(round), key, .. }) = &open.asking {
            self.of_round.remove(&(*round, *key));
        }
        Some(open)
    }

    /// Ends the question that is open about a flow of the round under that key.
    fn close_same(&mut self, round: RoundId, key: FlowKey) -> Option<FlowGroup> {
        let id = self.of_round.get(&(round, key)).copied()?;
        match self.close(id)?.asking {
            Asking::Flow(group) => Some(group),
            Asking::Master(_) => None,
        }
    }

    fn open(&mut self, asking: Asking, ends: u64, deadline: Steady) {
        let id = LookupId(self.next);
        self.next += 1;
        if let Asking::Flow(FlowGroup { round: Some(round), key, .. }) = &asking {
            self.of_round.insert((*round, *key), id);
        }
        self.open.insert(id, Open { asking, ends, asked: None });
        self.outbox.push_back(id);
        // From now on, not from when it is taken: verdicts do not wait for a program that never asks.
        self.deadlines.push_back((deadline, id));
    }
}

impl Verdicts {
    /// What a question is open about is known now: the verdicts that wait for it are merged with those that brought the
    /// knowledge, so that a round still changes a flow once.
    pub(crate) fn rejoin(&mut self, group: &mut FlowGroup, key: FlowKey) {
        let Some(round) = group.round.filter(|_| !self.lookups.of_round.is_empty()) else { return };
        if group.sight.protected() == Truth::Unknown {
            return;
        }
        if let Some(waiting) = self.lookups.close_same(round, key) {
            for claim in &waiting.claims {
                self.name_flow(claim, &waiting.key, &group.key);
            }
            let later = core::mem::replace(&mut group.claims, waiting.claims);
            group.claims.extend(later);
            group.gates.extend(waiting.gates);
        }
    }

    /// Asks what has the name of a flow that has ended.
    pub(crate) fn look_up_ended(&mut self, mut group: FlowGroup) {
        group.sight = Sight::Named { before: self.clock.wall };
        for claim in &mut group.claims {
            claim.ended = true;
        }
        self.look_up(group);
    }

    /// Asks for the whole entry and keeps the verdicts until it is there.
    pub(crate) fn look_up(&mut self, group: FlowGroup) {
        let same = group.round.and_then(|round| self.lookups.of_round.get(&(round, group.key)));
        if let Some(Open { asking: Asking::Flow(waiting), .. }) = same.and_then(|id| self.lookups.open.get_mut(id)) {
            waiting.sight = waiting.sight.with_another_look(group.sight);
            waiting.claims.extend(group.claims);
            waiting.gates.extend(group.gates);
            return;
        }
        self.ask(Asking::Flow(group));
    }

    /// Asks for the entry of an expectation's master.
    pub(crate) fn look_up_master(&mut self, group: ExpectationGroup) {
        self.ask(Asking::Master(group));
    }

    fn ask(&mut self, asking: Asking) {
        self.lookups.open(asking, self.ends.count(), self.clock.steady.plus(self.config.bounds.answer_wait));
    }

    pub(crate) fn next_lookup(&mut self) -> Option<Lookup> {
        if self.lookups.asked >= ASKED_AHEAD {
            return None;
        }
        loop {
            let id = self.lookups.outbox.pop_front()?;
            if let Some(Open { asking, asked, .. }) = self.lookups.open.get_mut(&id) {
                *asked = Some(self.clock.steady);
                self.lookups.asked += 1;
                let key = match asking {
                    Asking::Flow(group) => group.key,
                    Asking::Master(group) => group.expected.master_key(),
                };
                return Some(Lookup { id, key });
            }
        }
    }

    pub(crate) fn looked_up(&mut self, id: LookupId, looked: Looked) {
        let Some(Open { asking, ends, asked }) = self.lookups.close(id) else { return };
        let group = match asking {
            Asking::Flow(group) => group,
            Asking::Master(group) => return self.master_looked_up(group, looked),
        };
        match looked {
            Looked::Gone => self.conclude_all(group, Outcome::Gone),
            Looked::Refused(errno) => self.conclude_all(group, Outcome::Refused(Refusal::Kernel(errno))),
            Looked::Found(flow) if !self.is_meant(&group, &flow) => self.conclude_all(group, Outcome::Replaced),
            Looked::Found(flow) => self.found(group, &flow, asked.unwrap_or_default(), ends),
        }
    }

    /// Whether the entry can be the one that the verdicts are about.
    fn is_meant(&self, group: &FlowGroup, flow: &Flow) -> bool {
        let began_later = match group.sight {
            // Where the clock was set back, what began before seems to begin in the future.
            Sight::Named { before } => flow.started.is_some_and(|began| before < began && began <= self.clock.wall),
            Sight::Told { .. } => false,
        };
        flow.is_named_by(&group.key) && !began_later
    }

    /// The verdicts go on under the key that the kernel has for the flow, and with all others of their round on it, whichever
    /// tuple those name it by.
    fn found(&mut self, mut group: FlowGroup, flow: &Flow, at: Steady, ends: u64) {
        let key = flow.key();
        for claim in &group.claims {
            self.name_flow(claim, &group.key, &key);
        }
        group.key = key;
        group.sight = Sight::Told { protected: self.guard.holds(Known::Whole(flow)), at, ends };
        if !self.ends.can_be_of(&key) || self.is_ending(group.round, &key) {
            for claim in &mut group.claims {
                claim.ended = false;
            }
        }
        self.rejoin(&mut group, flow.reply_key());
        self.settle(group);
    }

    /// The record of a verdict names its flow as the kernel does.
    fn name_flow(&mut self, claim: &Claim, named: &FlowKey, key: &FlowKey) {
        if named != key
            && let Some(open) = self.open.get_mut(claim.verdict)
            && open.record.flow.is_some()
        {
            open.record.flow = Some(*key);
        }
    }

    pub(crate) fn give_up_lookups(&mut self) {
        while let Some(asking) = self.lookups.overdue(self.clock.steady) {
            match asking {
                Asking::Flow(group) => {
                    let outcome = match group.sight {
                        // It is there, and whether it may be touched is not known.
                        Sight::Told { .. } => Outcome::Protected,
                        Sight::Named { .. } => Outcome::Refused(Refusal::NoAnswer),
                    };
                    self.conclude_all(group, outcome);
                }
                Asking::Master(group) => self.conclude_expectation(group, Outcome::Protected),
            }
        }
    }

    /// The plugins of all that wait are gone.
    pub(crate) fn void_lookups(&mut self) {
        let Lookups { open, next, .. } = core::mem::take(&mut self.lookups);
        self.lookups.next = next;
        for Open { asking, .. } in open.into_values() {
            match asking {
                Asking::Flow(group) => self.void(group.claims),
                Asking::Master(group) => self.conclude_expectation(group, Outcome::Refused(Refusal::PluginGone)),
            }
        }
    }

    fn conclude_all(&mut self, group: FlowGroup, outcome: Outcome) {
        for Claim { verdict, .. } in group.claims {
            self.conclude(verdict, outcome);
        }
    }
}
