//! Verdicts on their way to their one outcome.
//!
//! A verdict is opened when it arrives and taken out when its outcome is known; nothing else counts it or writes its record, so
//! that none is lost and none is told twice.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};

use ctwarden_model::{Action, Mode, Notice, Outcome, Record, Refusal, Tally, Timestamp, VerdictRecord};

use crate::PluginId;
use crate::engine::Engine;
use crate::ids::VerdictId;
use crate::verdicts::merge::Change;
use crate::verdicts::open_verdicts::{Open, OpenVerdicts};
use crate::verdicts::replies::Ended;

/// Open verdicts and records to be written.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    open: OpenVerdicts,
    /// Records, each with the bytes that it holds.
    records: VecDeque<(Record, usize)>,
    bytes: usize,
}

impl Audit {
    pub(crate) fn open(&mut self, open: Open) -> VerdictId {
        self.open.insert(open)
    }

    pub(crate) fn get(&self, id: VerdictId) -> Option<&Open> {
        self.open.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: VerdictId) -> Option<&mut Open> {
        self.open.get_mut(id)
    }

    /// Verdicts without an outcome.
    pub(crate) const fn open_verdicts(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn waiting_records(&self) -> usize {
        self.records.len()
    }

    /// Bytes of the records that wait.
    pub(crate) const fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn notice(&mut self, at: Timestamp, notice: Notice) {
        self.record(Record::Notice(at, Box::new(notice)));
    }

    pub(crate) fn record(&mut self, record: Record) {
        let bytes = record.bytes();
        self.push(record, bytes);
    }

    fn push(&mut self, record: Record, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.records.push_back((record, bytes));
    }

    pub(crate) fn next_record(&mut self) -> Option<Record> {
        let (record, bytes) = self.records.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(record)
    }
}

impl Engine {
    /// Ends a verdict: one count, one record of its own or a share in one, one word for the sender of the message that brought
    /// it about.
    pub(crate) fn finish(&mut self, id: VerdictId, outcome: Outcome) {
        let Some(open) = self.audit.open.remove(id) else { return };
        let Open { plugin, mut record, bytes, arrived, ticket, run, answers_event: _, awaits_sweep } = open;
        let kind = record.verdict.action.kind();
        record.outcome = outcome;
        let refusal = record.refusal().or_else(|| run.as_ref()?.refused().map(|refusal| refusal.to_string()));
        let looked_for_all = run.as_ref().map(|run| run.is_complete());
        let tally = run.map(|run| Box::new(run.tally));
        let is_about_one_flow = record.flow.is_some() && Change::of(&record.verdict.action).is_some();
        if let Some(plugin) = self.plugins.get_mut(plugin) {
            plugin.counts.add(kind, outcome);
            if let Some(why) = &refusal {
                plugin.last_refusal = Some((self.clock.wall, kind, shortened(why)));
            }
            plugin.open_bytes = plugin.open_bytes.saturating_sub(bytes);
            match &tally {
                Some(tally) => plugin.flows.add_tally(kind, tally),
                None if is_about_one_flow => plugin.flows.add(kind, outcome),
                None => {}
            }
            if awaits_sweep {
                plugin.awaiting_sweep = plugin.awaiting_sweep.saturating_sub(1);
            }
        }
        self.account_of_blocks(plugin, &record.verdict.action, outcome);
        if let Some(ticket) = ticket {
            if let Some(why) = refusal {
                self.messages.refused(ticket, shortened(&why));
            }
            let ends = matches!(record.verdict.action, Action::Delete | Action::Timeout(0));
            let flows = match &tally {
                Some(tally) => **tally,
                None if is_about_one_flow => one_flow(outcome),
                None => Tally::default(),
            };
            self.messages.verdict_ended(ticket, Ended { id, kind, ends, outcome, flows, looked_for_all });
        }
        record.at = self.clock.wall;
        // The breaker may have opened or closed since it arrived.
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
        let has_own = self.plugins.get_mut(plugin).is_none_or(|plugin| {
            plugin.pace.admit(&record, bytes.saturating_sub(size_of::<VerdictRecord>()), &plugin.spec.limits, now)
        });
        if has_own {
            let tally = record.tally.as_deref().map_or(0, size_of_val);
            self.audit.push(Record::Verdict(record), bytes.saturating_add(tally));
        }
    }

    /// Tells of verdicts that have no record of their own: those whose time has come, or all.
    pub(crate) fn tell_folded(&mut self, all: bool) {
        let now = self.clock;
        for plugin in self.plugins.iter_mut() {
            if plugin.pace.due().is_some_and(|due| all || due <= now.steady)
                && let Some(counts) = plugin.pace.take_folded()
            {
                self.audit.notice(now.wall, Notice::RecordsFolded(plugin.spec.name.clone(), counts));
            }
        }
    }

    /// What is in a set counts for the plugin that put it there, until it is taken out.
    fn account_of_blocks(&mut self, plugin: PluginId, action: &Action, outcome: Outcome) {
        match action {
            Action::Block(block) => {
                let is_blocked = matches!(outcome, Outcome::Applied | Outcome::Observed);
                if let Some(plugin) = self.plugins.get_mut(plugin) {
                    plugin.blocked.concluded(block, is_blocked);
                }
            }
            Action::Unblock(unblock) if matches!(outcome, Outcome::Applied | Outcome::Gone) => {
                for plugin in self.plugins.iter_mut() {
                    plugin.blocked.unblocked(unblock);
                }
            }
            Action::Unblock(_)
            | Action::Delete
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

    /// What came of a verdict on one flow: its end, or of a selection one more flow of it.
    pub(crate) fn conclude(&mut self, id: VerdictId, outcome: Outcome) {
        let Some(open) = self.audit.get_mut(id) else { return };
        match &mut open.run {
            None => self.finish(id, outcome),
            Some(run) => {
                run.concluded(outcome);
                self.go_on_with_run(id);
            }
        }
    }

    /// Ends everything that is open.
    pub(crate) fn finish_all(&mut self, refusal: Refusal) {
        self.give_up_resting();
        for id in self.audit.open.ids() {
            let outcome = self.audit.get(id).and_then(|open| open.run.as_ref()).and_then(|run| run.outcome_so_far());
            self.finish(id, outcome.unwrap_or(Outcome::Refused(refusal)));
        }
        self.tell_folded(true);
    }
}

/// Characters of a reason in a status or a reply; the record has all of it.
const REASON: usize = 300;

fn shortened(why: &str) -> String {
    why.chars().take(REASON).collect()
}

/// The tally of a verdict about one flow.
fn one_flow(outcome: Outcome) -> Tally {
    let mut tally = Tally { matched: 1, ..Tally::default() };
    crate::verdicts::selection::count(&mut tally, outcome);
    tally
}
