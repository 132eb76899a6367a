//! The account of one plugin: budget, breaker, alerts, rate of records, and counts of its verdicts.
//!
//! On a reload the plugin of the same name takes over what was spent. A reload therefore cannot reset a budget.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{
    Alert, Block, FlowKey, FoldedCount, Mode, Notice, Outcome, PluginName, Refusal, Report, Steady, Tally, Timestamp,
    Unblock, VerdictKind, VerdictRecord,
};

use crate::verdicts::alerts::Alerts;
use crate::verdicts::blocked::Blocked;
use crate::verdicts::breaker::Breaker;
use crate::verdicts::budget::{self, Budget};
use crate::verdicts::record_rate::RecordRate;
use crate::verdicts::repeats::{Repeat, Repeats};
use crate::verdicts::reports::Reports;
use crate::verdicts::steering::{PauseStatus, Steering};
use crate::{BreakerLimits, BreakerStatus, CodeCounts, PluginLimits, PluginSpec, VerdictCounts};

#[derive(Debug)]
pub(crate) struct Account {
    spec: Arc<PluginSpec>,
    budget: Budget,
    blocked: Blocked,
    repeats: Repeats,
    breaker: Breaker,
    steering: Steering,
    alerts: Alerts,
    rate: RecordRate,
    /// Bytes of the verdicts without an outcome.
    open_bytes: usize,
    /// Number of verdicts that wait for a sweep or that the running sweep serves.
    awaiting_sweep: usize,
    verdicts: VerdictCounts,
    /// Counts of the same outcomes by flow. Every flow of a selection counts.
    flows: VerdictCounts,
    /// Counts of the same verdicts by code.
    codes: CodeCounts,
    /// Reports for the plugin; `None` if it takes none.
    reports: Option<Reports>,
    last_refusal: Option<(Timestamp, VerdictKind, String)>,
}

/// The end of one verdict, for the counts of its plugin.
#[derive(Debug)]
pub(crate) struct EndedVerdict<'a> {
    pub(crate) kind: VerdictKind,
    pub(crate) code: &'a str,
    pub(crate) outcome: Outcome,
    /// Outcomes of the flows, if the verdict is over a selection.
    pub(crate) tally: Option<&'a Tally>,
    /// Whether the verdict is about one flow.
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
            steering: Steering::default(),
            alerts: Alerts::new(&spec.limits, now),
            rate: RecordRate::new(&spec.limits, now),
            open_bytes: 0,
            awaiting_sweep: 0,
            verdicts: VerdictCounts::default(),
            flows: VerdictCounts::default(),
            codes: CodeCounts::default(),
            reports: spec.subscription.outcomes.then(|| Reports::new(now)),
            last_refusal: None,
            spec,
        }
    }

    /// Continues the account of the plugin of the same name. The breaker closes, a pause goes on, the
    /// mode is that of the configuration, and the counts start at zero.
    pub(crate) fn take_over(&mut self, old: Self) {
        self.budget = old.budget;
        self.blocked = old.blocked;
        self.repeats = old.repeats;
        self.alerts = old.alerts;
        self.rate = old.rate;
        self.steering.take_over(old.steering);
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

    /// The mode in effect: observe while the plugin is paused or the breaker is open, else the current mode.
    pub(crate) fn mode(&self, now: Steady) -> Mode {
        if self.steering.is_paused(now) { Mode::Observe } else { self.protecting_mode(now) }
    }

    /// The mode in effect for protections of flows. A pause does not change it, because a protection changes nothing in
    /// the kernel, and flows that lose their protection could be ended by other plugins.
    pub(crate) fn protecting_mode(&self, now: Steady) -> Mode {
        if self.breaker.is_open(now) { Mode::Observe } else { self.current_mode() }
    }

    /// The configured mode, or the mode to which the operator has switched.
    pub(crate) fn current_mode(&self) -> Mode {
        self.steering.mode(self.spec.mode)
    }

    pub(crate) const fn steering_mut(&mut self) -> &mut Steering {
        &mut self.steering
    }

    pub(crate) fn pause_status(&self, wall: impl Fn(Steady) -> Timestamp, now: Steady) -> PauseStatus {
        self.steering.status(wall, now)
    }

    /// Whether the verdicts without an outcome reach the memory limit. The plugin is not called then.
    pub(crate) fn is_full(&self) -> bool {
        self.open_bytes >= self.limits().bounds.open_bytes
    }

    pub(crate) const fn opened(&mut self, bytes: usize) {
        self.open_bytes = self.open_bytes.saturating_add(bytes);
    }

    /// Counts one more verdict that waits for a sweep.
    ///
    /// # Errors
    /// The maximum number of verdicts already wait.
    pub(crate) fn await_sweep(&mut self) -> Result<(), Outcome> {
        if self.awaiting_sweep >= self.limits().bounds.selections {
            return Err(Outcome::OverBudget);
        }
        self.awaiting_sweep += 1;
        Ok(())
    }

    pub(crate) fn ended(&mut self, ended: &EndedVerdict<'_>) {
        let EndedVerdict { kind, code, outcome, tally, is_about_one_flow, bytes, awaited_sweep } = *ended;
        self.verdicts.add(kind, outcome);
        self.codes.add(&self.spec.codes, code, kind, outcome);
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

    /// Keeps a report of the ended verdict for the plugin, if the plugin takes reports.
    pub(crate) fn report(&mut self, ended: &VerdictRecord, tally: Option<&Tally>, detail: String, now: Steady) {
        if let Some(reports) = &mut self.reports {
            reports.add(ended, tally, detail, now);
        }
    }

    pub(crate) fn has_reports(&self) -> bool {
        self.reports.as_ref().is_some_and(|reports| !reports.is_empty())
    }

    /// Takes at most `most` reports, and the number of reports dropped since the last call.
    pub(crate) fn take_reports(&mut self, most: usize) -> (Vec<Report>, u64) {
        self.reports.as_mut().map(|reports| reports.take(most)).unwrap_or_default()
    }

    pub(crate) fn refused(&mut self, at: Timestamp, kind: VerdictKind, why: String) {
        self.last_refusal = Some((at, kind, why));
    }

    /// Returns `None` if the alert is shown, else the outcome of its verdict.
    pub(crate) fn admit_alert(&mut self, alert: &Alert, window: Duration, keys: usize, now: Steady) -> Option<Outcome> {
        self.alerts.admit(alert, &self.spec.limits, window, keys, now)
    }

    /// Spends one verdict of the budget. Returns false if the budget is used up.
    pub(crate) fn spend(&mut self, ends_flow: bool, entries: u32, now: Steady) -> bool {
        self.budget.take(&self.spec.limits, ends_flow, entries, now)
    }

    /// Whether a timeout of `seconds` costs as much as a delete.
    pub(crate) fn ends_soon(&self, seconds: u32) -> bool {
        budget::ends_soon(self.limits(), seconds)
    }

    /// The budget with which the breaker compares the excess: the burst. For deletes it is the share of the table if
    /// the share is smaller than the burst.
    pub(crate) fn whole_budget(&self, ends_flow: bool, entries: u32) -> u64 {
        let burst = u64::from(self.limits().verdict_burst);
        if ends_flow { budget::share(self.limits(), entries).min(burst) } else { burst }
    }

    /// When the budget has room for several of `deletes` deletes.
    pub(crate) fn budget_returns(&mut self, deletes: u64, entries: u32, now: Steady) -> Steady {
        self.budget.returns(&self.spec.limits, deletes, entries, now)
    }

    /// Spends address space for a block. Returns false if the budget is used up.
    pub(crate) fn spend_block(&mut self, block: &Block, now: Steady) -> bool {
        self.blocked.take(&self.spec.limits, block, now)
    }

    pub(crate) fn blocked(&mut self, block: &Block, is_blocked: bool) {
        self.blocked.concluded(block, is_blocked);
    }

    pub(crate) fn unblocked(&mut self, unblock: &Unblock) {
        self.blocked.unblocked(unblock);
    }

    /// Counts a verdict over the budget. Returns how long the breaker opens, if it opens now.
    pub(crate) fn over_budget(&mut self, limits: &BreakerLimits, budget: u64, now: Steady) -> Option<Duration> {
        self.breaker.exhausted(limits, budget, now)
    }

    /// Counts one more delete of a flow that an event reported. Returns whether the flow comes back too often, and a
    /// notice if one is due.
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

    /// Whether the verdict gets its own record.
    pub(crate) fn admit_record(&mut self, record: &VerdictRecord, bytes: usize, now: Steady) -> bool {
        self.rate.admit(record, bytes, &self.spec.limits, now)
    }

    /// Takes the counts of verdicts without their own record, if the counts are due or `all` is set.
    pub(crate) fn take_folded(&mut self, all: bool, now: Steady) -> Option<Box<[FoldedCount]>> {
        self.rate.due().filter(|due| all || *due <= now).and_then(|_| self.rate.take_folded())
    }

    /// Whether the breaker has closed since the last call.
    pub(crate) fn notice_closing(&mut self, now: Steady) -> bool {
        self.breaker.notice_closing(now)
    }

    /// When the pause ends, the breaker closes or the counts of folded verdicts are due, whichever is earlier.
    pub(crate) fn deadline(&self) -> Option<Steady> {
        [self.steering.ends(), self.breaker.closes(), self.rate.due()].into_iter().flatten().min()
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

    pub(crate) const fn codes(&self) -> &CodeCounts {
        &self.codes
    }

    /// Number of verdicts without their own record.
    pub(crate) const fn folded(&self) -> u64 {
        self.rate.total()
    }

    pub(crate) const fn last_refusal(&self) -> Option<&(Timestamp, VerdictKind, String)> {
        self.last_refusal.as_ref()
    }
}

/// Outcome of a verdict whose plugin is no longer configured.
pub(crate) const PLUGIN_GONE: Outcome = Outcome::Refused(Refusal::PluginGone);
