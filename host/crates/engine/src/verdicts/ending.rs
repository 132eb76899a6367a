//! The only place where a verdict ends.
//!
//! A verdict is opened when it arrives and removed when its outcome is known. No other code counts the verdict or
//! writes its record. No verdict is therefore lost or recorded twice.

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use ctwarden_model::{Action, Mode, Notice, Outcome, Record, Refusal, Tally, VerdictRecord};

use crate::PluginId;
use crate::ids::VerdictId;
use crate::verdicts::Verdicts;
use crate::verdicts::accounts::EndedVerdict;
use crate::verdicts::claim::Change;
use crate::verdicts::open_verdicts::OpenVerdict;
use crate::verdicts::replies::MessageVerdict;

impl Verdicts {
    /// Ends a verdict. Counts it once, writes its own record or folds it into a shared one, and reports the outcome to
    /// the sender of the message that caused it.
    pub(crate) fn finish(&mut self, id: VerdictId, outcome: Outcome) {
        let Some(open) = self.open.remove(id) else { return };
        let OpenVerdict { plugin, mut record, bytes, arrived, ticket, selection, answers_event: _, awaits_sweep } =
            open;
        let kind = record.verdict.action.kind();
        record.outcome = outcome;
        let refusal = record.refusal().or_else(|| selection.as_ref()?.refused().map(|refusal| refusal.to_string()));
        let looked_for_all = selection.as_ref().map(|progress| progress.is_complete());
        let tally = selection.map(|progress| Box::new(progress.into_tally()));
        let is_about_one_flow = record.flow.is_some() && Change::of(&record.verdict.action).is_some();
        if let Some(account) = self.guard.account_mut(plugin) {
            account.ended(&EndedVerdict {
                kind,
                code: &record.verdict.code,
                outcome,
                tally: tally.as_deref(),
                is_about_one_flow,
                bytes,
                awaited_sweep: awaits_sweep,
            });
            if let Some(why) = &refusal {
                account.refused(self.clock.wall, kind, shortened(why));
            }
            let detail = refusal.as_deref().map(shortened).unwrap_or_default();
            account.report(&record, tally.as_deref(), detail, self.clock.steady);
        }
        self.account_of_blocks(plugin, &record.verdict.action, outcome);
        if let Some(ticket) = ticket {
            if let Some(why) = refusal {
                self.replies.refused(ticket, shortened(&why));
            }
            let ends = Change::of(&record.verdict.action).is_some_and(Change::ends_flow);
            let flows = match &tally {
                Some(tally) => **tally,
                None if is_about_one_flow => one_flow(outcome),
                None => Tally::default(),
            };
            self.replies.verdict_ended(ticket, MessageVerdict { id, kind, ends, outcome, flows, looked_for_all });
        }
        record.at = self.clock.wall;
        // The breaker may have opened or closed since the verdict arrived.
        match outcome {
            Outcome::Applied => record.mode = Mode::Enforce,
            Outcome::Observed => record.mode = Mode::Observe,
            Outcome::Gone
            | Outcome::Replaced
            | Outcome::Refused(_)
            | Outcome::OverBudget
            | Outcome::NotGranted
            | Outcome::Protected
            | Outcome::Superseded => {}
        }
        record.tally = tally;
        record.took = self.clock.steady.since(arrived);
        let now = self.clock.steady;
        let has_own = self
            .guard
            .account_mut(plugin)
            .is_none_or(|account| account.admit_record(&record, bytes.saturating_sub(size_of::<VerdictRecord>()), now));
        if has_own {
            let tally = record.tally.as_deref().map_or(0, size_of_val);
            self.records.push_sized(Record::Verdict(record), bytes.saturating_add(tally));
        }
    }

    /// Reports the counts of verdicts without their own record: the counts that are due, or all of them.
    pub(crate) fn tell_folded(&mut self, all: bool) {
        let now = self.clock;
        for account in self.guard.accounts_mut() {
            if let Some(counts) = account.take_folded(all, now.steady) {
                self.records.notice(now.wall, Notice::RecordsFolded(account.name().clone(), counts));
            }
        }
    }

    /// A network in a set counts for the plugin that put it there, until the network is taken out.
    fn account_of_blocks(&mut self, plugin: PluginId, action: &Action, outcome: Outcome) {
        match action {
            Action::Block(block) => {
                let is_blocked = matches!(outcome, Outcome::Applied | Outcome::Observed);
                if let Some(account) = self.guard.account_mut(plugin) {
                    account.blocked(block, is_blocked);
                }
            }
            Action::Unblock(unblock) if matches!(outcome, Outcome::Applied | Outcome::Gone) => {
                if let Some(account) = self.guard.account_mut(plugin) {
                    account.unblocked(unblock);
                }
            }
            Action::Unblock(_)
            | Action::Delete
            | Action::Kill
            | Action::Mark(_)
            | Action::Labels(_)
            | Action::Timeout(_)
            | Action::Alert(_)
            | Action::Log(_)
            | Action::Protect(_)
            | Action::Sweep
            | Action::Malformed(..) => {}
        }
    }

    /// Reports an outcome of a verdict. A verdict over a selection counts one more flow. Any other verdict ends.
    pub(crate) fn conclude(&mut self, id: VerdictId, outcome: Outcome) {
        let Some(open) = self.open.get_mut(id) else { return };
        match &mut open.selection {
            None => self.finish(id, outcome),
            Some(progress) => {
                progress.concluded(outcome);
                self.continue_selection(id);
            }
        }
    }

    /// Ends all open verdicts.
    pub(crate) fn finish_all(&mut self, refusal: Refusal) {
        self.give_up_resting();
        for id in self.open.ids() {
            let outcome = self
                .open
                .get(id)
                .and_then(|open| open.selection.as_ref())
                .and_then(|progress| progress.outcome_so_far());
            self.finish(id, outcome.unwrap_or(Outcome::Refused(refusal)));
        }
        self.tell_folded(true);
    }
}

/// Maximum number of characters of a reason in a status or a reply. The record has the whole reason.
const REASON: usize = 300;

fn shortened(why: &str) -> String {
    why.chars().take(REASON).collect()
}

/// The tally of a verdict about one flow.
fn one_flow(outcome: Outcome) -> Tally {
    let mut tally = Tally { matched: 1, ..Tally::default() };
    crate::verdicts::selection_progress::count(&mut tally, outcome);
    tally
}
