//! The machine that checks verdicts and carries them out: guard, merge, lookups, selections, effects, records.
//!
//! It does not know queues, calls and sweeps. [`crate::intake`] passes the answers of plugins, the rows of sweeps and
//! the ends of flows to it. The files of this module extend [`Verdicts`]. The parts that they use have their own
//! private fields and methods.

pub(crate) mod accounts;
mod alerts;
mod blocked;
mod breaker;
mod budget;
pub(crate) mod call_context;
mod claim;
pub(crate) mod effects;
mod ending;
pub(crate) mod ends;
mod expectations;
pub(crate) mod guard;
mod known_selections;
pub(crate) mod lookup;
mod merge;
mod networks;
mod open_verdicts;
pub(crate) mod opening;
mod plugin_protections;
pub(crate) mod protected_flows;
mod record_rate;
mod records;
mod repeats;
pub(crate) mod replies;
mod reports;
mod resolved_target;
mod rounds;
mod selection;
mod selection_progress;
mod selections;
pub(crate) mod sight;
pub(crate) mod steering;
mod waiting_selections;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{
    Action, Effect, EffectId, Event, FlowKey, Mode, Notice, Now, PrefixSet, Record, Refusal, ReportBatch, Steady,
    Target,
};

use self::accounts::Account;
use self::effects::Effects;
use self::ends::{Ends, Received};
use self::guard::Guard;
use self::lookup::Lookups;
use self::open_verdicts::OpenVerdicts;
use self::opening::done;
use self::records::Records;
use self::replies::Replies;
use self::rounds::Rounds;
use self::selections::Selections;
use crate::ids::{RoundId, VerdictId};
use crate::{
    Ack, EngineConfig, Granted, MessageOutcome, PluginId, PluginSpec, SelectionRequest, Ticket, Tracked, Wait,
};

/// Position at which the next event is collected: the number of the batch, and the number of events in that batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collecting {
    pub(crate) batch: u64,
    pub(crate) len: usize,
}

/// State of all verdicts between their arrival and their record.
#[derive(Debug)]
pub(crate) struct Verdicts {
    config: Arc<EngineConfig>,
    clock: Now,
    guard: Guard,
    open: OpenVerdicts,
    rounds: Rounds,
    lookups: Lookups,
    effects: Effects,
    selections: Selections,
    replies: Replies,
    records: Records,
    ends: Ends,
    tracked: Tracked,
    /// No further sweep begins.
    stopping: bool,
}

impl Verdicts {
    pub(crate) fn new(config: Arc<EngineConfig>, clock: Now) -> Self {
        Self {
            guard: Guard::new(&config),
            config,
            clock,
            open: OpenVerdicts::default(),
            rounds: Rounds::default(),
            lookups: Lookups::default(),
            effects: Effects::default(),
            selections: Selections::default(),
            replies: Replies::default(),
            records: Records::default(),
            ends: Ends::default(),
            tracked: Tracked::ALL,
            stopping: false,
        }
    }

    /// Sets the clock. The steady time never goes back.
    pub(crate) fn tell_time(&mut self, now: Now) {
        self.clock = Now { wall: now.wall, steady: self.clock.steady.max(now.steady) };
    }

    /// The latest reported time.
    pub(crate) const fn now(&self) -> Now {
        self.clock
    }

    pub(crate) const fn set_tracked(&mut self, tracked: Tracked) {
        self.tracked = tracked;
    }

    pub(crate) const fn set_table_entries(&mut self, entries: u32) {
        self.guard.set_table_entries(entries);
    }

    pub(crate) fn set_own_addresses(&mut self, own: &PrefixSet) {
        self.guard.set_own_addresses(own);
    }

    /// Replaces the set of plugins. Their ids begin with `first`. Call [`Verdicts::settle_rounds`] and
    /// [`Verdicts::abandon_selections`] before, to apply the old rules to the verdicts of the old set.
    pub(crate) fn swap(&mut self, config: Arc<EngineConfig>, first: PluginId, specs: &[Arc<PluginSpec>]) {
        self.config = config;
        // A plugin of the same name takes over the record rate. A removed plugin has no successor, so report all folded
        // verdicts now.
        self.tell_folded(true);
        self.guard.swap(&self.config, first, specs, self.clock.steady);
    }

    /// Merges the answers of all open rounds. Call it before the set of plugins changes.
    pub(crate) fn settle_rounds(&mut self) {
        for answers in self.rounds.close_all() {
            self.merge(None, answers);
        }
    }

    /// Stops waiting for sweeps.
    pub(crate) const fn stop(&mut self) {
        self.stopping = true;
    }

    /// Ends everything that is open. `why` is the reply to messages without an answer.
    pub(crate) fn end(&mut self, why: &str) {
        self.rounds = Rounds::default();
        self.lookups = Lookups::default();
        self.effects.clear();
        self.finish_all(Refusal::NoAnswer);
        self.replies.end(why);
    }

    pub(crate) fn account(&self, plugin: PluginId) -> Option<&Account> {
        self.guard.account(plugin)
    }

    pub(crate) fn mode(&self, plugin: PluginId) -> Option<Mode> {
        self.guard.mode(plugin, self.clock.steady)
    }

    /// Whether reports of outcomes wait for the plugin.
    pub(crate) fn has_reports(&self, plugin: PluginId) -> bool {
        self.account(plugin).is_some_and(Account::has_reports)
    }

    /// Takes the reports that wait for the plugin, at most `most` of them.
    pub(crate) fn take_reports(&mut self, plugin: PluginId, most: usize) -> ReportBatch {
        let (reports, missed) =
            self.guard.account_mut(plugin).map(|account| account.take_reports(most)).unwrap_or_default();
        ReportBatch { now: self.clock.wall, missed, reports }
    }

    /// Begins a round. Each of these plugins receives a part of its entries.
    pub(crate) fn begin_round(&mut self, plugins: BTreeSet<PluginId>) -> RoundId {
        self.rounds.begin(plugins)
    }

    /// Reports that a plugin will not answer its part of a round.
    pub(crate) fn give_up(&mut self, round: RoundId, plugin: PluginId) {
        if let Some(answers) = self.rounds.given_up(round, plugin) {
            self.merge(Some(round), answers);
        }
    }

    /// Reports the end of a flow.
    pub(crate) fn hear_of_end(&mut self, key: FlowKey, collecting: Collecting) {
        self.ends.add(key, collecting.batch, collecting.len, self.clock.wall);
    }

    /// Number of ends of flows so far.
    pub(crate) const fn ends(&self) -> u64 {
        self.ends.count()
    }

    /// Reports that a plugin receives entries.
    pub(crate) fn hand_over<'a>(
        &mut self,
        plugin: PluginId,
        received: Received,
        entries: impl Iterator<Item = (u32, &'a Event)>,
    ) {
        self.ends.tell(plugin, received, entries);
    }

    /// Target of a verdict, or `None` if the verdict has ended.
    pub(crate) fn target(&self, verdict: VerdictId) -> Option<&Target> {
        self.open.get(verdict).map(|open| &open.record.verdict.target)
    }

    /// Ends a verdict that asked for rows. All its rows have been delivered.
    pub(crate) fn rows_told(&mut self, verdict: VerdictId, plugin: PluginId) {
        let mode = self.mode(plugin).unwrap_or(Mode::Observe);
        self.finish(verdict, done(mode));
    }

    pub(crate) fn has_waiting_selections(&self) -> bool {
        !self.selections.waiting().is_empty()
    }

    /// Takes selections for the sweep that begins, at most `most`.
    pub(crate) fn take_selections_for_sweep(&mut self, most: usize) -> Vec<VerdictId> {
        self.selections.waiting_mut().take(most)
    }

    pub(crate) fn next_selection_request(&mut self) -> Option<SelectionRequest> {
        self.selections.next_request()
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.records.notice(self.clock.wall, notice);
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    pub(crate) fn next_record(&mut self) -> Option<Record> {
        self.records.pop()
    }

    pub(crate) fn begin_message(&mut self, wait: Wait) -> Ticket {
        self.replies.begin(wait)
    }

    pub(crate) const fn next_ticket(&self) -> Ticket {
        self.replies.next_ticket()
    }

    /// Reports that a message did not reach its plugin, or that the plugin failed on the message.
    pub(crate) fn message_failed(&mut self, ticket: Ticket, why: String) {
        self.replies.failed(ticket, why);
    }

    pub(crate) fn next_reply(&mut self) -> Option<(Ticket, MessageOutcome)> {
        self.replies.next_reply()
    }

    /// The next effect to carry out.
    pub(crate) fn next_effect(&mut self, collecting: Collecting) -> Option<(EffectId, Granted<Effect>)> {
        let deadline = self.clock.steady.plus(self.config.bounds.answer_wait);
        // Count the end now, because its event may come late or never. Entries received from now on may belong to the
        // next flow.
        let (ends, at) = (&mut self.ends, self.clock.wall);
        self.effects.take(deadline, |key| ends.add(key, collecting.batch, collecting.len, at))
    }

    pub(crate) fn end_effect(&mut self, id: EffectId, ack: Ack) {
        let Some(answered) = self.effects.answered(id) else { return };
        if let (Some((key, end)), Ack::Refused(_) | Ack::Replaced | Ack::NoAnswer) = (answered.end, ack) {
            self.ends.take_back(&key, end);
        }
        for verdict in answered.waiters {
            let kills = self.open.get(verdict).is_some_and(|open| open.record.verdict.action == Action::Kill);
            self.conclude(verdict, ack.outcome(kills));
        }
        for selection in answered.selections {
            self.await_sweep(selection);
        }
    }

    fn give_up_effects(&mut self) {
        while let Some(id) = self.effects.overdue(self.clock.steady) {
            self.end_effect(id, Ack::NoAnswer);
        }
    }

    /// Whether few effects are open. This bounds the latency of later verdicts.
    pub(crate) fn has_few_effects(&self) -> bool {
        self.effects.are_few()
    }

    /// Whether the open effects, open lookups and queued records reach a limit of the backlog. No further work may
    /// begin then.
    pub(crate) fn is_backlogged(&self) -> bool {
        let open = self.effects.len().saturating_add(self.lookups.len());
        open.saturating_add(self.records.len()) >= self.config.bounds.backlog
            || self.records.bytes() >= self.config.bounds.backlog_bytes
    }

    /// Whether no verdict, effect or message is open.
    pub(crate) fn is_quiet(&self) -> bool {
        self.open.len() == 0 && self.effects.len() == 0 && self.replies.is_empty()
    }

    pub(crate) fn effects_in_flight(&self) -> usize {
        self.effects.len()
    }

    pub(crate) const fn open_verdicts(&self) -> usize {
        self.open.len()
    }

    /// Number of flows that plugins protect now.
    pub(crate) fn plugin_protections(&self, now: Steady) -> usize {
        self.guard.plugin_protections(now)
    }

    /// The earliest time at which [`Verdicts::pass_time`] or [`Verdicts::tidy`] has work.
    pub(crate) fn next_timeout(&mut self) -> Option<Steady> {
        let accounts = self.guard.accounts().filter_map(Account::deadline).min();
        [
            accounts,
            self.rounds.deadline(),
            self.effects.deadline(),
            self.lookups.deadline(),
            self.replies.deadline(),
            self.selections.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn pass_time(&mut self) {
        let now = self.clock.steady;
        while let Some((round, answers)) = self.rounds.expired(now) {
            self.merge(Some(round), answers);
        }
        self.give_up_effects();
        self.give_up_lookups();
        self.replies.give_up(now);
        self.resume_selections();
    }

    pub(crate) fn pause(&mut self, plugin: PluginId, length: Option<Duration>) {
        let now = self.clock;
        let Some(account) = self.guard.account_mut(plugin) else { return };
        account.steering_mut().pause(length, now.steady);
        self.records.notice(now.wall, Notice::Paused(account.name().clone(), length));
    }

    pub(crate) fn resume(&mut self, plugin: PluginId) -> bool {
        let now = self.clock;
        let Some(account) = self.guard.account_mut(plugin) else { return false };
        let was_paused = account.steering_mut().resume(now.steady);
        if was_paused {
            self.records.notice(now.wall, Notice::Resumed(account.name().clone()));
        }
        was_paused
    }

    pub(crate) fn switch(&mut self, plugin: PluginId, mode: Mode) {
        let now = self.clock.wall;
        let Some(account) = self.guard.account_mut(plugin) else { return };
        account.steering_mut().switch(mode);
        self.records.notice(now, Notice::ModeChanged(account.name().clone(), mode));
    }

    /// Does the work that is due after every input: reports counts of folded verdicts, ended pauses and closed
    /// breakers.
    pub(crate) fn tidy(&mut self) {
        self.tell_folded(false);
        let now = self.clock;
        for account in self.guard.accounts_mut() {
            if account.steering_mut().notice_end(now.steady) {
                self.records.notice(now.wall, Notice::Resumed(account.name().clone()));
            }
            if account.notice_closing(now.steady) {
                self.records.notice(now.wall, Notice::BreakerClosed(account.name().clone()));
            }
        }
    }
}
