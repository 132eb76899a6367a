//! Rounds: entries that several plugins receive at once, and whose verdicts are merged.
//!
//! A round waits for the verdicts of all plugins that received a part of it, but only a short time after the first
//! answer. A slow plugin must not delay another plugin's ban. A later answer is merged on its own. For late answers,
//! the round remembers the flows that it has ended.

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
    /// The answers were merged. The flows that the round has ended are kept for late answers.
    Closed {
        deleted: BTreeSet<FlowKey>,
    },
}

/// All rounds without the answer of some plugin. There are at most as many as parts in queues and calls.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    next: u64,
    open: BTreeMap<RoundId, Round>,
    /// Ends of the merge windows. First answers arrive in this order, so the windows also end in this order.
    windows: VecDeque<(Steady, RoundId)>,
}

impl Rounds {
    /// Begins a round. Each plugin in `waiting` receives a part.
    pub(crate) fn begin(&mut self, waiting: BTreeSet<PluginId>) -> RoundId {
        let id = self.name();
        self.open.insert(id, Round { waiting, state: State::Open { answers: Vec::new(), closing: false } });
        id
    }

    /// Returns a new id.
    pub(crate) const fn name(&mut self) -> RoundId {
        let id = RoundId(self.next);
        self.next += 1;
        id
    }

    /// Takes a plugin's answer. Returns the answers to merge now: none while other plugins are awaited, this answer
    /// alone if the round is closed, otherwise all answers.
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

    /// Reports that a plugin will not answer. Returns the answers to merge now, if no other plugin is awaited.
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

    /// Reports that an answer is merged. The round no longer waits for the plugin. Call it after [`Rounds::answered`]
    /// and the merge, so that the round remembers its ended flows until the last answer.
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

    /// The next round whose window is over, with the answers to merge.
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

    /// Closes every round, before the set of plugins changes. Returns the answers to merge.
    pub(crate) fn close_all(&mut self) -> Vec<Answers> {
        let ids: Vec<RoundId> = self.open.keys().copied().collect();
        let rounds = ids.into_iter().filter_map(|id| self.close(id)).collect();
        self.open.clear();
        self.windows.clear();
        rounds
    }

    /// When the merge window of the next open round ends.
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
