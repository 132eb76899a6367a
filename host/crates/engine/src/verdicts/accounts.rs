//! What the verdicts of one plugin cost and came to: budget, breaker, alerts, rate of records, counts.
//!
//! A reload hands the spendings of a plugin to the plugin of the same name, so that a reload is no way around a budget.

use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use ctwarden_model::{
    Alert, Block, FlowKey, FoldedCount, Mode, Notice, Outcome, PluginName, Refusal, Steady, Tally, Timestamp, Unblock,
    VerdictKind, VerdictRecord,
};

use crate::verdicts::alerts::Alerts;
use crate::verdicts::blocked::Blocked;
use crate::verdicts::breaker::Breaker;
use crate::verdicts::budget::{self, Budget};
use crate::verdicts::record_rate::RecordRate;
use crate::verdicts::repeats::{Repeat, Repeats};
use crate::{BreakerLimits, BreakerStatus, PluginLimits, PluginSpec, VerdictCounts};

/// The account of one plugin.
#[derive(Debug)]
pub(crate) struct Account {
    spec: Arc<PluginSpec>,
    budget: Budget,
    blocked: Blocked,
    repeats: Repeats,
    breaker: Breaker,
    alerts: Alerts,
    rate: RecordRate,
    /// Bytes of its verdicts without an outcome.
    open_bytes: usize,
    /// Verdicts that wait for a sweep or are served by one.
    awaiting_sweep: usize,
    verdicts: VerdictCounts,
    /// The same of the flows that the verdicts were about.
    flows: VerdictCounts,
    last_refusal: Option<(Timestamp, VerdictKind, String)>,
}

/// How one verdict ended, for the counts of its plugin.
#[derive(Debug)]
pub(crate) struct EndedVerdict<'a> {
    pub(crate) kind: VerdictKind,
    pub(crate) outcome: Outcome,
    /// The flows of a selection.
    pub(crate) tally: Option<&'a Tally>,
    /// Whether the verdict was about one flow.
    pub(crate) is_about_one_flow: bool,
    pub(crate) bytes: usize,
    pub(crate) awaited_sweep: bool,
}

impl Account {
    pub(crate) fn new(spec: Arc<PluginSpec>, now: Steady) -> Self {
        Self {
            budget: Budget::new(&spec.limits, now),
            blocked: Blocked::default(),
            repeats: Repeats::default(),
            breaker: Breaker::default(),
            alerts: Alerts::new(&spec.limits, now),
            rate: RecordRate::new(&spec.limits, now),
            open_bytes: 0,
            awaiting_sweep: 0,
            verdicts: VerdictCounts::default(),
            flows: VerdictCounts::default(),
            last_refusal: None,
            spec,
        }
    }

    /// Goes on where the account of the plugin of the same name stopped. The breaker closes and the counts begin anew.
    pub(crate) fn take_over(&mut self, old: Self) {
        self.budget = old.budget;
        self.blocked = old.blocked;
        self.repeats = old.repeats;
        self.alerts = old.alerts;
        self.rate = old.rate;
    }

    pub(crate) fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    pub(crate) fn name(&self) -> &PluginName {
        &self.spec.name
    }

    fn limits(&self) -> &PluginLimits {
        &self.spec.limits
    }

    /// Whether verdicts are carried out now.
    pub(crate) fn mode(&self, now: Steady) -> Mode {
        if self.breaker.is_open(now) { Mode::Observe } else { self.spec.mode }
    }

    /// Whether the verdicts without an outcome hold so much memory that the plugin is not to give more.
    pub(crate) fn is_full(&self) -> bool {
        self.open_bytes >= self.limits().bounds.open_bytes
    }

    pub(crate) const fn opened(&mut self, bytes: usize) {
        self.open_bytes = self.open_bytes.saturating_add(bytes);
    }

    /// Lets one more verdict wait for a sweep.
    ///
    /// # Errors
    /// As many wait as may.
    pub(crate) fn await_sweep(&mut self) -> Result<(), Outcome> {
        if self.awaiting_sweep >= self.limits().bounds.selections {
            return Err(Outcome::OverBudget);
        }
        self.awaiting_sweep += 1;
        Ok(())
    }

    pub(crate) fn ended(&mut self, ended: &EndedVerdict<'_>) {
        let EndedVerdict { kind, outcome, tally, is_about_one_flow, bytes, awaited_sweep } = *ended;
        self.verdicts.add(kind, outcome);
        self.open_bytes = self.open_bytes.saturating_sub(bytes);
        match tally {
            Some(tally) => self.flows.add_tally(kind, tally),
            None if is_about_one_flow => self.flows.add(kind, outcome),
            None => {}
        }
        if awaited_sweep {
            self.awaiting_sweep = self.awaiting_sweep.saturating_sub(1);
        }
    }

    pub(crate) fn refused(&mut self, at: Timestamp, kind: VerdictKind, why: String) {
        self.last_refusal = Some((at, kind, why));
    }

    /// What becomes of an alert: to be shown (none), or why not.
    pub(crate) fn admit_alert(&mut self, alert: &Alert, window: Duration, keys: usize, now: Steady) -> Option<Outcome> {
        self.alerts.admit(alert, &self.spec.limits, window, keys, now)
    }

    /// Takes one verdict out of the budget; false where the budget is used up.
    pub(crate) fn spend(&mut self, ends_flow: bool, entries: u32, now: Steady) -> bool {
        self.budget.take(&self.spec.limits, ends_flow, entries, now)
    }

    /// Whether a timeout of so many seconds costs as much as a delete.
    pub(crate) fn ends_soon(&self, seconds: u32) -> bool {
        budget::ends_soon(self.limits(), seconds)
    }

    /// What the plugin may do before the breaker counts further verdicts: the share of the table for deletes where that is
    /// less than what may come at once.
    pub(crate) fn whole_budget(&self, ends_flow: bool, entries: u32) -> u64 {
        let burst = u64::from(self.limits().verdict_burst);
        if ends_flow { budget::share(self.limits(), entries).min(burst) } else { burst }
    }

    /// When a good part of so many deletes can be made.
    pub(crate) fn budget_returns(&mut self, deletes: u64, entries: u32, now: Steady) -> Steady {
        self.budget.returns(&self.spec.limits, deletes, entries, now)
    }

    /// Takes a block into the budget of address space; false where the budget is used up.
    pub(crate) fn spend_block(&mut self, block: &Block, now: Steady) -> bool {
        self.blocked.take(&self.spec.limits, block, now)
    }

    pub(crate) fn blocked(&mut self, block: &Block, is_blocked: bool) {
        self.blocked.concluded(block, is_blocked);
    }

    pub(crate) fn unblocked(&mut self, unblock: &Unblock) {
        self.blocked.unblocked(unblock);
    }

    /// Counts a verdict over the budget; tells for how long the breaker opens, if it opens now.
    pub(crate) fn over_budget(&mut self, limits: &BreakerLimits, budget: u64, now: Steady) -> Option<Duration> {
        self.breaker.exhausted(limits, budget, now)
    }

    /// Counts one more delete of a flow that was found by an event. Tells whether the flow comes back too often, and what
    /// to say of that.
    pub(crate) fn delete_again(&mut self, key: &FlowKey, entries: u32, now: Steady) -> (bool, Option<Notice>) {
        let repeat = self.repeats.next(key, budget::share(&self.spec.limits, entries), now);
        let notice = (repeat == Repeat::Last && self.repeats.is_to_be_told(now)).then(|| Notice::ComesBack {
            plugin: self.spec.name.clone(),
            flow: *key,
            times: Repeats::TIMES,
            blocked: self.blocked.holding([key.original.src, key.original.dst], now),
        });
        (repeat == Repeat::TooMany, notice)
    }

    /// Whether the verdict gets a record of its own.
    pub(crate) fn admit_record(&mut self, record: &VerdictRecord, bytes: usize, now: Steady) -> bool {
        self.rate.admit(record, bytes, &self.spec.limits, now)
    }

    /// Counts of verdicts without a record of their own, if they are due.
    pub(crate) fn take_folded(&mut self, all: bool, now: Steady) -> Option<alloc::boxed::Box<[FoldedCount]>> {
        self.rate.due().filter(|due| all || *due <= now).and_then(|_| self.rate.take_folded())
    }

    /// Whether the breaker has closed since this was asked last.
    pub(crate) fn notice_closing(&mut self, now: Steady) -> bool {
        self.breaker.notice_closing(now)
    }

    /// When something is to be done or told.
    pub(crate) fn deadline(&self) -> Option<Steady> {
        [self.breaker.closes(), self.rate.due()].into_iter().flatten().min()
    }

    pub(crate) fn breaker_status(&self, wall: impl Fn(Steady) -> Timestamp, now: Steady) -> BreakerStatus {
        match self.breaker.opened() {
            Some(opened) if opened.until > now => {
                BreakerStatus::Open { until: wall(opened.until), refused: opened.refused }
            }
            Some(_) | None => BreakerStatus::Closed,
        }
    }

    pub(crate) const fn verdicts(&self) -> &VerdictCounts {
        &self.verdicts
    }

    pub(crate) const fn flows(&self) -> &VerdictCounts {
        &self.flows
    }

    /// Verdicts without a record of their own.
    pub(crate) const fn folded(&self) -> u64 {
        self.rate.total()
    }

    pub(crate) const fn last_refusal(&self) -> Option<&(Timestamp, VerdictKind, String)> {
        self.last_refusal.as_ref()
    }
}

/// The outcome of a verdict whose plugin is not configured any more.
pub(crate) const PLUGIN_GONE: Outcome = Outcome::Refused(Refusal::PluginGone);
