//! Sweeps: at start, after an overrun, periodically, on request, and to carry out verdicts over selections.
//!
//! One sweep runs at a time, and all plugins and selections that need one share it. Sweeps rest in between. Otherwise
//! sustained loss, or a plugin that requests sweeps forever, would become a load of its own. A row is never dropped:
//! the sweep waits. A slow plugin is dropped from a sweep rather than delaying the sweep of the others
//! ([`crate::intake::slow_plugins`]).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{
    Cause, Entries, Event, EventKind, ExpectationEvent, Extent, Filter, Flow, Notice, Outcome, Refusal, Steady, Target,
};

use crate::ids::{SweepIds, VerdictId};
use crate::intake::Intake;
use crate::intake::collect::part;
use crate::intake::roster::Plugin;
use crate::intake::running_sweep::{Participant, RunningSweep};
use crate::verdicts::Verdicts;
use crate::{Detail, PluginId, SelectionId, SweepId, SweepRequest, SweepSource, WaitingSelection, rest_after};

/// Maximum number of filters in a request. With more filters, the request is for every row.
const HINTS: usize = 64;

/// Number of row requests of one plugin that are offered to the program at once. The program reports which of them it
/// knows.
const ASKED_AT_ONCE: usize = 64;

/// Number of successive interrupted sweeps after which a plugin gets no further sweep, until it needs one for another
/// reason.
const INTERRUPTED_MAX: u8 = 3;

/// The running sweep, and the state that decides the next one.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    ids: SweepIds,
    pub(super) running: Option<RunningSweep>,
    /// A sweep that the program has not taken yet.
    request: Option<SweepRequest>,
    /// The end and the duration of the last sweep that read the table.
    last: Option<(Steady, Duration)>,
    /// The first sweep for a new set of plugins does not rest.
    pub(super) hurry: bool,
    ended: u64,
    /// How many sweeps ended early or were inconsistent.
    interrupted: u64,
    rows: u64,
}

impl Sweeps {
    pub(crate) const fn ids_mut(&mut self) -> &mut SweepIds {
        &mut self.ids
    }

    /// The duration of the last sweep that read the table.
    pub(crate) fn last_took(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |(_, took)| took)
    }

    pub(crate) const fn ended(&self) -> u64 {
        self.ended
    }

    pub(crate) const fn interrupted(&self) -> u64 {
        self.interrupted
    }

    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The running sweep, if it has that id.
    fn running_mut(&mut self, id: SweepId) -> Option<&mut RunningSweep> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    /// The plugins that take rows of the running sweep; none without a sweep.
    pub(super) fn participants(&self) -> &[Participant] {
        self.running.as_ref().map(RunningSweep::participants).unwrap_or_default()
    }

    /// Removes a plugin from the running sweep. Returns what the plugin took part for; nothing without a sweep.
    pub(super) fn leave(&mut self, id: PluginId) -> Vec<Participant> {
        self.running.as_mut().map(|running| running.leave(id)).unwrap_or_default()
    }
}

impl Intake {
    /// When the next sweep may begin. `None` if no sweep is needed or one is running.
    pub(crate) fn sweep_due(&self, verdicts: &Verdicts) -> Option<Steady> {
        if self.stopping || self.sweeps.is_running() {
            return None;
        }
        let pressing =
            verdicts.has_waiting_selections() || self.running_plugins().any(|plugin| !plugin.asked.is_empty());
        let wanted = pressing || self.running_plugins().any(|plugin| plugin.wants_sweep);
        let Some((ended, took)) = self.sweeps.last else { return wanted.then_some(verdicts.now().steady) };
        let rest = if pressing {
            // Sweeps then take half of the time at most.
            self.config.bounds.selection_rest.max(took)
        } else if self.sweeps.hurry {
            Duration::ZERO
        } else {
            self.config.sweep_rest.max(rest_after(took))
        };
        wanted.then_some(ended.plus(rest))
    }

    fn running_plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter().filter(|plugin| plugin.supervision.is_running())
    }

    /// Returns a sweep of rows that the program knows, as it has reported before. Otherwise, if the program can start a
    /// dump now, returns a sweep of the table.
    pub(crate) fn next_sweep(&mut self, verdicts: &mut Verdicts, can_read: bool) -> Option<SweepRequest> {
        if let Some(request) = self.sweeps.request.take() {
            return Some(request);
        }
        if !can_read || self.sweep_due(verdicts)? > verdicts.now().steady {
            return None;
        }
        // The collected events happened before the sweep.
        self.flush_collected(verdicts);
        let now = verdicts.now().steady;
        let most = self.config.bounds.selections_per_sweep.max(1);
        let most_asked = self.share_of_asked(most);
        let mut participants = Vec::new();
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.supervision.is_running()) {
            let subscribed = core::mem::take(&mut plugin.wants_sweep);
            let asked: Vec<VerdictId> = plugin.asked.drain(..plugin.asked.len().min(most_asked)).collect();
            if subscribed {
                plugin.wind_sweep(now);
            }
            if subscribed || !asked.is_empty() {
                let asks_all = |verdict: &VerdictId| matches!(verdicts.target(*verdict), Some(Target::None));
                let whole = subscribed || asked.iter().any(asks_all);
                let extent = if whole { Extent::Subscribed } else { Extent::Asked };
                plugin.queue.push_turn(Cause::SweepBegin(extent));
                participants.push(Participant { plugin: plugin.id, subscribed, extent, asked });
            }
        }
        let selections = verdicts.take_selections_for_sweep(most);
        let filters = self.hints(verdicts, &participants, &selections);
        let expectations = participants.iter().any(|participant| self.takes_expectations(participant));
        self.sweeps.hurry = false;
        let source = SweepSource::Table;
        let id = self.begin_sweep(verdicts, participants, selections, source);
        Some(SweepRequest { id, source, filters, expectations })
    }

    /// How many requests for rows of each plugin go into one sweep.
    fn share_of_asked(&self, most: usize) -> usize {
        let asking = self.plugins.iter().filter(|plugin| !plugin.asked.is_empty()).count();
        most.checked_div(asking).map_or(most, |share| share.max(1))
    }

    fn begin_sweep(
        &mut self,
        verdicts: &Verdicts,
        participants: Vec<Participant>,
        selections: Vec<VerdictId>,
        source: SweepSource,
    ) -> SweepId {
        debug_assert!(!self.sweeps.is_running(), "one sweep at a time");
        let id = self.sweeps.ids.take();
        self.sweeps.running =
            Some(RunningSweep::new(id, verdicts.now(), verdicts.ends(), participants, selections, source));
        id
    }

    /// Whether requests for rows wait and no sweep runs. A program that knows the rows can then answer them.
    pub(crate) fn has_asked_rows(&self) -> bool {
        !self.stopping && !self.sweeps.is_running() && self.running_plugins().any(|plugin| !plugin.asked.is_empty())
    }

    /// Requests for rows by a filter that wait for a sweep. Of each plugin at most as many as one sweep can take.
    pub(crate) fn asked_rows<'a>(&'a self, verdicts: &'a Verdicts) -> impl Iterator<Item = WaitingSelection<'a>> {
        let plugins = self.running_plugins().filter(|_| self.has_asked_rows());
        plugins.flat_map(move |plugin| {
            plugin.asked.iter().take(ASKED_AT_ONCE).filter_map(|&id| match verdicts.target(id) {
                Some(Target::Matching(selection)) => {
                    Some(WaitingSelection { id: SelectionId(id), filter: &selection.filter, detail: Detail::Entry })
                }
                Some(Target::None | Target::Entry(_) | Target::Key(_)) | None => None,
            })
        })
    }

    /// Begins a sweep of requested rows that the program knows without reading the table. This sweep needs no rest.
    pub(crate) fn tell_known_rows(&mut self, verdicts: &mut Verdicts, known: &[SelectionId]) {
        if known.is_empty() || !self.has_asked_rows() {
            return;
        }
        // The collected events happened before the rows are looked up.
        self.flush_collected(verdicts);
        // One sweep reads all its rows by its filters. Filters beyond the limit of a request wait for the next sweep.
        let share = self.share_of_asked(self.config.bounds.selections_per_sweep.clamp(1, HINTS));
        let mut participants = Vec::new();
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.supervision.is_running()) {
            let mut most = share;
            let is_known = |verdict: &mut VerdictId| {
                let is_taken = most > 0 && known.contains(&SelectionId(*verdict));
                most -= usize::from(is_taken);
                is_taken
            };
            let asked: Vec<VerdictId> = plugin.asked.extract_if(.., is_known).collect();
            if !asked.is_empty() {
                plugin.queue.push_turn(Cause::SweepBegin(Extent::Asked));
                participants.push(Participant { plugin: plugin.id, subscribed: false, extent: Extent::Asked, asked });
            }
        }
        if participants.is_empty() {
            return;
        }
        let filters = self.hints(verdicts, &participants, &[]);
        let source = SweepSource::Known;
        let id = self.begin_sweep(verdicts, participants, Vec::new(), source);
        self.sweeps.request = Some(SweepRequest { id, source, filters, expectations: false });
    }

    fn takes_expectations(&self, participant: &Participant) -> bool {
        participant.extent == Extent::Subscribed
            && self.plugins.get(participant.plugin).is_some_and(|plugin| plugin.spec.subscription.expectations)
    }

    /// The union of the filters of all plugins and selections that need rows. Empty if there are too many filters or
    /// every row is needed.
    fn hints(&self, verdicts: &Verdicts, participants: &[Participant], selections: &[VerdictId]) -> Vec<Filter> {
        let mut hints: Vec<Filter> = Vec::new();
        for participant in participants.iter().filter(|participant| participant.subscribed) {
            match self.plugins.get(participant.plugin) {
                Some(plugin) if !plugin.spec.subscription.filters.is_empty() => {
                    hints.extend(plugin.spec.subscription.filters.iter().cloned());
                }
                Some(_) | None => return Vec::new(),
            }
        }
        for &verdict in participants.iter().flat_map(|participant| &participant.asked).chain(selections) {
            match verdicts.target(verdict) {
                Some(Target::Matching(selection)) => hints.push(selection.filter.clone()),
                Some(Target::None) => return Vec::new(),
                Some(Target::Entry(_) | Target::Key(_)) | None => {}
            }
            if hints.len() > HINTS {
                return Vec::new();
            }
        }
        if hints.len() > HINTS { Vec::new() } else { hints }
    }

    /// Takes a row of the running sweep. A row of another sweep is ignored.
    pub(crate) fn row(&mut self, verdicts: &mut Verdicts, id: SweepId, flow: Flow) {
        let batch = self.batch_entries();
        let now = verdicts.now().steady;
        let Some(running) = self.sweeps.running_mut(id) else { return };
        let reads_table = running.count_row();
        verdicts.select(running.selections(), &flow);
        let is_full = running.add_row(Event { kind: EventKind::Row, by_us: false, flow }, batch, now);
        if reads_table {
            self.sweeps.rows = self.sweeps.rows.saturating_add(1);
        }
        if is_full {
            self.flush_rows(verdicts);
            // Before this point no queue has changed.
            self.tidy(verdicts);
        }
    }

    /// Takes a row of the expectation table. Without a sweep the row is ignored.
    pub(super) fn expectation_row(&mut self, verdicts: &mut Verdicts, event: ExpectationEvent) {
        let batch = self.batch_entries();
        let Some(running) = self.sweeps.running.as_mut() else { return };
        let is_full = running.add_expectation(event, batch);
        self.sweeps.rows = self.sweeps.rows.saturating_add(1);
        if is_full {
            self.flush_expectation_rows(verdicts);
        }
    }

    fn flush_rows(&mut self, verdicts: &mut Verdicts) {
        // The collected events happened before the rows were read.
        self.flush_collected(verdicts);
        let Some((rows, told)) = self.sweeps.running.as_mut().and_then(RunningSweep::take_rows) else { return };
        let rows = Arc::new(rows);
        let parts = self
            .sweeps
            .participants()
            .iter()
            .filter_map(|participant| {
                Some((
                    participant.plugin,
                    part_of(self.plugins.get(participant.plugin)?, participant, verdicts, &rows)?,
                ))
            })
            .collect();
        self.offer(verdicts, Cause::SweepRows, told, parts);
        self.put_off_flooded();
    }

    fn flush_expectation_rows(&mut self, verdicts: &mut Verdicts) {
        let events = self.sweeps.running.as_mut().map(RunningSweep::take_expectations).unwrap_or_default();
        let takers: Vec<PluginId> = self
            .sweeps
            .participants()
            .iter()
            .filter(|participant| self.takes_expectations(participant))
            .map(|participant| participant.plugin)
            .collect();
        self.offer_expectations(verdicts, Cause::SweepRows, &events, &takers);
    }

    /// Ends the running sweep. The end of another sweep is ignored.
    pub(crate) fn end_sweep(&mut self, verdicts: &mut Verdicts, id: SweepId, complete: bool) {
        if self.sweeps.running_mut(id).is_some() {
            self.flush_rows(verdicts);
            self.flush_expectation_rows(verdicts);
        }
        let Some(running) = self.sweeps.running.take_if(|running| running.id == id) else { return };
        let now = verdicts.now();
        let ended = running.into_ended();
        if ended.source == SweepSource::Table {
            let took = now.steady.since(ended.began.steady);
            self.sweeps.last = Some((now.steady, took));
            let count = if complete { &mut self.sweeps.ended } else { &mut self.sweeps.interrupted };
            *count = count.saturating_add(1);
            verdicts.notice(Notice::Swept { rows: ended.rows, complete, took });
        }
        let end = if complete { Cause::SweepComplete } else { Cause::SweepInterrupted };
        for Participant { plugin: id, subscribed, extent: _, mut asked } in ended.participants {
            if let Some(plugin) = self.plugins.get_mut(id) {
                plugin.queue.push_turn(end.clone());
                plugin.interrupted = if complete { 0 } else { plugin.interrupted.saturating_add(1) };
                let again = !complete && plugin.interrupted < INTERRUPTED_MAX;
                plugin.wants_sweep |= subscribed && again;
                if again {
                    plugin.asked.append(&mut asked);
                }
            }
            for verdict in asked {
                verdicts.rows_told(verdict, id);
            }
        }
        verdicts.end_selections(ended.selections, complete);
    }

    /// A plugin has failed. It takes no more rows, and its requests are void. A fresh instance gets its own sweep.
    pub(super) fn leave_sweep(&mut self, verdicts: &mut Verdicts, id: PluginId) {
        let left = self.sweeps.leave(id).into_iter();
        let mut asked: Vec<VerdictId> = left.flat_map(|participant| participant.asked).collect();
        if let Some(plugin) = self.plugins.get_mut(id) {
            asked.append(&mut plugin.asked);
        }
        for verdict in asked {
            verdicts.finish(verdict, Outcome::Refused(Refusal::PluginGone));
        }
    }

    /// The set of plugins changes: no plugin of the old set takes rows any more. The dump itself goes on until the
    /// program reports its end. Returns the selections of the running sweep.
    pub(super) fn abandon_sweep(&mut self, verdicts: &mut Verdicts) -> Vec<VerdictId> {
        let (mut asked, selections) = self.sweeps.running.as_mut().map(RunningSweep::abandon).unwrap_or_default();
        asked.extend(self.plugins.iter_mut().flat_map(|plugin| plugin.asked.drain(..)));
        for verdict in asked {
            verdicts.finish(verdict, Outcome::Refused(Refusal::PluginGone));
        }
        selections
    }

    /// The daemon stops: no sweep runs or begins any more. Returns the selections of the running sweep.
    pub(super) fn stop_sweeps(&mut self, verdicts: &mut Verdicts) -> Vec<VerdictId> {
        let mut asked: Vec<VerdictId> = self.plugins.iter_mut().flat_map(|plugin| plugin.asked.drain(..)).collect();
        let mut selections = Vec::new();
        if let Some(mut running) = self.sweeps.running.take() {
            let of_running = running.abandon();
            asked.extend(of_running.0);
            selections = of_running.1;
        }
        for verdict in asked {
            verdicts.finish(verdict, Outcome::Refused(Refusal::NoAnswer));
        }
        selections
    }
}

/// The rows that a plugin gets.
fn part_of(plugin: &Plugin, participant: &Participant, verdicts: &Verdicts, rows: &Arc<Vec<Event>>) -> Option<Entries> {
    let filters = &plugin.spec.subscription.filters;
    let subscribed = |flow: &Flow| filters.is_empty() || filters.iter().any(|filter| filter.matches(flow));
    let asked = |verdict: &VerdictId, flow: &Flow| match verdicts.target(*verdict) {
        Some(Target::Matching(selection)) => selection.filter.matches(flow),
        Some(Target::None) => subscribed(flow),
        Some(Target::Entry(_) | Target::Key(_)) | None => false,
    };
    part(rows, |Event { flow, .. }| {
        (participant.subscribed && subscribed(flow)) || participant.asked.iter().any(|verdict| asked(verdict, flow))
    })
}
