//! Questions for a whole entry, where what is known of a flow does not tell whether it is protected.
//!
//! Events are thin and a key has no mark, status or reply tuple; a protected flow must not be hit because of that.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use ctwarden_model::{Flow, FlowKey, Outcome, Steady};

use crate::LookupId;
use crate::arbitrate::{Claim, FlowGroup};
use crate::engine::Engine;
use crate::ids::RoundId;
use crate::protect::{Held, Known};

/// Asks for the entry of a flow as the kernel has it now (`IPCTNL_MSG_CT_GET`). Answer with
/// [`crate::Engine::handle_lookup`]; without an answer the flow counts as protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Names the question.
    pub id: LookupId,
    /// Which flow.
    pub key: FlowKey,
}

/// Questions that may be open: each costs a system call. Beyond, the flow counts as protected.
const OPEN: usize = 4_096;

/// Questions that have no answer yet, with the verdicts that wait for it.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    next: u64,
    open: BTreeMap<LookupId, FlowGroup>,
    /// The question that is open about a flow of a round: a late answer of the round joins it.
    of_round: BTreeMap<(RoundId, FlowKey), LookupId>,
    outbox: VecDeque<LookupId>,
    deadlines: VecDeque<(Steady, LookupId)>,
}

impl Lookups {
    /// When the next one is given up.
    pub(crate) fn deadline(&mut self) -> Option<Steady> {
        while self.deadlines.front().is_some_and(|(_, id)| !self.open.contains_key(id)) {
            self.deadlines.pop_front();
        }
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    fn overdue(&mut self, now: Steady) -> Option<FlowGroup> {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if let Some(group) = self.close(id) {
                return Some(group);
            }
        }
        None
    }

    fn close(&mut self, id: LookupId) -> Option<FlowGroup> {
        let group = self.open.remove(&id)?;
        if let Some(round) = group.round {
            self.of_round.remove(&(round, group.key));
        }
        Some(group)
    }

    fn close_same(&mut self, group: &FlowGroup) -> Option<FlowGroup> {
        let id = self.of_round.get(&(group.round?, group.key)).copied()?;
        self.close(id)
    }
}

impl Engine {
    /// What a question is open about is known now: the verdicts that wait for it are merged with those that brought the
    /// knowledge, so that a round still changes a flow once.
    pub(crate) fn rejoin(&mut self, group: &mut FlowGroup) {
        if group.protected == Held::Unknown {
            return;
        }
        if let Some(waiting) = self.lookups.close_same(group) {
            let later = core::mem::replace(&mut group.claims, waiting.claims);
            group.claims.extend(later);
            group.gates.extend(waiting.gates);
        }
    }

    /// Asks for the whole entry and keeps the verdicts until it is there.
    pub(crate) fn look_up(&mut self, group: FlowGroup) {
        let same = group.round.and_then(|round| self.lookups.of_round.get(&(round, group.key)));
        if let Some(waiting) = same.and_then(|id| self.lookups.open.get_mut(id)) {
            waiting.claims.extend(group.claims);
            waiting.gates.extend(group.gates);
            return;
        }
        if self.lookups.open.len() >= OPEN {
            self.conclude_all(group, Outcome::Protected);
            return;
        }
        let id = LookupId(self.lookups.next);
        self.lookups.next += 1;
        if let Some(round) = group.round {
            self.lookups.of_round.insert((round, group.key), id);
        }
        self.lookups.open.insert(id, group);
        self.lookups.outbox.push_back(id);
        // From now on, not from when it is taken: verdicts do not wait for a program that never asks.
        self.lookups.deadlines.push_back((self.clock.steady.plus(self.config.answer_wait), id));
    }

    pub(crate) fn next_lookup(&mut self) -> Option<Lookup> {
        loop {
            let id = self.lookups.outbox.pop_front()?;
            if let Some(group) = self.lookups.open.get(&id) {
                return Some(Lookup { id, key: group.key });
            }
        }
    }

    pub(crate) fn looked_up(&mut self, id: LookupId, flow: Option<Box<Flow>>) {
        let Some(mut group) = self.lookups.close(id) else { return };
        match flow {
            None => self.conclude_all(group, Outcome::Gone),
            Some(flow) if flow.id != Some(group.key.id) => self.conclude_all(group, Outcome::Replaced),
            Some(flow) => {
                group.protected = self.protected.holds(Known::Whole(&flow));
                self.settle(group);
            }
        }
    }

    pub(crate) fn give_up_lookups(&mut self) {
        while let Some(group) = self.lookups.overdue(self.clock.steady) {
            self.conclude_all(group, Outcome::Protected);
        }
    }

    /// The plugins of all that wait are gone.
    pub(crate) fn void_lookups(&mut self) {
        self.lookups.outbox.clear();
        self.lookups.deadlines.clear();
        self.lookups.of_round.clear();
        for group in core::mem::take(&mut self.lookups.open).into_values() {
            self.void(group.claims);
        }
    }

    fn conclude_all(&mut self, group: FlowGroup, outcome: Outcome) {
        for Claim { verdict, .. } in group.claims {
            self.conclude(verdict, outcome);
        }
    }
}

impl Held {
    /// Whether it surely holds.
    pub(crate) const fn is_sure(self) -> bool {
        matches!(self, Self::Yes)
    }
}
