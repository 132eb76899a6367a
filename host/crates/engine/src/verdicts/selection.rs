//! Verdicts over a selection: every flow that matches, found by a sweep, each judged by the guard on its own.
//!
//! Many share one sweep. Each ends in one record with a tally, when the sweep is over and the last of its effects
//! answered. A deletion that runs out of budget goes on when the budget comes back, for a bounded time.

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Action, Flow, Known, Mode, Outcome, Refusal, Target, Truth, VerdictKind};

use crate::ids::{GateId, VerdictId};
use crate::verdicts::Verdicts;
use crate::verdicts::claim::{Change, Claim, FlowGroup};
use crate::verdicts::selection_progress::{Phase, SelectionProgress};
use crate::verdicts::sight::Sight;

/// Least time until a deletion that ran out of budget looks for its flows again: to find them may take a reading of the table.
const REST: Duration = Duration::from_secs(1);

fn ends_flows(action: &Action) -> bool {
    Change::of(action) == Some(Change::Delete)
}

/// Whether the kernel compares the id where the action is carried out, or is not asked at all. Where it does not, the flow has to
/// be read from the kernel before: what the program knows of it may be of long ago.
pub(crate) fn goes_by_name(action: &Action) -> bool {
    match Change::of(action) {
        Some(Change::Delete | Change::Protect(_)) => true,
        Some(Change::Mark(_) | Change::Labels(_) | Change::Timeout(_)) | None => false,
    }
}

impl Verdicts {
    fn progress(&self, id: VerdictId) -> Option<&SelectionProgress> {
        self.open.get(id)?.selection.as_deref()
    }

    fn progress_mut(&mut self, id: VerdictId) -> Option<&mut SelectionProgress> {
        self.open.get_mut(id)?.selection.as_deref_mut()
    }

    /// Takes a verdict over a selection in: it waits for a sweep, a delete for the blocks of its answer too.
    pub(crate) fn begin_selection(&mut self, id: VerdictId, gate: GateId) {
        let held = self.open.get(id).is_some_and(|open| ends_flows(&open.record.verdict.action));
        if !(held && self.effects.hold_selection(gate, id)) {
            self.await_sweep(id);
        }
    }

    /// Puts a selection into the line for the next sweep. When stopping there is none.
    pub(crate) fn await_sweep(&mut self, id: VerdictId) {
        let Some(open) = self.open.get(id) else { return };
        if self.stopping {
            self.end_selection(id, false);
        } else if self.guard.account(open.plugin).is_none() {
            self.abandon_selection(id, Refusal::PluginGone);
        } else {
            let plugin = open.plugin;
            self.selections.waiting_mut().push(plugin, id);
        }
    }

    /// Matches a row against the selections of a sweep and judges it.
    pub(crate) fn select(&mut self, selections: &[VerdictId], flow: &Flow) {
        let wanted = selections.iter().filter(|&&id| self.matched(id, Known::Whole(flow)) == Truth::Yes);
        let wanted: Vec<VerdictId> = wanted.copied().collect();
        if !wanted.is_empty() {
            self.judge_selected(&wanted, flow, self.guard.holds(Known::Whole(flow)));
        }
    }

    /// The same for a flow that is known by name and tuples only. Nothing is done, and false said, where more has to be known:
    /// for a filter that asks more, to be sure that it is not protected, or that it lives where it is not deleted.
    pub(super) fn select_known(&mut self, selections: &[VerdictId], flow: &Flow) -> bool {
        let known = Known::Event(flow);
        let mut wanted = Vec::with_capacity(selections.len());
        for &id in selections {
            match self.matched(id, known) {
                Truth::Yes if !self.open.get(id).is_some_and(|open| goes_by_name(&open.record.verdict.action)) => {
                    return false;
                }
                Truth::Yes => wanted.push(id),
                Truth::No => {}
                Truth::Unknown => return false,
            }
        }
        if wanted.is_empty() {
            return true;
        }
        let protected = self.guard.holds(known);
        if protected != Truth::Unknown {
            self.judge_selected(&wanted, flow, protected);
        }
        protected != Truth::Unknown
    }

    /// Whether a selection takes a flow, as far as is known of it.
    fn matched(&self, id: VerdictId, flow: Known<'_>) -> Truth {
        let Some(open) = self.open.get(id) else { return Truth::No };
        let (Some(progress), Target::Matching(selection)) = (&open.selection, &open.record.verdict.target) else {
            return Truth::No;
        };
        if !progress.takes_flows(selection.limit) {
            return Truth::No;
        }
        match flow {
            Known::Whole(flow) => selection.filter.matches(flow).into(),
            Known::Key(_) | Known::Event(_) => selection.filter.evaluate(&flow),
        }
    }

    fn judge_selected(&mut self, selections: &[VerdictId], flow: &Flow, protected: Truth) {
        let claims: Vec<Claim> = selections.iter().filter_map(|&id| self.claim(id)).collect();
        let sight = Sight::Told { protected, at: self.clock.steady, ends: self.ends.count() };
        self.settle(FlowGroup { key: flow.key(), sight, gone: false, claims, round: None, gates: Vec::new() });
    }

    /// What a selection wants of a flow that it takes.
    fn claim(&mut self, id: VerdictId) -> Option<Claim> {
        let open = self.open.get_mut(id)?;
        let progress = open.selection.as_mut()?;
        let change = Change::of(&open.record.verdict.action)?;
        let allowed = progress.take_flow();
        Some(Claim { verdict: id, plugin: open.plugin, allowed, change, ended: false })
    }

    /// The sweep of these selections has ended: those that it did not serve well wait for another.
    pub(crate) fn end_selections(&mut self, selections: Vec<VerdictId>, complete: bool) {
        for id in selections {
            let again = self.open.get_mut(id).and_then(|open| {
                let again = open.selection.as_mut()?.try_again(complete);
                again.then_some(open.plugin)
            });
            match again.filter(|_| !self.stopping) {
                Some(plugin) => self.selections.waiting_mut().push(plugin, id),
                None => self.end_selection(id, complete),
            }
        }
    }

    /// Whether it is worth while to end the flows that the program knows before a sweep finds the others: only a delete is,
    /// once, and not where it is only observed. What was changed otherwise would be met again.
    pub(super) fn may_be_anticipated(&self, id: VerdictId) -> bool {
        self.open.get(id).is_some_and(|open| {
            let mode = self.guard.mode(open.plugin, self.clock.steady);
            let is_first = open.selection.as_ref().is_some_and(|progress| !progress.was_anticipated());
            is_first && mode == Some(Mode::Enforce) && ends_flows(&open.record.verdict.action)
        })
    }

    /// The program has told all flows of these selections that it knows; a sweep tells the others.
    pub(super) fn pause_selections(&mut self, selections: Vec<VerdictId>) {
        for id in selections {
            if let Some(progress) = self.progress_mut(id) {
                progress.pause();
            }
            self.continue_selection(id);
        }
    }

    /// No more flows come.
    pub(super) fn end_selection(&mut self, id: VerdictId, complete: bool) {
        if let Some(progress) = self.progress_mut(id) {
            progress.end(complete);
        }
        self.continue_selection(id);
    }

    /// What comes next where every flow that came has its outcome: the sweep for the others, or the end.
    pub(super) fn continue_selection(&mut self, id: VerdictId) {
        if self.progress(id).is_some_and(SelectionProgress::wants_more_budget) && self.rest_selection(id) {
            return;
        }
        let Some(open) = self.open.get_mut(id) else { return };
        let Some(progress) = open.selection.as_mut().filter(|progress| progress.is_settled()) else { return };
        match progress.phase() {
            Phase::Finding | Phase::Resting => {}
            Phase::Pausing => {
                progress.look_again();
                self.await_sweep(id);
            }
            Phase::Over => {
                let tracked = match &open.record.verdict.target {
                    Target::Matching(selection) => self.tracked.reaches(&selection.filter),
                    Target::None | Target::Entry(_) | Target::Key(_) => true,
                };
                let outcome = progress.outcome(open.record.mode, tracked);
                self.finish(id, outcome);
            }
        }
    }

    /// Lets a deletion rest until some of the budget is back; false where it does not go on: what is left is over budget.
    fn rest_selection(&mut self, id: VerdictId) -> bool {
        let (now, entries) = (self.clock.steady, self.guard.table_entries());
        let Some(open) = self.open.get_mut(id) else { return false };
        let Some(progress) = open.selection.as_mut() else { return false };
        let left = progress.tally().over_budget;
        let account = self.guard.account_mut(open.plugin);
        let Some(account) = account.filter(|account| account.mode(now) == Mode::Enforce) else { return false };
        let returns = account.budget_returns(left, entries, now).max(now.plus(REST));
        let gives_up = open.arrived.plus(self.config.bounds.resume_for);
        if !ends_flows(&open.record.verdict.action) || self.stopping || returns > gives_up {
            return false;
        }
        let so_far = progress.rest(left);
        self.selections.rest(returns, id);
        if let Some(ticket) = open.ticket {
            self.replies.verdict_rests(ticket, id, VerdictKind::Delete, so_far);
        }
        true
    }

    /// Deletions whose budget is back look for their flows again.
    pub(super) fn resume_selections(&mut self) {
        while let Some(id) = self.selections.rested(self.clock.steady) {
            if let Some(open) = self.open.get_mut(id) {
                if let Some(progress) = &mut open.selection {
                    progress.resume();
                }
                if let Some(ticket) = open.ticket {
                    self.replies.verdict_goes_on(ticket, id);
                }
            }
            self.await_sweep(id);
        }
    }

    /// Deletions that rest go on no more: what is left of them is over budget.
    pub(super) fn give_up_resting(&mut self) {
        for id in self.selections.take_resting() {
            let Some(progress) = self.progress_mut(id) else { continue };
            progress.give_up_rest();
            let outcome = progress.outcome_so_far().unwrap_or(Outcome::OverBudget);
            self.finish(id, outcome);
        }
    }

    /// Ends a selection whose plugin is gone; what it has under way is still counted.
    pub(super) fn abandon_selection(&mut self, id: VerdictId, refusal: Refusal) {
        let Some(progress) = self.progress_mut(id) else { return };
        progress.abandon();
        if progress.is_settled() {
            let outcome = progress.outcome_so_far().unwrap_or(Outcome::Refused(refusal));
            self.finish(id, outcome);
        }
    }

    /// A new set of plugins, or the end: no selection waits, rests or is answered any more. `running`: those of the running
    /// sweep.
    pub(crate) fn abandon_selections(&mut self, running: Vec<VerdictId>) {
        self.give_up_resting();
        let mut selections = self.selections.take_all();
        selections.extend(running);
        for id in selections {
            if self.stopping {
                self.end_selection(id, false);
            } else {
                self.abandon_selection(id, Refusal::PluginGone);
            }
        }
    }
}
