//! Reports of outcomes that wait for their plugin.
//!
//! A plugin may answer a report with a verdict, whose outcome is a report again. So the rate of reports is bounded, as is
//! the number that waits.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Action, Report, Steady, Tally, VerdictRecord};

use crate::verdicts::budget::Bucket;

/// Reports that may wait for one plugin. The oldest is dropped first.
const WAITING: usize = 4_096;

/// Reports a second for one plugin: a ban of a busy network ends as many verdicts. A chain of verdicts and reports costs
/// no more than this.
const PER_SECOND: u32 = 10_000;

/// Reports that may come at once after a quiet time.
const BURST: u32 = 20_000;

#[derive(Debug)]
pub(crate) struct Reports {
    waiting: VecDeque<Report>,
    missed: u64,
    rate: Bucket,
}

impl Reports {
    pub(crate) fn new(now: Steady) -> Self {
        Self { waiting: VecDeque::new(), missed: 0, rate: Bucket::new(BURST, now) }
    }

    /// Adds the report of an ended verdict. `detail` is the reason of its refusal.
    pub(crate) fn add(&mut self, ended: &VerdictRecord, tally: Option<&Tally>, detail: String, now: Steady) {
        let network = match &ended.verdict.action {
            // The outcome of a text for people is no news for the plugin.
            Action::Alert(_) | Action::Log(_) => return,
            Action::Block(block) => Some(block.network),
            Action::Unblock(unblock) => Some(unblock.network),
            Action::Delete
            | Action::Kill
            | Action::Mark(_)
            | Action::Labels(_)
            | Action::Timeout(_)
            | Action::Protect(_)
            | Action::Sweep
            | Action::Malformed(..) => None,
        };
        if !self.rate.take(PER_SECOND, BURST, now) {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        self.waiting.push_back(Report {
            kind: ended.verdict.action.kind(),
            code: ended.verdict.code.clone(),
            flow: ended.flow,
            network,
            outcome: ended.outcome,
            tally: tally.copied().map(Box::new),
            detail,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes at most `most` reports, the oldest first, and the number of reports dropped since the last call.
    pub(crate) fn take(&mut self, most: usize) -> (Vec<Report>, u64) {
        let most = most.min(self.waiting.len());
        (self.waiting.drain(..most).collect(), core::mem::take(&mut self.missed))
    }
}
