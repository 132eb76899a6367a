//! Effects in flight, until they are answered or given up.
//!
//! A flow is deleted once. Verdicts that delete the same flow while the delete is in flight share its outcome. A kill
//! takes the place of a delete that was not handed out yet. Deletes and kills of an answer that also blocks wait here until the blocks are in place. If the delete came first, the next packet
//! would create the entry again, and the new entry would live on.

use alloc::collections::VecDeque;
use alloc::collections::btree_map::{BTreeMap, Entry};
use alloc::vec::Vec;

use ctwarden_model::{BlockRefusal, Effect, EffectId, FlowKey, KillRefusal, Outcome, Refusal, Steady};
use hashbrown::HashMap;

use crate::Granted;
use crate::ids::{GateId, VerdictId};

/// Number of open effects below which a selection may add more. This is enough to keep the program that carries out
/// effects busy. The program carries out this many within about 15 ms, which is how long a ban may have to wait behind
/// a large selection.
const SELECTED_AHEAD: usize = 4096;

/// The answer to an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The kernel carried out the request.
    Done,
    /// The flow, expectation or element does not exist (ENOENT).
    Gone,
    /// Another flow has taken the tuple.
    Replaced,
    /// The kernel refused the request with this `errno` (positive).
    Refused(i32),
    /// The entry was deleted, but the connection was not ended.
    NotKilled(KillRefusal),
    /// The network was not put into its block set, or not taken out of it.
    NotBlocked(BlockRefusal),
    /// The request or its answer was lost.
    NoAnswer,
}

impl Ack {
    /// The outcome of a verdict that waits for the effect. `kills` is whether the verdict asks for the end of the
    /// connection.
    pub(crate) const fn outcome(self, kills: bool) -> Outcome {
        match self {
            Self::NotKilled(why) if kills => Outcome::Refused(Refusal::Kill(why)),
            Self::NotKilled(_) | Self::Done => Outcome::Applied,
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
    /// Verdicts that end with this effect.
    waiters: Vec<VerdictId>,
    deletes: Option<FlowKey>,
    /// Whether the effect also ends the connection.
    kills: bool,
    /// A kill that takes the place of the effect, which is a delete.
    instead: Option<Granted<Effect>>,
    /// Number of the end of the flow that the effect deletes. Set when the effect is handed out.
    end: Option<u64>,
    opens: Option<GateId>,
    handed_out: bool,
}

/// An effect that waits for gates.
#[derive(Debug)]
struct HeldEffect {
    effect: Granted<Effect>,
    /// Number of its gates that are shut.
    shut: usize,
}

/// Deletes, kills and selections that wait for blocks.
#[derive(Debug, Default)]
struct Gate {
    blocks: usize,
    effects: Vec<EffectId>,
    selections: Vec<VerdictId>,
}

/// What the answer to an effect releases.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) waiters: Vec<VerdictId>,
    pub(crate) selections: Vec<VerdictId>,
    /// The end of the flow that the effect was to delete: its key and its number.
    pub(crate) end: Option<(FlowKey, u64)>,
}

/// All effects that have no answer yet. Bounded by [`crate::EngineBounds::backlog`] plus what the outstanding calls
/// still return. Beyond that bound no plugin is called and no row is taken.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    next: u32,
    next_gate: u64,
    effects: HashMap<EffectId, InFlight>,
    held: BTreeMap<EffectId, HeldEffect>,
    /// Effects to hand out.
    outbox: VecDeque<(EffectId, Granted<Effect>)>,
    /// Deadlines of the effects that were handed out, in that order.
    deadlines: VecDeque<(Steady, EffectId)>,
    deleting: HashMap<FlowKey, EffectId>,
    gates: BTreeMap<GateId, Gate>,
}

impl Effects {
    /// Number of effects without an answer.
    pub(crate) fn len(&self) -> usize {
        self.effects.len()
    }

    /// Whether a selection may add effects without a long delay for the effects that follow.
    pub(crate) fn are_few(&self) -> bool {
        self.effects.len() < SELECTED_AHEAD
    }

    /// Returns a new gate. The blocks that are added with the gate shut it.
    pub(crate) const fn gate(&mut self) -> GateId {
        let gate = GateId(self.next_gate);
        self.next_gate += 1;
        gate
    }

    /// Whether a block shuts the gate.
    pub(crate) fn is_shut(&self, gate: GateId) -> bool {
        self.gates.contains_key(&gate)
    }

    /// Adds an effect. A block shuts the gate that it is given. A delete waits while any of its gates is shut.
    pub(crate) fn add(&mut self, effect: Granted<Effect>, waiters: Vec<VerdictId>, gates: &[GateId]) {
        while self.effects.contains_key(&EffectId(self.next)) {
            self.next = self.next.wrapping_add(1);
        }
        let id = EffectId(self.next);
        self.next = self.next.wrapping_add(1);
        let (mut deletes, mut kills, mut opens, mut shut) = (None, false, None, 0);
        match effect.get() {
            Effect::Delete(key) | Effect::Kill(key) => {
                deletes = Some(*key);
                kills = is_kill(&effect);
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
        self.effects
            .insert(id, InFlight { waiters, deletes, kills, instead: None, end: None, opens, handed_out: false });
        if shut == 0 {
            self.outbox.push_back((id, effect));
        } else {
            self.held.insert(id, HeldEffect { effect, shut });
        }
    }

    /// Puts an effect behind its shut gates. Returns the number of these gates.
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

    /// Whether a delete of the flow has no answer yet.
    pub(crate) fn is_deleting(&self, key: &FlowKey) -> bool {
        self.deleting.contains_key(key)
    }

    /// Lets verdicts share the outcome of the effect in flight that ends the flow. A kill takes the place of a delete
    /// that was not handed out. Returns the effect and its verdicts if there is nothing to share: a delete that was
    /// handed out ends no connection.
    pub(crate) fn join_end(
        &mut self,
        key: &FlowKey,
        effect: Granted<Effect>,
        verdicts: Vec<VerdictId>,
    ) -> Option<(Granted<Effect>, Vec<VerdictId>)> {
        let joined = self.deleting.get(key).copied().and_then(|id| self.effects.get_mut(&id));
        match joined {
            Some(in_flight) if in_flight.kills || !is_kill(&effect) => {
                in_flight.waiters.extend(verdicts);
                None
            }
            Some(in_flight) if !in_flight.handed_out => {
                in_flight.waiters.extend(verdicts);
                in_flight.kills = true;
                in_flight.instead = Some(effect);
                None
            }
            Some(_) | None => Some((effect, verdicts)),
        }
    }

    /// Holds a selection while the gate is shut. Returns false if the gate is open.
    pub(crate) fn hold_selection(&mut self, gate: GateId, selection: VerdictId) -> bool {
        match self.gates.get_mut(&gate) {
            Some(gate) => {
                gate.selections.push(selection);
                true
            }
            None => false,
        }
    }

    /// The next effect to hand out. If the effect ends a flow, `ends` receives the flow and returns the number of that
    /// end.
    pub(crate) fn take(
        &mut self,
        deadline: Steady,
        ends: impl FnOnce(FlowKey) -> u64,
    ) -> Option<(EffectId, Granted<Effect>)> {
        let (id, mut effect) = self.outbox.pop_front()?;
        if let Some(in_flight) = self.effects.get_mut(&id) {
            effect = in_flight.instead.take().unwrap_or(effect);
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
        // A kill may have followed a delete that was handed out.
        if let Some(key) = ended.deletes.filter(|key| self.deleting.get(key) == Some(&id)) {
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

    /// Whether this block was the last one of the gate.
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

    /// When the next effect is given up.
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

const fn is_kill(effect: &Granted<Effect>) -> bool {
    matches!(effect.get(), Effect::Kill(_))
}
