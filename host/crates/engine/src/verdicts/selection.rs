//! Verdicts over a selection. A sweep finds every flow that matches, and the guard judges each flow on its own.
//!
//! Many selections share one sweep. Each selection ends with one record and its tally, when its sweep is over and the
//! last of its effects is answered. A deletion that runs out of budget goes on when the budget refills, for a bounded
//! time.

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Action, Flow, Known, Mode, Outcome, Refusal, Target, Truth};

use crate::ids::{GateId, VerdictId};
use crate::verdicts::Verdicts;
use crate::verdicts::claim::{Change, Claim, FlowGroup};
use crate::verdicts::selection_progress::{Phase, SelectionProgress};
use crate::verdicts::sight::Sight;

/// Minimum time until a deletion that ran out of budget looks for its flows again, because this may take a read of the
/// table.
const REST: Duration = Duration::from_secs(1);

fn ends_flows(action: &Action) -> bool {
    Change::of(action).is_some_and(Change::ends_flow)
}

/// Whether id, zone and tuples of a flow suffice to carry out the action: the kernel compares the id, or is not
/// involved. For other actions the flow must first be read from the kernel, because the program's knowledge of the flow
/// may be old.
pub(crate) fn goes_by_name(action: &Action) -> bool {
    match Change::of(action) {
        Some(Change::Delete | Change::Kill | Change::Protect(_)) => true,
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

    /// Begins a verdict over a selection. The verdict waits for a sweep. A delete first waits for the blocks of its
    /// answer.
    pub(crate) fn begin_selection(&mut self, id: VerdictId, gate: GateId) {
        let held = self.open.get(id).is_some_and(|open| ends_flows(&open.record.verdict.action));
        if !(held && self.effects.hold_selection(gate, id)) {
            self.await_sweep(id);
        }
    }

    /// Puts a selection into the queue for the next sweep. After a stop there is no further sweep, so the selection
    /// ends.
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

    /// Matches a row against the selections and judges the flow for those that take it.
    pub(crate) fn select(&mut self, selections: &[VerdictId], flow: &Flow) {
        let wanted = selections.iter().filter(|&&id| self.matched(id, Known::Whole(flow)) == Truth::Yes);
        let wanted: Vec<VerdictId> = wanted.copied().collect();
        if !wanted.is_empty() {
            self.judge_selected(&wanted, flow, self.guard.holds(Known::Whole(flow)));
        }
    }

    /// Like [`Verdicts::select`], for a flow whose id, zone and tuples alone are known. Returns false and does
    /// nothing if these do not suffice: a filter or the protections need more, or the flow must be read before the
    /// change.
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

    /// Whether a selection takes a flow, as far as the flow is known.
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

    /// The claim of a selection on a flow that it takes.
    fn claim(&mut self, id: VerdictId) -> Option<Claim> {
        let open = self.open.get_mut(id)?;
        let progress = open.selection.as_mut()?;
        let change = Change::of(&open.record.verdict.action)?;
        let allowed = progress.take_flow();
        Some(Claim { verdict: id, plugin: open.plugin, allowed, change, ended: false })
    }

    /// Ends the sweep of these selections. If the sweep was interrupted, they wait for another one, up to a maximum
    /// number of sweeps.
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

    /// Whether to end the flows that the program knows before a sweep finds the others. Only a delete in enforce mode
    /// does this, and only once. A sweep would find flows again that were changed in any other way.
    pub(super) fn may_be_anticipated(&self, id: VerdictId) -> bool {
        self.open.get(id).is_some_and(|open| {
            let mode = self.guard.mode(open.plugin, self.clock.steady);
            let is_first = open.selection.as_ref().is_some_and(|progress| !progress.was_anticipated());
            is_first && mode == Some(Mode::Enforce) && ends_flows(&open.record.verdict.action)
        })
    }

    /// The program has reported all flows of these selections that it knows. A sweep finds the others.
    pub(super) fn pause_selections(&mut self, selections: Vec<VerdictId>) {
        for id in selections {
            if let Some(progress) = self.progress_mut(id) {
                progress.pause();
            }
            self.continue_selection(id);
        }
    }

    /// Ends the search for flows. `complete` tells whether all flows were looked for.
    pub(super) fn end_selection(&mut self, id: VerdictId, complete: bool) {
        if let Some(progress) = self.progress_mut(id) {
            progress.end(complete);
        }
        self.continue_selection(id);
    }

    /// Takes the next step when every flow found so far has its outcome: a sweep for the other flows, a rest for the
    /// budget, or the end.
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

    /// Lets a deletion rest until a part of the budget is back. Returns false if the deletion does not go on; its
    /// remaining flows are then over budget.
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
        let kind = open.record.verdict.action.kind();
        self.selections.rest(returns, id);
        if let Some(ticket) = open.ticket {
            self.replies.verdict_rests(ticket, id, kind, so_far);
        }
        true
    }

    /// Lets deletions whose budget is back look for their flows again.
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

    /// Ends the resting deletions. Their remaining flows are over budget.
    pub(super) fn give_up_resting(&mut self) {
        for id in self.selections.take_resting() {
            let Some(progress) = self.progress_mut(id) else { continue };
            progress.give_up_rest();
            let outcome = progress.outcome_so_far().unwrap_or(Outcome::OverBudget);
            self.finish(id, outcome);
        }
    }

    /// Ends a selection whose plugin is gone. Effects in flight still count.
    pub(super) fn abandon_selection(&mut self, id: VerdictId, refusal: Refusal) {
        let Some(progress) = self.progress_mut(id) else { return };
        progress.abandon();
        if progress.is_settled() {
            let outcome = progress.outcome_so_far().unwrap_or(Outcome::Refused(refusal));
            self.finish(id, outcome);
        }
    }

    /// Ends all selections that wait, rest or are answered, before a new set of plugins or the stop. `running` are the
    /// selections of the running sweep.
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
