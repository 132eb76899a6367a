//! Selections that have not ended: those that wait, those that the program answers, and those that rest.

use alloc::collections::BTreeSet;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ctwarden_model::Steady;

use crate::ids::VerdictId;
use crate::verdicts::waiting_selections::WaitingSelections;
use crate::{PluginId, SelectionRequest, SweepId};

/// Maximum number of requests of one plugin that the program answers at once. A small request must not wait for a large
/// one, and each request takes memory.
const ANSWERING_MAX: usize = 8;

/// Selections that the program answers without a sweep.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) id: SweepId,
    pub(crate) plugin: PluginId,
    pub(crate) verdicts: Vec<VerdictId>,
    /// Whether the program knows only some of their flows.
    pub(crate) partly: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Selections {
    waiting: WaitingSelections,
    answering: Vec<Answering>,
    /// Requests that have not been handed out yet.
    requests: VecDeque<SelectionRequest>,
    /// Deletions that ran out of budget, with the time at which a part of it is back.
    resting: BTreeSet<(Steady, VerdictId)>,
}

impl Selections {
    pub(crate) const fn waiting(&self) -> &WaitingSelections {
        &self.waiting
    }

    pub(crate) const fn waiting_mut(&mut self) -> &mut WaitingSelections {
        &mut self.waiting
    }

    /// Whether the program may answer one more request of the plugin.
    pub(crate) fn may_answer(&self, plugin: PluginId) -> bool {
        self.answering.iter().filter(|answering| answering.plugin == plugin).count() < ANSWERING_MAX
    }

    pub(crate) fn answer(&mut self, answering: Answering, request: SelectionRequest) {
        self.answering.push(answering);
        self.requests.push_back(request);
    }

    pub(crate) fn next_request(&mut self) -> Option<SelectionRequest> {
        self.requests.pop_front()
    }

    /// The selections of a request, or `None` if the program does not answer this request.
    pub(crate) fn answering_mut(&mut self, id: SweepId) -> Option<&mut Vec<VerdictId>> {
        self.answering.iter_mut().find(|answering| answering.id == id).map(|answering| &mut answering.verdicts)
    }

    /// Ends a request and returns its selections.
    pub(crate) fn answered(&mut self, id: SweepId) -> Option<Answering> {
        let place = self.answering.iter().position(|answering| answering.id == id)?;
        Some(self.answering.swap_remove(place))
    }

    pub(crate) fn rest(&mut self, until: Steady, id: VerdictId) {
        self.resting.insert((until, id));
    }

    /// Takes one deletion whose rest is over.
    pub(crate) fn rested(&mut self, now: Steady) -> Option<VerdictId> {
        self.resting.first().filter(|(until, _)| *until <= now)?;
        self.resting.pop_first().map(|(_, id)| id)
    }

    /// When the next rest is over.
    pub(crate) fn deadline(&self) -> Option<Steady> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// Takes all resting deletions.
    pub(crate) fn take_resting(&mut self) -> impl Iterator<Item = VerdictId> + use<> {
        core::mem::take(&mut self.resting).into_iter().map(|(_, id)| id)
    }

    /// Takes the selections that wait and those that the program answers. The program finishes its requests, but their
    /// flows no longer belong to a selection.
    pub(crate) fn take_all(&mut self) -> Vec<VerdictId> {
        let mut all = self.waiting.drain();
        all.extend(self.answering.iter_mut().flat_map(|answering| core::mem::take(&mut answering.verdicts)));
        all
    }
}
