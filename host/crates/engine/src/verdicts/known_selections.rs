//! Selections that the program answers without a sweep, because it knows all or some of their flows.

use alloc::collections::BTreeMap;
use core::time::Duration;

use ctwarden_model::{Filter, Flow, Target};

use crate::ids::{SweepIds, VerdictId};
use crate::verdicts::Verdicts;
use crate::verdicts::selection::goes_by_name;
use crate::verdicts::selections::Answering;
use crate::{Detail, Knows, SelectionId, SelectionRequest, SweepId, WaitingSelection};

/// Approximate time that the kernel needs for one row of a sweep.
const ROW: Duration = Duration::from_micros(3);

impl Verdicts {
    pub(crate) fn has_answerable_selections(&self) -> bool {
        !self.stopping && self.selections.waiting().plugins().any(|plugin| self.selections.may_answer(plugin))
    }

    /// Selections that the program could answer, in the order of their turns. The number for each plugin is limited.
    pub(crate) fn answerable_selections(&self) -> impl Iterator<Item = WaitingSelection<'_>> {
        let waiting = self.selections.waiting();
        waiting.in_turn().into_iter().filter(|plugin| self.selections.may_answer(*plugin)).flat_map(move |plugin| {
            waiting.first_of(plugin).filter_map(|id| {
                Some(WaitingSelection { id: SelectionId(id), filter: self.filter_of(id)?, detail: self.detail(id) })
            })
        })
    }

    /// Takes the selections that the program can answer without a sweep out of the queue. If there are none, takes
    /// those selections for which the program can end some flows before a sweep. These selections need no rest in
    /// between, because they do not read the table. `sweep` is the duration of the last read of the table.
    pub(crate) fn answer_selections(&mut self, known: &[(SelectionId, Knows)], ids: &mut SweepIds, sweep: Duration) {
        let known: BTreeMap<VerdictId, Knows> = known.iter().map(|(SelectionId(id), knows)| (*id, *knows)).collect();
        let knows = |id: VerdictId| known.get(&id).copied().unwrap_or(Knows::Nothing);
        let is_answered = self.take_selections(ids, false, |_, id| knows(id) == Knows::All)
            || self
                .take_selections(ids, true, |verdicts, id| knows(id) == Knows::Some && verdicts.may_be_anticipated(id));
        if !is_answered {
            self.leave_to_sweep(sweep);
        }
    }

    /// If only a long sweep can end the waiting selections, reports the flows so far to the senders that wait for them.
    /// The next ban then does not wait for seconds.
    fn leave_to_sweep(&mut self, last: Duration) {
        if last.max(ROW.saturating_mul(self.guard.table_entries())) < self.config.bounds.long_sweep {
            return;
        }
        for id in self.selections.waiting().iter() {
            let Some(open) = self.open.get_mut(id) else { continue };
            if let Some(ticket) = open.ticket.take() {
                let flows = open.selection.as_ref().map(|progress| *progress.tally()).unwrap_or_default();
                self.replies.verdict_left_to_sweep(ticket, flows);
            }
        }
    }

    /// The parts of each flow that a selection needs.
    fn detail(&self, id: VerdictId) -> Detail {
        match self.open.get(id) {
            Some(open) if goes_by_name(&open.record.verdict.action) => Detail::Name,
            Some(_) | None => Detail::Entry,
        }
    }

    /// Moves the wanted selections of one plugin from the queue to a request, as many as one request may have. Returns
    /// whether there were any.
    fn take_selections(
        &mut self,
        ids: &mut SweepIds,
        partly: bool,
        is_wanted: impl Fn(&Self, VerdictId) -> bool,
    ) -> bool {
        let most = self.config.bounds.selections_per_sweep.max(1);
        let mut waiting = core::mem::take(self.selections.waiting_mut());
        let taken = waiting.take_wanted(
            most,
            |plugin| self.selections.may_answer(plugin),
            |id| self.filter_of(id).is_some() && is_wanted(self, id),
        );
        *self.selections.waiting_mut() = waiting;
        let Some((plugin, verdicts)) = taken else { return false };
        let filters = verdicts.iter().filter_map(|&id| self.filter_of(id).cloned()).collect();
        let id = ids.take();
        self.selections.answer(Answering { id, plugin, verdicts, partly }, SelectionRequest { id, filters });
        true
    }

    /// The filter of a verdict over a selection.
    fn filter_of(&self, id: VerdictId) -> Option<&Filter> {
        match self.target(id) {
            Some(Target::Matching(selection)) => Some(&selection.filter),
            Some(Target::None | Target::Entry(_) | Target::Key(_)) | None => None,
        }
    }

    /// Runs `act` on the selections of a request. Returns `None` if the program does not answer this request.
    fn for_answering<T>(&mut self, id: SweepId, act: impl FnOnce(&mut Self, &[VerdictId]) -> T) -> Option<T> {
        let verdicts = core::mem::take(self.selections.answering_mut(id)?);
        let done = act(self, &verdicts);
        if let Some(kept) = self.selections.answering_mut(id) {
            *kept = verdicts;
        }
        Some(done)
    }

    /// Matches a whole entry against the selections of a request. Returns false if the program does not answer this
    /// request.
    pub(crate) fn answer_with_entry(&mut self, id: SweepId, flow: &Flow) -> bool {
        self.for_answering(id, |verdicts, selections| verdicts.select(selections, flow)).is_some()
    }

    /// Matches a flow if only its id, zone and tuples are known. Returns whether these were enough.
    pub(crate) fn answer_with_name(&mut self, id: SweepId, flow: &Flow) -> bool {
        self.for_answering(id, |verdicts, selections| verdicts.select_known(selections, flow)).unwrap_or(true)
    }

    /// Ends a request, because the program has reported what it knows. Returns false if there is no such request.
    pub(crate) fn end_answer(&mut self, id: SweepId, complete: bool) -> bool {
        let Some(Answering { id: _, plugin: _, verdicts, partly }) = self.selections.answered(id) else { return false };
        if partly {
            // A sweep follows in any case, whether the program broke off or not.
            self.pause_selections(verdicts);
        } else {
            self.end_selections(verdicts, complete);
        }
        true
    }
}
