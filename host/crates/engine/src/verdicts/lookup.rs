//! Lookups of whole entries, for decisions about flows that the engine knows too little about.
//!
//! Events are thin, and a protected flow must not be changed because an event lacks a field. A key comes from a plugin.
//! The kernel finds an entry by either of its tuples and does not compare the id in an update. Therefore nothing is
//! sent for a key before its entry has been looked up.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use ctwarden_model::{Flow, FlowKey, Known, Outcome, Refusal, Steady, Truth};

use crate::LookupId;
use crate::ids::RoundId;
use crate::verdicts::Verdicts;
use crate::verdicts::claim::{Claim, ExpectationGroup, FlowGroup};
use crate::verdicts::sight::Sight;

/// Asks for the current entry of a flow (`IPCTNL_MSG_CT_GET`). Answer with [`crate::Engine::handle_lookup`]. Without an
/// answer nothing is done to the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub id: LookupId,
    /// Key of the flow. Its tuple may be the entry's reply tuple.
    pub key: FlowKey,
}

/// The kernel's answer to a [`Lookup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The entry that has the tuple and zone now, whatever its id is.
    Found(Box<Flow>),
    /// There is no such entry (ENOENT).
    Gone,
    /// The kernel refused the request with this `errno` (positive).
    Refused(i32),
}

/// Maximum number of lookups in flight. The engine must act on a found entry soon. The answers to more lookups would be
/// old before their turn comes.
const ASKED_AHEAD: usize = 256;

/// The verdicts that wait for an entry.
#[derive(Debug)]
enum Asking {
    /// Verdicts on the flow.
    Flow(FlowGroup),
    /// Verdicts on an expectation whose master is the flow.
    Master(ExpectationGroup),
}

#[derive(Debug)]
struct OpenLookup {
    asking: Asking,
    /// Number of ends of flows that had been received when the lookup was opened.
    ends: u64,
    /// When the lookup was handed out.
    asked: Option<Steady>,
}

/// Lookups that have no answer yet, and the verdicts that wait for them. Bounded by [`crate::EngineBounds::backlog`]
/// plus what the outstanding calls still return.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    next: u64,
    open: BTreeMap<LookupId, OpenLookup>,
    /// The open lookup of a flow of a round. A late answer of the round joins it.
    of_round: BTreeMap<(RoundId, FlowKey), LookupId>,
    outbox: VecDeque<LookupId>,
    /// Number of lookups in flight.
    asked: usize,
    deadlines: VecDeque<(Steady, LookupId)>,
}

impl Lookups {
    /// Number of lookups without an answer.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// When the next lookup is given up.
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

    fn close(&mut self, id: LookupId) -> Option<OpenLookup> {
        let open = self.open.remove(&id)?;
        self.asked = self.asked.saturating_sub(usize::from(open.asked.is_some()));
        if let Asking::Flow(FlowGroup { round: Some(round), key, .. }) = &open.asking {
            self.of_round.remove(&(*round, *key));
        }
        Some(open)
    }

    /// Closes the open lookup of this key in the round, and returns the verdicts that wait for it.
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
        self.open.insert(id, OpenLookup { asking, ends, asked: None });
        self.outbox.push_back(id);
        // The time runs from now, not from when the lookup is taken. Verdicts must not wait for a program that never
        // asks the kernel.
        self.deadlines.push_back((deadline, id));
    }
}

impl Verdicts {
    /// Adds the verdicts that wait for a lookup of the flow to `group`, because `group` already knows the answer. A
    /// round thus still changes a flow once.
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

    /// Looks up the entry that now has the key of an ended flow.
    pub(crate) fn look_up_ended(&mut self, mut group: FlowGroup) {
        group.sight = Sight::Named { before: self.clock.wall };
        for claim in &mut group.claims {
            claim.ended = true;
        }
        self.look_up(group);
    }

    /// Looks up the whole entry and keeps the verdicts until the answer is there.
    pub(crate) fn look_up(&mut self, group: FlowGroup) {
        let same = group.round.and_then(|round| self.lookups.of_round.get(&(round, group.key)));
        if let Some(OpenLookup { asking: Asking::Flow(waiting), .. }) =
            same.and_then(|id| self.lookups.open.get_mut(id))
        {
            waiting.sight = waiting.sight.with_another_look(group.sight);
            waiting.claims.extend(group.claims);
            waiting.gates.extend(group.gates);
            return;
        }
        self.ask(Asking::Flow(group));
    }

    /// Looks up the entry of an expectation's master.
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
            if let Some(OpenLookup { asking, asked, .. }) = self.lookups.open.get_mut(&id) {
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
        let Some(OpenLookup { asking, ends, asked }) = self.lookups.close(id) else { return };
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

    /// Whether the verdicts can be about this entry.
    fn is_meant(&self, group: &FlowGroup, flow: &Flow) -> bool {
        let began_later = match group.sight {
            // If the clock was set back, a flow that began before seems to begin in the future.
            Sight::Named { before } => flow.started.is_some_and(|began| before < began && began <= self.clock.wall),
            Sight::Told { .. } => false,
        };
        flow.is_named_by(&group.key) && !began_later
    }

    /// Continues the verdicts under the key that the kernel has for the flow. Other verdicts of the round join them,
    /// whichever tuple they name the flow by.
    fn found(&mut self, mut group: FlowGroup, flow: &Flow, at: Steady, ends: u64) {
        let key = flow.key();
        for claim in &group.claims {
            self.name_flow(claim, &group.key, &key);
        }
        group.key = key;
        group.sight = Sight::Told { protected: self.guard.holds(Known::Whole(flow)), at, ends };
        // The remembered end belongs to another flow, or the delete that ends this flow is our own.
        if !self.ends.can_be_of(&key) || self.is_ending(group.round, &key) {
            for claim in &mut group.claims {
                claim.ended = false;
            }
        }
        self.rejoin(&mut group, flow.reply_key());
        self.settle(group);
    }

    /// Names the flow in the record of a verdict as the kernel does.
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
                        // The flow lives, but it is not known whether it is protected.
                        Sight::Told { .. } => Outcome::Protected,
                        Sight::Named { .. } => Outcome::Refused(Refusal::NoAnswer),
                    };
                    self.conclude_all(group, outcome);
                }
                Asking::Master(group) => self.conclude_expectation(group, Outcome::Protected),
            }
        }
    }

    /// Ends all lookups, because the plugins of all waiting verdicts are gone.
    pub(crate) fn void_lookups(&mut self) {
        let Lookups { open, next, .. } = core::mem::take(&mut self.lookups);
        self.lookups.next = next;
        for OpenLookup { asking, .. } in open.into_values() {
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
