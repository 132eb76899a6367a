//! How far a verdict over a selection is, and what came of its flows.

use ctwarden_model::{Mode, Outcome, Refusal, Tally};

use crate::verdicts::guard::Allowed;

/// How often a selection is read again because its sweep was interrupted.
const TRIES: u8 = 3;

/// A verdict over a selection under way.
#[derive(Debug)]
pub(crate) struct SelectionProgress {
    tally: Tally,
    /// Proof of the first check, for each of its flows.
    allowed: Allowed,
    /// Flows whose outcome is not known yet.
    outstanding: u64,
    phase: Phase,
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
pub(crate) enum Phase {
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

    /// Whether the outcomes of all flows that came are known.
    pub(crate) const fn is_settled(&self) -> bool {
        self.outstanding == 0
    }

    /// Whether one more flow is wanted, of so many at most.
    pub(crate) fn takes_flows(&self, limit: Option<u32>) -> bool {
        self.phase == Phase::Finding && limit.is_none_or(|limit| self.tally.matched < limit.into())
    }

    /// Whether the flows that the program knows came already.
    pub(crate) const fn was_anticipated(&self) -> bool {
        self.anticipated
    }

    /// One more flow is judged; gives the proof of the first check.
    pub(crate) const fn take_flow(&mut self) -> Allowed {
        self.tally.matched += 1;
        self.outstanding += 1;
        self.allowed
    }

    /// Counts a sweep; tells whether another one is worth while after one that was interrupted.
    pub(crate) const fn try_again(&mut self, complete: bool) -> bool {
        self.tries += 1;
        !complete && self.tries < TRIES
    }

    /// The flows that the program knows have come; a sweep brings the others.
    pub(crate) const fn pause(&mut self) {
        self.anticipated = true;
        self.phase = Phase::Pausing;
    }

    /// Looks for the flows that did not come before the pause.
    pub(crate) fn look_again(&mut self) {
        self.forget_what_stayed();
        self.phase = Phase::Finding;
    }

    /// No more flows come; `complete`: all of them were looked for.
    pub(crate) const fn end(&mut self, complete: bool) {
        self.phase = Phase::Over;
        self.complete = complete;
    }

    /// No more flows come, because nobody wants them any more.
    pub(crate) const fn abandon(&mut self) {
        self.phase = Phase::Over;
    }

    /// Waits until the budget is back for so many flows; gives what came of the flows so far.
    pub(crate) fn rest(&mut self, left: u64) -> Tally {
        self.forget_what_stayed();
        (self.left, self.resumed, self.tries, self.phase) = (left, true, 0, Phase::Resting);
        self.so_far()
    }

    /// Some of the budget is back.
    pub(crate) const fn resume(&mut self) {
        (self.left, self.phase) = (0, Phase::Finding);
    }

    /// The budget does not come back in time: what is left is over budget.
    pub(crate) fn give_up_rest(&mut self) {
        self.tally = self.so_far();
        self.left = 0;
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    /// Leaves out of the count what is still in the table and is met again.
    fn forget_what_stayed(&mut self) {
        let Tally { applied, gone, replaced, superseded, .. } = self.tally;
        let matched = applied + gone + replaced + superseded;
        self.tally = Tally { matched, applied, gone, replaced, superseded, ..Tally::default() };
    }

    /// Whether it would be over but for the budget.
    pub(crate) fn wants_more_budget(&self) -> bool {
        self.phase == Phase::Over && self.outstanding == 0 && self.tally.over_budget > 0
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
        self.anticipated && self.phase != Phase::Pausing
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
    pub(crate) fn outcome(&self, mode: Mode, tracked: bool) -> Outcome {
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
