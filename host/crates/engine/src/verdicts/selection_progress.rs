//! Progress of a verdict over a selection, and the outcomes of its flows.

use ctwarden_model::{Mode, Outcome, Refusal, Tally};

use crate::verdicts::guard::Allowed;

/// Maximum number of sweeps for a selection whose sweeps are interrupted.
const TRIES: u8 = 3;

/// Progress of a verdict over a selection that has not ended.
#[derive(Debug)]
pub(crate) struct SelectionProgress {
    tally: Tally,
    /// Proof of the first check. It holds for every flow of the selection.
    allowed: Allowed,
    /// Flows whose outcome is not known yet.
    outstanding: u64,
    phase: Phase,
    /// Whether the flows that the program knew have been judged, before any sweep.
    anticipated: bool,
    /// Whether the last sweep or answer was complete.
    complete: bool,
    tries: u8,
    refusal: Option<Refusal>,
    /// Number of flows that were over budget in the last search, while the selection rests.
    left: u64,
    /// Whether the selection has rested for the budget.
    resumed: bool,
}

/// Phase of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Flows are being found, or will be found.
    Finding,
    /// Only a part of the flows was found. The selection waits for a sweep when each of these flows has its outcome.
    /// The sweep then does not find the ended flows again.
    Pausing,
    /// The budget was used up before all flows were ended. The selection goes on when a part of the budget is back.
    Resting,
    /// No further flows are expected.
    Over,
}

impl SelectionProgress {
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self {
            tally: Tally::default(),
            allowed,
            outstanding: 0,
            phase: Phase::Finding,
            anticipated: false,
            complete: false,
            tries: 0,
            refusal: None,
            left: 0,
            resumed: false,
        }
    }

    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether every flow found so far has its outcome.
    pub(crate) const fn is_settled(&self) -> bool {
        self.outstanding == 0
    }

    /// Whether the selection takes one more flow. `limit` is its maximum number of flows.
    pub(crate) fn takes_flows(&self, limit: Option<u32>) -> bool {
        self.phase == Phase::Finding && limit.is_none_or(|limit| self.tally.matched < limit.into())
    }

    /// Whether the flows that the program knows have been judged.
    pub(crate) const fn was_anticipated(&self) -> bool {
        self.anticipated
    }

    /// Counts one more flow and returns the proof of the first check.
    pub(crate) const fn take_flow(&mut self) -> Allowed {
        self.tally.matched += 1;
        self.outstanding += 1;
        self.allowed
    }

    /// Counts a sweep. Returns whether the selection needs another one because this one was interrupted.
    pub(crate) const fn try_again(&mut self, complete: bool) -> bool {
        self.tries += 1;
        !complete && self.tries < TRIES
    }

    /// All flows that the program knows have been reported. A sweep finds the others.
    pub(crate) const fn pause(&mut self) {
        self.anticipated = true;
        self.phase = Phase::Pausing;
    }

    /// Looks for the flows that were not found before the pause.
    pub(crate) fn look_again(&mut self) {
        self.forget_what_stayed();
        self.phase = Phase::Finding;
    }

    /// No further flows are expected. `complete` tells whether all of them were looked for.
    pub(crate) const fn end(&mut self, complete: bool) {
        self.phase = Phase::Over;
        self.complete = complete;
    }

    /// No further flows are wanted, because the plugin is gone.
    pub(crate) const fn abandon(&mut self) {
        self.phase = Phase::Over;
    }

    /// Rests until the budget for `left` flows is back. Returns the outcomes of the flows so far.
    pub(crate) fn rest(&mut self, left: u64) -> Tally {
        self.forget_what_stayed();
        (self.left, self.resumed, self.tries, self.phase) = (left, true, 0, Phase::Resting);
        self.so_far()
    }

    /// Stops resting, because a part of the budget is back.
    pub(crate) const fn resume(&mut self) {
        (self.left, self.phase) = (0, Phase::Finding);
    }

    /// Stops resting, because the budget does not come back in time. The remaining flows are over budget.
    pub(crate) fn give_up_rest(&mut self) {
        self.tally = self.so_far();
        self.left = 0;
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    /// Takes the flows that are still in the table out of the tally, because the next sweep finds them again.
    fn forget_what_stayed(&mut self) {
        let Tally { applied, gone, replaced, superseded, .. } = self.tally;
        let matched = applied + gone + replaced + superseded;
        self.tally = Tally { matched, applied, gone, replaced, superseded, ..Tally::default() };
    }

    /// Whether only the missing budget keeps the selection from ending.
    pub(crate) fn wants_more_budget(&self) -> bool {
        self.phase == Phase::Over && self.outstanding == 0 && self.tally.over_budget > 0
    }

    /// Whether all flows of the selection were looked for.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the same change was requested before and was over budget.
    pub(crate) const fn was_resumed(&self) -> bool {
        self.resumed
    }

    /// Outcomes of the flows so far. Includes the flows for which the budget did not suffice.
    pub(crate) fn so_far(&self) -> Tally {
        let Tally { matched, over_budget, .. } = self.tally;
        Tally { matched: matched + self.left, over_budget: over_budget + self.left, ..self.tally }
    }

    /// Whether this is the second search, after the flows that the program knew.
    fn is_second_look(&self) -> bool {
        self.anticipated && self.phase != Phase::Pausing
    }

    /// Counts the outcome of one flow.
    pub(crate) fn concluded(&mut self, outcome: Outcome) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if outcome == Outcome::Gone && self.is_second_look() {
            // This flow was counted when it was ended. The table reader may not know of its end yet, or may never learn
            // of it.
            self.tally.matched = self.tally.matched.saturating_sub(1);
            return;
        }
        if let Outcome::Refused(refusal) = outcome {
            self.refusal = Some(refusal);
        }
        count(&mut self.tally, outcome);
    }

    /// The last reason why a flow was refused. Returns `None` if no flow was refused.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refusal.filter(|_| self.tally.refused > 0)
    }

    /// `Applied` if any flow was changed, or `Observed` if any flow would have been. Otherwise the most frequent
    /// outcome of the flows. Returns `None` if no flow has an outcome.
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

    /// The outcome of the whole selection. If no flow matched, this counts as success, provided that flows could have
    /// been found: nothing is left to do.
    pub(crate) fn outcome(&self, mode: Mode, tracked: bool) -> Outcome {
        self.outcome_so_far().unwrap_or(match (self.complete, tracked, mode) {
            (false, _, _) => Outcome::Refused(Refusal::NoAnswer),
            (true, false, _) => Outcome::Refused(Refusal::NotTracked),
            (true, true, Mode::Enforce) => Outcome::Applied,
            (true, true, Mode::Observe) => Outcome::Observed,
        })
    }
}

/// Adds the outcome of one flow to the tally.
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
        // The grant is checked before a selection begins, so no flow of it has this outcome.
        Outcome::NotGranted => return,
    };
    *count = count.saturating_add(1);
}
