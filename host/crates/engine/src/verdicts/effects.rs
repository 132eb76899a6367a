//! Effects on their way: handed out, answered, or given up.
//!
//! A flow is deleted once: who wants the same while the delete is on its way shares its outcome. Deletes of an answer that
//! also blocks wait here until the blocks are in place, for an entry that is deleted first is made again by the next
//! packet and then lives on.

use alloc::collections::VecDeque;
use alloc::collections::btree_map::{BTreeMap, Entry};
use alloc::vec::Vec;

use ctwarden_model::{BlockRefusal, Effect, EffectId, FlowKey, Outcome, Refusal, Steady};
use hashbrown::HashMap;

use crate::Granted;
use crate::ids::{GateId, VerdictId};

/// Effects that may be without an answer while more are brought about for a selection: enough to keep busy whoever carries
/// them out, and done within some fifteen milliseconds, which is how long a ban may have to wait behind a large one.
const SELECTED_AHEAD: usize = 4096;

/// What came of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The kernel did it.
    Done,
    /// The flow, expectation or element was not there (ENOENT).
    Gone,
    /// Another flow has taken the tuple.
    Replaced,
    /// The kernel said no, with this `errno` (positive).
    Refused(i32),
    /// The network was not put into its block set, or not taken out of it.
    NotBlocked(BlockRefusal),
    /// The request or its answer was lost.
    NoAnswer,
}

impl Ack {
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Done => Outcome::Applied,
            Self::Gone => Outcome::Gone,
            Self::Replaced => Outcome::Replaced,
            Self::Refused(errno) => Outcome::Refused(Refusal::Kernel(errno)),
            Self::NotBlocked(why) => Outcome::Refused(Refusal::Block(why)),
            Self::NoAnswer => Outcome::Refused(Refusal::NoAnswer),
        }
    }
}

#[derive(Debug)]
struct InFlight {
    /// Verdicts that end with it.
    waiters: Vec<VerdictId>,
    deletes: Option<FlowKey>,
    /// Number of the end of the flow that it deletes, from when it was handed out.
    end: Option<u64>,
    opens: Option<GateId>,
    handed_out: bool,
}

/// An effect behind gates.
#[derive(Debug)]
struct HeldEffect {
    effect: Granted<Effect>,
    /// How many of the gates are shut.
    shut: usize,
}

/// Deletes that wait for blocks.
#[derive(Debug, Default)]
struct Gate {
    blocks: usize,
    effects: Vec<EffectId>,
    selections: Vec<VerdictId>,
}

/// What an answered effect sets free.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) waiters: Vec<VerdictId>,
    pub(crate) selections: Vec<VerdictId>,
    /// The end of the flow that was to be deleted.
    pub(crate) end: Option<(FlowKey, u64)>,
}

/// All effects that have no answer yet. Bounded by [`crate::EngineBounds::backlog`] and what the calls outstanding then
/// still bring, for beyond it no plugin is called and no row taken.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    next: u32,
    next_gate: u64,
    effects: HashMap<EffectId, InFlight>,
    held: BTreeMap<EffectId, HeldEffect>,
    /// To be handed out.
    outbox: VecDeque<(EffectId, Granted<Effect>)>,
    /// Of those handed out, in that order.
    deadlines: VecDeque<(Steady, EffectId)>,
    deleting: HashMap<FlowKey, EffectId>,
    gates: BTreeMap<GateId, Gate>,
}

impl Effects {
    /// How many have no answer yet.
    pub(crate) fn len(&self) -> usize {
        self.effects.len()
    }

    /// Whether more can be brought about for a selection without a long line in front of what comes next.
    pub(crate) fn are_few(&self) -> bool {
        self.effects.len() < SELECTED_AHEAD
    }

    /// A gate, shut by the blocks that are added with it.
    pub(crate) const fn gate(&mut self) -> GateId {
        let gate = GateId(self.next_gate);
        self.next_gate += 1;
        gate
    }

    /// Whether a block shuts the gate.
    pub(crate) fn is_shut(&self, gate: GateId) -> bool {
        self.gates.contains_key(&gate)
    }

    /// Takes an effect in. A block shuts the gate that it is given; a delete waits while any of its gates is shut.
    pub(crate) fn add(&mut self, effect: Granted<Effect>, waiters: Vec<VerdictId>, gates: &[GateId]) {
        while self.effects.contains_key(&EffectId(self.next)) {
            self.next = self.next.wrapping_add(1);
        }
        let id = EffectId(self.next);
        self.next = self.next.wrapping_add(1);
        let (mut deletes, mut opens, mut shut) = (None, None, 0);
        match effect.get() {
            Effect::Delete(key) => {
                deletes = Some(*key);
                self.deleting.insert(*key, id);
                shut = self.hold(id, gates);
            }
            Effect::DeleteExpectation(_) => shut = self.hold(id, gates),
            Effect::Block(_) => {
                opens = gates.first().copied();
                if let Some(gate) = opens {
                    self.gates.entry(gate).or_default().blocks += 1;
                }
            }
            Effect::Update(_) | Effect::Unblock(_) => {}
        }
        self.effects.insert(id, InFlight { waiters, deletes, end: None, opens, handed_out: false });
        if shut == 0 {
            self.outbox.push_back((id, effect));
        } else {
            self.held.insert(id, HeldEffect { effect, shut });
        }
    }

    /// Puts an effect behind those of the gates that are shut; tells how many.
    fn hold(&mut self, id: EffectId, gates: &[GateId]) -> usize {
        let mut shut = 0;
        for gate in gates {
            if let Some(gate) = self.gates.get_mut(gate) {
                gate.effects.push(id);
                shut += 1;
            }
        }
        shut
    }

    /// Whether a delete of the flow is on its way.
    pub(crate) fn is_deleting(&self, key: &FlowKey) -> bool {
        self.deleting.contains_key(key)
    }

    /// Shares the outcome of the delete that is on its way; gives the verdicts back where there is none.
    pub(crate) fn join_delete(&mut self, key: &FlowKey, verdicts: Vec<VerdictId>) -> Option<Vec<VerdictId>> {
        let joined = self.deleting.get(key).copied().and_then(|id| self.effects.get_mut(&id));
        match joined {
            Some(effect) => {
                effect.waiters.extend(verdicts);
                None
            }
            None => Some(verdicts),
        }
    }

    /// Holds a selection back while the gate is shut; false where it is open.
    pub(crate) fn hold_selection(&mut self, gate: GateId, selection: VerdictId) -> bool {
        match self.gates.get_mut(&gate) {
            Some(gate) => {
                gate.selections.push(selection);
                true
            }
            None => false,
        }
    }

    /// The next effect to be handed out; `ends` is told of the flow that it ends, and gives the number of that end.
    pub(crate) fn take(
        &mut self,
        deadline: Steady,
        ends: impl FnOnce(FlowKey) -> u64,
    ) -> Option<(EffectId, Granted<Effect>)> {
        let (id, effect) = self.outbox.pop_front()?;
        if let Some(in_flight) = self.effects.get_mut(&id) {
            in_flight.handed_out = true;
            in_flight.end = in_flight.deletes.map(ends);
        }
        self.deadlines.push_back((deadline, id));
        Some((id, effect))
    }

    /// Ends an effect that was handed out.
    pub(crate) fn answered(&mut self, id: EffectId) -> Option<Answered> {
        if self.effects.get(&id).is_none_or(|in_flight| !in_flight.handed_out) {
            return None;
        }
        let ended = self.effects.remove(&id)?;
        if let Some(key) = ended.deletes {
            self.deleting.remove(&key);
        }
        let mut selections = Vec::new();
        if let Some(gate) = ended.opens.filter(|gate| self.one_block_less(*gate))
            && let Some(open) = self.gates.remove(&gate)
        {
            for id in open.effects {
                self.one_gate_less(id);
            }
            selections = open.selections;
        }
        let end = ended.deletes.zip(ended.end);
        Some(Answered { waiters: ended.waiters, selections, end })
    }

    fn one_gate_less(&mut self, id: EffectId) {
        if let Entry::Occupied(mut held) = self.held.entry(id) {
            let shut = &mut held.get_mut().shut;
            *shut = shut.saturating_sub(1);
            if *shut == 0 {
                self.outbox.push_back((id, held.remove().effect));
            }
        }
    }

    /// Whether it was the last one.
    fn one_block_less(&mut self, gate: GateId) -> bool {
        self.gates.get_mut(&gate).is_some_and(|gate| {
            gate.blocks = gate.blocks.saturating_sub(1);
            gate.blocks == 0
        })
    }

    pub(crate) fn overdue(&mut self, now: Steady) -> Option<EffectId> {
        let &(deadline, id) = self.deadlines.front()?;
        if deadline > now {
            return None;
        }
        self.deadlines.pop_front();
        Some(id)
    }

    /// When the next one is given up.
    pub(crate) fn deadline(&mut self) -> Option<Steady> {
        while self.deadlines.front().is_some_and(|(_, id)| !self.effects.contains_key(id)) {
            self.deadlines.pop_front();
        }
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn clear(&mut self) {
        let (next, next_gate) = (self.next, self.next_gate);
        *self = Self { next, next_gate, ..Self::default() };
    }
}
