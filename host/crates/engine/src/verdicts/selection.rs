//! Verdicts over a selection: every flow that matches, found by a sweep, each judged by the guard on its own.
//!
//! Many share one sweep. Each ends in one record with a tally, when the sweep is over and the last of its effects
//! answered. A deletion that runs out of budget goes on when the budget comes back, for a bounded time.

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Action, Flow, Mode, Outcome, Refusal, Tally, Target, VerdictKind};

use crate::engine::Engine;
use crate::ids::{GateId, VerdictId};
use crate::verdicts::guard::Allowed;
use crate::verdicts::merge::{Change, Claim, FlowGroup};
use crate::verdicts::protected_flows::{Held, Known, matches};
use crate::verdicts::sight::Sight;

/// How often a selection is read again because its sweep was interrupted.
const TRIES: u8 = 3;

/// Least time until a deletion that ran out of budget looks for its flows again: to find them may take a reading of the table.
const REST: Duration = Duration::from_secs(1);

/// A verdict over a selection under way.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// Proof of the first check, for each of its flows.
    allowed: Allowed,
    /// Flows whose outcome is not known yet.
    outstanding: u64,
    course: Course,
    /// Whether the flows that the program knew came already, without a sweep.
    anticipated: bool,
    /// Whether the last sweep for it told all there was.
    complete: bool,
    tries: u8,
    refusal: Option<Refusal>,
    /// Flows that were over budget when its flows were looked for last, while it rests.
    left: u64,
    /// Whether it has rested.
    resumed: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Flows come, or will come.
    Finding,
    /// Those that came were not all. Once each of them has its outcome, it waits for a sweep: what was ended is then not met
    /// again.
    Pausing,
    /// The budget is used up before its flows were ended: it goes on when some of it is back.
    Resting,
    /// No more flows come.
    Over,
}

impl Run {
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self {
            tally: Tally::default(),
            allowed,
            outstanding: 0,
            course: Course::Finding,
            anticipated: false,
            complete: false,
            tries: 0,
            refusal: None,
            left: 0,
            resumed: false,
        }
    }

    /// Leaves out of the count what is still in the table and is met again.
    fn forget_what_stayed(&mut self) {
        let Tally { applied, gone, replaced, superseded, .. } = self.tally;
        let matched = applied + gone + replaced + superseded;
        self.tally = Tally { matched, applied, gone, replaced, superseded, ..Tally::default() };
    }

    /// Whether it would be over but for the budget.
    fn wants_more_budget(&self) -> bool {
        self.course == Course::Over && self.outstanding == 0 && self.tally.over_budget > 0
    }

    /// Whether all of its flows were looked for.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether what it asks for was asked for before, and was over budget.
    pub(crate) const fn was_resumed(&self) -> bool {
        self.resumed
    }

    /// What came of its flows so far, those included that the budget did not suffice for.
    pub(crate) fn so_far(&self) -> Tally {
        let Tally { matched, over_budget, .. } = self.tally;
        Tally { matched: matched + self.left, over_budget: over_budget + self.left, ..self.tally }
    }

    /// Whether its flows are looked for again, after those that the program knew.
    fn is_second_look(&self) -> bool {
        self.anticipated && self.course != Course::Pausing
    }

    /// What came of one of its flows.
    pub(crate) fn concluded(&mut self, outcome: Outcome) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if outcome == Outcome::Gone && self.is_second_look() {
            // It was counted when it was ended: who answers may not have heard of that yet, or never will.
            self.tally.matched = self.tally.matched.saturating_sub(1);
            return;
        }
        if let Outcome::Refused(refusal) = outcome {
            self.refusal = Some(refusal);
        }
        count(&mut self.tally, outcome);
    }

    /// Why flows of it were refused last; none where none was.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refusal.filter(|_| self.tally.refused > 0)
    }

    /// Applied where any flow was (observed where any would have been), else what most of them came to; none where no flow
    /// came to anything.
    pub(crate) fn outcome_so_far(&self) -> Option<Outcome> {
        let tally = &self.tally;
        if tally.applied > 0 {
            return Some(Outcome::Applied);
        }
        if tally.observed > 0 {
            return Some(Outcome::Observed);
        }
        let refused = Outcome::Refused(self.refusal.unwrap_or(Refusal::NoAnswer));
        [
            (tally.superseded, Outcome::Superseded),
            (tally.replaced, Outcome::Replaced),
            (tally.gone, Outcome::Gone),
            (tally.protected, Outcome::Protected),
            (tally.over_budget, Outcome::OverBudget),
            (tally.refused, refused),
        ]
        .into_iter()
        .filter(|(flows, _)| *flows > 0)
        .max_by_key(|(flows, _)| *flows)
        .map(|(_, outcome)| outcome)
    }

    /// Nothing matched is success where flows could have been found: there is nothing left to be done.
    fn outcome(&self, mode: Mode, tracked: bool) -> Outcome {
        self.outcome_so_far().unwrap_or(match (self.complete, tracked, mode) {
            (false, _, _) => Outcome::Refused(Refusal::NoAnswer),
            (true, false, _) => Outcome::Refused(Refusal::NotTracked),
            (true, true, Mode::Enforce) => Outcome::Applied,
            (true, true, Mode::Observe) => Outcome::Observed,
        })
    }
}

/// Adds one flow's outcome.
pub(crate) const fn count(tally: &mut Tally, outcome: Outcome) {
    let count = match outcome {
        Outcome::Applied => &mut tally.applied,
        Outcome::Gone => &mut tally.gone,
        Outcome::Replaced => &mut tally.replaced,
        Outcome::Refused(_) => &mut tally.refused,
        Outcome::OverBudget => &mut tally.over_budget,
        Outcome::Protected => &mut tally.protected,
        Outcome::Observed => &mut tally.observed,
        Outcome::Superseded => &mut tally.superseded,
        // Checked before a selection begins; no flow of it ends so.
        Outcome::NotGranted => return,
    };
    *count = count.saturating_add(1);
}

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

impl Engine {
    /// Takes a verdict over a selection in: it waits for a sweep, a delete for the blocks of its answer too.
    pub(crate) fn begin_selection(&mut self, id: VerdictId, gate: GateId) {
        let held = self.audit.get(id).is_some_and(|open| ends_flows(&open.record.verdict.action));
        if !(held && self.pending.hold_selection(gate, id)) {
            self.await_sweep(id);
        }
    }

    /// Puts a selection into the line for the next sweep. When stopping there is none.
    pub(crate) fn await_sweep(&mut self, id: VerdictId) {
        let Some(open) = self.audit.get(id) else { return };
        if self.stopping {
            self.end_run(id, false);
        } else if self.plugins.get(open.plugin).is_none() {
            self.abandon_run(id, Refusal::PluginGone);
        } else {
            let plugin = open.plugin;
            self.sweeps.waiting.push(plugin, id);
        }
    }

    /// Matches a row against the selections of the running sweep and judges it.
    pub(crate) fn select(&mut self, selections: &[VerdictId], flow: &Flow) {
        let wanted = selections.iter().filter(|&&id| self.matched(id, Known::Whole(flow)) == Held::Yes);
        let wanted: Vec<VerdictId> = wanted.copied().collect();
        if !wanted.is_empty() {
            self.judge_selected(&wanted, flow, self.protected.holds(Known::Whole(flow)));
        }
    }

    /// The same for a flow that is known by name and tuples only. Nothing is done, and false said, where more has to be known:
    /// for a filter that asks more, to be sure that it is not protected, or that it lives where it is not deleted.
    pub(crate) fn select_known(&mut self, selections: &[VerdictId], flow: &Flow) -> bool {
        let known = Known::Event(flow);
        let mut wanted = Vec::with_capacity(selections.len());
        for &id in selections {
            match self.matched(id, known) {
                Held::Yes if !self.audit.get(id).is_some_and(|open| goes_by_name(&open.record.verdict.action)) => {
                    return false;
                }
                Held::Yes => wanted.push(id),
                Held::No => {}
                Held::Unknown => return false,
            }
        }
        if wanted.is_empty() {
            return true;
        }
        let protected = self.protected.holds(known);
        if protected != Held::Unknown {
            self.judge_selected(&wanted, flow, protected);
        }
        protected != Held::Unknown
    }

    /// Whether a selection takes a flow, as far as is known of it.
    fn matched(&self, id: VerdictId, flow: Known<'_>) -> Held {
        let Some(open) = self.audit.get(id) else { return Held::No };
        let (Some(run), Target::Matching(selection)) = (&open.run, &open.record.verdict.target) else {
            return Held::No;
        };
        let full = selection.limit.is_some_and(|limit| run.tally.matched >= limit.into());
        if run.course != Course::Finding || full {
            return Held::No;
        }
        match flow {
            Known::Whole(flow) => selection.filter.matches(flow).into(),
            Known::Key(_) | Known::Event(_) => matches(&selection.filter, flow),
        }
    }

    fn judge_selected(&mut self, selections: &[VerdictId], flow: &Flow, protected: Held) {
        let claims: Vec<Claim> = selections.iter().filter_map(|&id| self.claim(id)).collect();
        let sight = Sight::Told { protected, at: self.clock.steady, ends: self.ends.count() };
        self.settle(FlowGroup { key: flow.key(), sight, gone: false, claims, round: None, gates: Vec::new() });
    }

    /// What a selection wants of a flow that it takes.
    fn claim(&mut self, id: VerdictId) -> Option<Claim> {
        let open = self.audit.get_mut(id)?;
        let run = open.run.as_mut()?;
        let change = Change::of(&open.record.verdict.action)?;
        run.tally.matched += 1;
        run.outstanding += 1;
        Some(Claim { verdict: id, plugin: open.plugin, allowed: run.allowed, change, ended: false })
    }

    /// The sweep of these selections has ended: those that it did not serve well wait for another.
    pub(crate) fn end_selections(&mut self, selections: Vec<VerdictId>, complete: bool) {
        for id in selections {
            let again = self.audit.get_mut(id).and_then(|open| {
                let run = open.run.as_mut()?;
                run.tries += 1;
                (!complete && run.tries < TRIES).then_some(open.plugin)
            });
            match again.filter(|_| !self.stopping) {
                Some(plugin) => self.sweeps.waiting.push(plugin, id),
                None => self.end_run(id, complete),
            }
        }
    }

    /// Whether it is worth while to end the flows that the program knows before a sweep finds the others: only a delete is,
    /// once, and not where it is only observed. What was changed otherwise would be met again.
    pub(crate) fn may_be_anticipated(&self, id: VerdictId) -> bool {
        self.audit.get(id).is_some_and(|open| {
            let mode = self.plugins.get(open.plugin).map(|plugin| plugin.mode(self.clock.steady));
            let is_first = open.run.as_ref().is_some_and(|run| !run.anticipated);
            is_first && mode == Some(Mode::Enforce) && ends_flows(&open.record.verdict.action)
        })
    }

    /// The program has told all flows of these selections that it knows; a sweep tells the others.
    pub(crate) fn pause_selections(&mut self, selections: Vec<VerdictId>) {
        for id in selections {
            if let Some(run) = self.audit.get_mut(id).and_then(|open| open.run.as_mut()) {
                run.anticipated = true;
                run.course = Course::Pausing;
            }
            self.go_on_with_run(id);
        }
    }

    /// No more flows come.
    pub(crate) fn end_run(&mut self, id: VerdictId, complete: bool) {
        if let Some(run) = self.audit.get_mut(id).and_then(|open| open.run.as_mut()) {
            run.course = Course::Over;
            run.complete = complete;
        }
        self.go_on_with_run(id);
    }

    /// What comes next where every flow that came has its outcome: the sweep for the others, or the end.
    pub(crate) fn go_on_with_run(&mut self, id: VerdictId) {
        let run = self.audit.get(id).and_then(|open| open.run.as_ref());
        if run.is_some_and(|run| run.wants_more_budget()) && self.rest_run(id) {
            return;
        }
        let Some(open) = self.audit.get_mut(id) else { return };
        let Some(run) = open.run.as_mut().filter(|run| run.outstanding == 0) else { return };
        match run.course {
            Course::Finding | Course::Resting => {}
            Course::Pausing => {
                run.forget_what_stayed();
                run.course = Course::Finding;
                self.await_sweep(id);
            }
            Course::Over => {
                let tracked = match &open.record.verdict.target {
                    Target::Matching(selection) => self.tracked.reaches(&selection.filter),
                    Target::None | Target::Entry(_) | Target::Key(_) => true,
                };
                let outcome = run.outcome(open.record.mode, tracked);
                self.finish(id, outcome);
            }
        }
    }

    /// Lets a deletion rest until some of the budget is back; false where it does not go on: what is left is over budget.
    fn rest_run(&mut self, id: VerdictId) -> bool {
        let (now, entries) = (self.clock.steady, self.table_entries);
        let Some(open) = self.audit.get(id) else { return false };
        let (plugin, ticket, gives_up) = (open.plugin, open.ticket, open.arrived.plus(self.config.resume_for));
        let (ends, left) =
            (ends_flows(&open.record.verdict.action), open.run.as_ref().map_or(0, |run| run.tally.over_budget));
        let Some(plugin) = self.plugins.get_mut(plugin).filter(|plugin| plugin.mode(now) == Mode::Enforce) else {
            return false;
        };
        let returns = plugin.budget.returns(&plugin.spec.limits, left, entries, now).max(now.plus(REST));
        if !ends || self.stopping || returns > gives_up {
            return false;
        }
        let Some(run) = self.audit.get_mut(id).and_then(|open| open.run.as_mut()) else { return false };
        run.forget_what_stayed();
        (run.left, run.resumed, run.tries, run.course) = (left, true, 0, Course::Resting);
        let so_far = run.so_far();
        self.sweeps.resting.insert((returns, id));
        if let Some(ticket) = ticket {
            self.messages.verdict_rests(ticket, id, VerdictKind::Delete, so_far);
        }
        true
    }

    /// Deletions whose budget is back look for their flows again.
    pub(crate) fn resume_runs(&mut self) {
        while let Some(&(returns, id)) = self.sweeps.resting.first()
            && returns <= self.clock.steady
        {
            self.sweeps.resting.pop_first();
            self.resume_run(id);
            self.await_sweep(id);
        }
    }

    fn resume_run(&mut self, id: VerdictId) {
        let Some(open) = self.audit.get_mut(id) else { return };
        if let Some(run) = &mut open.run {
            (run.left, run.course) = (0, Course::Finding);
        }
        if let Some(ticket) = open.ticket {
            self.messages.verdict_goes_on(ticket, id);
        }
    }

    /// Deletions that rest go on no more: what is left of them is over budget.
    pub(crate) fn give_up_resting(&mut self) {
        for (_, id) in core::mem::take(&mut self.sweeps.resting) {
            let Some(run) = self.audit.get_mut(id).and_then(|open| open.run.as_mut()) else { continue };
            run.tally = run.so_far();
            run.left = 0;
            let outcome = run.outcome_so_far().unwrap_or(Outcome::OverBudget);
            self.finish(id, outcome);
        }
    }

    /// Ends a selection whose plugin is gone; what it has under way is still counted.
    pub(crate) fn abandon_run(&mut self, id: VerdictId, refusal: Refusal) {
        let Some(run) = self.audit.get_mut(id).and_then(|open| open.run.as_mut()) else { return };
        run.course = Course::Over;
        if run.outstanding == 0 {
            let outcome = run.outcome_so_far().unwrap_or(Outcome::Refused(refusal));
            self.finish(id, outcome);
        }
    }
}
