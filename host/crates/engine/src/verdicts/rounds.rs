//! Rounds: entries that are offered to several plugins at once, and whose verdicts are merged.
//!
//! A round waits for the verdicts of all plugins that were handed a part of it, but not for long after the first: a slow
//! plugin must not hold up another's ban. A part that is answered later is arbitrated on its own, with the memory of what
//! the round has already ended.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{FlowKey, Steady};

use crate::PluginId;
use crate::ids::RoundId;
use crate::verdicts::claim::Candidate;

/// The candidates of each answer, in the order of the answers.
pub(crate) type Answers = Vec<Vec<Candidate>>;

#[derive(Debug)]
struct Round {
    waiting: BTreeSet<PluginId>,
    state: State,
}

#[derive(Debug)]
enum State {
    Open {
        answers: Answers,
        closing: bool,
    },
    /// They were arbitrated; flows that the round has ended are remembered for late answers.
    Closed {
        deleted: BTreeSet<FlowKey>,
    },
}

/// All rounds that some plugin has not answered yet: at most as many as parts wait in queues and calls.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    next: u64,
    open: BTreeMap<RoundId, Round>,
    /// In the order of their first answers, and so of their ends.
    windows: VecDeque<(Steady, RoundId)>,
}

impl Rounds {
    /// A new one, for the plugins that are handed a part.
    pub(crate) fn begin(&mut self, waiting: BTreeSet<PluginId>) -> RoundId {
        let id = self.name();
        self.open.insert(id, Round { waiting, state: State::Open { answers: Vec::new(), closing: false } });
        id
    }

    /// A name that no round has.
    pub(crate) const fn name(&mut self) -> RoundId {
        let id = RoundId(self.next);
        self.next += 1;
        id
    }

    /// A plugin's answer came. Returns what is to be arbitrated now: nothing while others are waited for, this answer
    /// alone where the round is closed, else all of it.
    pub(crate) fn answered(
        &mut self,
        id: RoundId,
        plugin: PluginId,
        answer: Vec<Candidate>,
        now: Steady,
        window: Duration,
    ) -> Option<Answers> {
        let Some(round) = self.open.get_mut(&id) else { return Some(Vec::from([answer])) };
        match &mut round.state {
            State::Closed { .. } => return Some(Vec::from([answer])),
            State::Open { answers, closing } => {
                answers.push(answer);
                let others = round.waiting.iter().any(|&waiting| waiting != plugin);
                if others && !*closing {
                    *closing = true;
                    self.windows.push_back((now.plus(window), id));
                }
                if others {
                    return None;
                }
            }
        }
        self.close(id)
    }

    /// A plugin will not answer. Returns what is to be arbitrated now, because no other is waited for.
    pub(crate) fn given_up(&mut self, id: RoundId, plugin: PluginId) -> Option<Answers> {
        let round = self.open.get_mut(&id)?;
        round.waiting.remove(&plugin);
        if !round.waiting.is_empty() {
            return None;
        }
        let answers = self.close(id);
        self.open.remove(&id);
        answers
    }

    /// The verdicts of an answer are arbitrated: the plugin is no longer waited for. To be told after
    /// [`Rounds::answered`] and the arbitration, so that the memory of the round lasts until its last answer.
    pub(crate) fn settled(&mut self, id: RoundId, plugin: PluginId) {
        if let Some(round) = self.open.get_mut(&id) {
            round.waiting.remove(&plugin);
            if round.waiting.is_empty() && matches!(round.state, State::Closed { .. }) {
                self.open.remove(&id);
            }
        }
    }

    fn close(&mut self, id: RoundId) -> Option<Answers> {
        let round = self.open.get_mut(&id)?;
        let closed = State::Closed { deleted: BTreeSet::new() };
        match core::mem::replace(&mut round.state, closed) {
            State::Open { answers, .. } => Some(answers),
            State::Closed { deleted } => {
                round.state = State::Closed { deleted };
                None
            }
        }
    }

    /// The next round whose window has passed, with what is to be arbitrated.
    pub(crate) fn expired(&mut self, now: Steady) -> Option<(RoundId, Answers)> {
        while let Some(&(end, id)) = self.windows.front() {
            if end > now {
                return None;
            }
            self.windows.pop_front();
            if let Some(answers) = self.close(id) {
                return Some((id, answers));
            }
        }
        None
    }

    /// Closes every round, for a reload or the end.
    pub(crate) fn close_all(&mut self) -> Vec<Answers> {
        let ids: Vec<RoundId> = self.open.keys().copied().collect();
        let rounds = ids.into_iter().filter_map(|id| self.close(id)).collect();
        self.open.clear();
        self.windows.clear();
        rounds
    }

    /// When the next window ends.
    pub(crate) fn deadline(&mut self) -> Option<Steady> {
        let open = |id: &RoundId| self.open.get(id).is_some_and(|round| matches!(round.state, State::Open { .. }));
        while self.windows.front().is_some_and(|(_, id)| !open(id)) {
            self.windows.pop_front();
        }
        self.windows.front().map(|(end, _)| *end)
    }

    /// Remembers that the round has ended a flow.
    pub(crate) fn remember_deleted(&mut self, id: RoundId, key: FlowKey) {
        if let Some(Round { state: State::Closed { deleted }, .. }) = self.open.get_mut(&id) {
            deleted.insert(key);
        }
    }

    /// Whether the round has ended the flow.
    pub(crate) fn has_deleted(&self, id: RoundId, key: &FlowKey) -> bool {
        matches!(self.open.get(&id), Some(Round { state: State::Closed { deleted }, .. }) if deleted.contains(key))
    }
}
