//! Readings of the whole table: at start, after a loss, in time, when asked, and to carry out verdicts over selections.
//!
//! There is one at a time and all who want one share it, with a rest in between, so that lasting loss or a plugin that asks
//! for ever does not turn into a load of its own. A row is never dropped; the sweep waits, but others' sweep does not wait
//! for one laggard.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{
    Cause, Entries, Event, EventKind, ExpectationEvent, Extent, Filter, Flow, Mode, Notice, Now, Outcome, Refusal,
    Steady, Target,
};

use crate::engine::Engine;
use crate::ids::VerdictId;
use crate::intake::collect::part;
use crate::intake::roster::Plugin;
use crate::requests::{Detail, Knows, SelectionRequest, SweepRequest};
use crate::verdicts::ends::Received;
use crate::verdicts::selection::goes_by_name;
use crate::verdicts::sight::Told;
use crate::verdicts::waiting_selections::Waiting;
use crate::{PluginId, SweepId};

/// Filters that a request names at most; beyond, it asks for every row.
const HINTS: usize = 64;

/// What the kernel needs for a row of a sweep, about.
const ROW: Duration = Duration::from_micros(3);

/// Sweeps for a plugin in a row that may be interrupted before it has to wait for another reason.
const INTERRUPTED_MAX: u8 = 3;

/// A plugin that takes rows of the running sweep.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) plugin: PluginId,
    /// Whether the sweep is for it, and not only for what it asked.
    pub(crate) subscribed: bool,
    /// Which rows it gets.
    pub(crate) extent: Extent,
    /// Verdicts that asked for rows.
    pub(crate) asked: Vec<VerdictId>,
}

#[derive(Debug)]
pub(crate) struct Running {
    id: SweepId,
    began: Now,
    /// How many ends of flows had been received then.
    ends: u64,
    pub(crate) participants: Vec<Participant>,
    pub(crate) selections: Vec<VerdictId>,
    /// Whether the table is read for it.
    reads_table: bool,
    /// Rows and expectation rows that no round has yet: at most a batch of each.
    rows: Vec<Event>,
    /// When the first of these rows came.
    since: Steady,
    expectations: Vec<ExpectationEvent>,
    count: u64,
    /// Since when a plugin has had no room for rows.
    pub(crate) stalled: Option<Steady>,
}

/// Requests for selections of one plugin that the program answers at once: a small one is not to wait for a large one, and each
/// takes memory.
const ANSWERING_MAX: usize = 8;

/// Selections that the program answers without a sweep.
#[derive(Debug)]
struct Answering {
    id: SweepId,
    plugin: PluginId,
    verdicts: Vec<VerdictId>,
    /// Whether it knows only some of their flows.
    partly: bool,
}

/// Sweeps: the one that runs and those that are wanted.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    next: u32,
    pub(crate) running: Option<Running>,
    /// Selections that the program answers beside the running sweep.
    answering: Vec<Answering>,
    /// Selections for the next one.
    pub(crate) waiting: Waiting,
    /// Deletions that ran out of budget, by when some of it is back.
    pub(crate) resting: BTreeSet<(Steady, VerdictId)>,
    /// When the last one that read the table ended and how long it took.
    last: Option<(Steady, Duration)>,
    /// A new set of plugins does not wait out the rest.
    pub(crate) hurry: bool,
    pub(crate) ended: u64,
    /// How many ended early or were inconsistent.
    pub(crate) interrupted: u64,
    pub(crate) rows: u64,
}

impl Sweeps {
    fn name(&mut self) -> SweepId {
        let id = SweepId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }

    /// Whether one more request of the plugin's selections may be answered.
    fn may_answer(&self, plugin: PluginId) -> bool {
        self.answering.iter().filter(|answering| answering.plugin == plugin).count() < ANSWERING_MAX
    }

    /// The selections of a request that the program answers.
    fn answering(&mut self, id: SweepId) -> Option<&mut Vec<VerdictId>> {
        self.answering.iter_mut().find(|answering| answering.id == id).map(|answering| &mut answering.verdicts)
    }
}

impl Engine {
    pub(crate) fn has_waiting_selections(&self) -> bool {
        self.sweeps.waiting.plugins().any(|plugin| self.sweeps.may_answer(plugin))
    }

    /// Takes the selections out of the line that the program can answer without a sweep, or else those of which it can end some
    /// flows before one. They need no rest in between, as they cost no reading of the table.
    pub(crate) fn next_selection(&mut self, knows: impl Fn(&Filter, Detail) -> Knows) -> Option<SelectionRequest> {
        if self.stopping || !self.has_waiting_selections() {
            return None;
        }
        let taken = self
            .take_selections(false, |engine, (id, filter)| knows(filter, engine.detail(id)) == Knows::All)
            .or_else(|| {
                self.take_selections(true, |engine, (id, filter)| {
                    engine.may_be_anticipated(id) && knows(filter, engine.detail(id)) == Knows::Some
                })
            });
        if taken.is_none() {
            self.leave_to_sweep();
        }
        taken
    }

    /// Whoever waits for selections that only a long sweep can end is told what came of them so far: a ban that comes next is not to
    /// wait for seconds.
    fn leave_to_sweep(&mut self) {
        let last = self.sweeps.last.map_or(Duration::ZERO, |(_, took)| took);
        if last.max(ROW.saturating_mul(self.table_entries)) < self.config.long_sweep {
            return;
        }
        for id in self.sweeps.waiting.iter() {
            let Some(open) = self.audit.get_mut(id) else { continue };
            if let Some(ticket) = open.ticket.take() {
                let flows = open.run.as_ref().map(|run| run.tally).unwrap_or_default();
                self.messages.verdict_left_to_sweep(ticket, flows);
            }
        }
    }

    /// What has to be known of the flows of a selection.
    fn detail(&self, id: VerdictId) -> Detail {
        match self.audit.get(id) {
            Some(open) if goes_by_name(&open.record.verdict.action) => Detail::Name,
            Some(_) | None => Detail::Entry,
        }
    }

    /// Takes out of the line of one plugin what is wanted, as much as goes into one request.
    fn take_selections(
        &mut self,
        partly: bool,
        is_wanted: impl Fn(&Self, (VerdictId, &Filter)) -> bool,
    ) -> Option<SelectionRequest> {
        let most = self.config.selections_per_sweep.max(1);
        let mut waiting = core::mem::take(&mut self.sweeps.waiting);
        let taken = waiting.take_wanted(
            most,
            |plugin| self.sweeps.may_answer(plugin),
            |id| self.filter_of(id).is_some_and(|filter| is_wanted(self, (id, filter))),
        );
        self.sweeps.waiting = waiting;
        let (plugin, verdicts) = taken?;
        let filters = verdicts.iter().filter_map(|&id| self.filter_of(id).cloned()).collect();
        let id = self.sweeps.name();
        self.sweeps.answering.push(Answering { id, plugin, verdicts, partly });
        Some(SelectionRequest { id, filters })
    }

    /// The filter of a verdict over a selection.
    fn filter_of(&self, id: VerdictId) -> Option<&Filter> {
        match self.audit.get(id).map(|open| &open.record.verdict.target) {
            Some(Target::Matching(selection)) => Some(&selection.filter),
            Some(Target::None | Target::Entry(_) | Target::Key(_)) | None => None,
        }
    }

    /// Does something for the selections of a request, if it is one that the program answers.
    fn for_answering<T>(&mut self, id: SweepId, act: impl FnOnce(&mut Self, &[VerdictId]) -> T) -> Option<T> {
        let verdicts = core::mem::take(self.sweeps.answering(id)?);
        let done = act(self, &verdicts);
        if let Some(kept) = self.sweeps.answering(id) {
            *kept = verdicts;
        }
        Some(done)
    }

    /// When the next sweep may begin; none where none is wanted or one runs.
    pub(crate) fn sweep_due(&self) -> Option<Steady> {
        if self.stopping || self.sweeps.running.is_some() {
            return None;
        }
        let running = |plugin: &&Plugin| plugin.supervision.is_running();
        let pressing = !self.sweeps.waiting.is_empty()
            || self.plugins.iter().filter(running).any(|plugin| !plugin.asked.is_empty());
        let wanted = pressing || self.plugins.iter().filter(running).any(|plugin| plugin.wants_sweep);
        let Some((ended, took)) = self.sweeps.last else { return wanted.then_some(self.clock.steady) };
        let rest = if pressing {
            // Half of the time at most.
            self.config.selection_rest.max(took)
        } else if self.sweeps.hurry {
            Duration::ZERO
        } else {
            self.config.sweep_rest.max(took.saturating_mul(4))
        };
        wanted.then_some(ended.plus(rest))
    }

    pub(crate) fn next_sweep(&mut self) -> Option<SweepRequest> {
        if self.sweep_due()? > self.clock.steady {
            return None;
        }
        // What was collected happened before the sweep.
        self.flush_collected();
        let now = self.clock.steady;
        let most = self.config.selections_per_sweep.max(1);
        let asking = self.plugins.iter().filter(|plugin| !plugin.asked.is_empty()).count();
        let most_asked = most.checked_div(asking).map_or(most, |share| share.max(1));
        let mut participants = Vec::new();
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.supervision.is_running()) {
            let subscribed = core::mem::take(&mut plugin.wants_sweep);
            let asked: Vec<VerdictId> = plugin.asked.drain(..plugin.asked.len().min(most_asked)).collect();
            if subscribed {
                plugin.wind_sweep(now);
            }
            if subscribed || !asked.is_empty() {
                let open = |verdict: &VerdictId| self.audit.get(*verdict);
                let asks_all =
                    |verdict| open(verdict).is_some_and(|open| matches!(open.record.verdict.target, Target::None));
                let whole = subscribed || asked.iter().any(asks_all);
                let extent = if whole { Extent::Subscribed } else { Extent::Asked };
                plugin.queue.push_turn(Cause::SweepBegin(extent));
                participants.push(Participant { plugin: plugin.id, subscribed, extent, asked });
            }
        }
        let selections = self.sweeps.waiting.take(most);
        let filters = self.hints(&participants, &selections);
        let expectations = participants.iter().any(|participant| self.takes_expectations(participant));
        self.sweeps.hurry = false;
        let id = self.begin_sweep(participants, selections, true);
        Some(SweepRequest { id, filters, expectations })
    }

    fn begin_sweep(
        &mut self,
        participants: Vec<Participant>,
        selections: Vec<VerdictId>,
        reads_table: bool,
    ) -> SweepId {
        let id = self.sweeps.name();
        self.sweeps.running = Some(Running {
            id,
            began: self.clock,
            ends: self.ends.count(),
            participants,
            selections,
            reads_table,
            rows: Vec::new(),
            since: self.clock.steady,
            expectations: Vec::new(),
            count: 0,
            stalled: None,
        });
        id
    }

    /// Whether rows that plugins asked for could be told, where somebody knows them: no sweep runs.
    pub(crate) fn has_asked_rows(&self) -> bool {
        let running = |plugin: &&Plugin| plugin.supervision.is_running();
        !self.stopping
            && self.sweeps.running.is_none()
            && self.plugins.iter().filter(running).any(|plugin| !plugin.asked.is_empty())
    }

    /// Begins a sweep of the rows that plugins asked for and that the program knows without reading the table. It needs no rest.
    pub(crate) fn next_asked(&mut self, answers: impl Fn(&Filter) -> bool) -> Option<SweepRequest> {
        if !self.has_asked_rows() {
            return None;
        }
        // What was collected happened before the rows are looked up.
        self.flush_collected();
        // Rows are read in one go, so that more filters than a request can name wait for the next.
        let asking = self.plugins.iter().filter(|plugin| !plugin.asked.is_empty()).count();
        let most = self.config.selections_per_sweep.clamp(1, HINTS);
        let share = most.checked_div(asking).map_or(most, |share| share.max(1));
        let mut participants = Vec::new();
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.supervision.is_running()) {
            let mut most = share;
            let known = |verdict: &mut VerdictId| match self.audit.get(*verdict).map(|open| &open.record.verdict.target)
            {
                Some(Target::Matching(selection)) if most > 0 && answers(&selection.filter) => {
                    most -= 1;
                    true
                }
                Some(_) | None => false,
            };
            let asked: Vec<VerdictId> = plugin.asked.extract_if(.., known).collect();
            if !asked.is_empty() {
                plugin.queue.push_turn(Cause::SweepBegin(Extent::Asked));
                participants.push(Participant { plugin: plugin.id, subscribed: false, extent: Extent::Asked, asked });
            }
        }
        if participants.is_empty() {
            return None;
        }
        let filters = self.hints(&participants, &[]);
        let id = self.begin_sweep(participants, Vec::new(), false);
        Some(SweepRequest { id, filters, expectations: false })
    }

    fn takes_expectations(&self, participant: &Participant) -> bool {
        participant.extent == Extent::Subscribed
            && self.plugins.get(participant.plugin).is_some_and(|plugin| plugin.spec.subscription.expectations)
    }

    /// What all who want rows want, as far as it can be said in few filters.
    fn hints(&self, participants: &[Participant], selections: &[VerdictId]) -> Vec<Filter> {
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
            match self.audit.get(verdict).map(|open| &open.record.verdict.target) {
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

    pub(crate) fn row(&mut self, id: SweepId, flow: Flow) {
        if self.for_answering(id, |engine, verdicts| engine.select(verdicts, &flow)).is_some() {
            return;
        }
        let Some(running) = self.sweeps.running.as_mut().filter(|running| running.id == id) else { return };
        running.count += 1;
        if running.reads_table {
            self.sweeps.rows = self.sweeps.rows.saturating_add(1);
        }
        let selections = core::mem::take(&mut running.selections);
        self.select(&selections, &flow);
        let batch = self.batch_entries();
        let Some(running) = self.sweeps.running.as_mut() else { return };
        running.selections = selections;
        if running.participants.is_empty() {
            return;
        }
        if running.rows.is_empty() {
            // A batch is full as a rule; growing would copy each row twice.
            running.rows.reserve_exact(batch);
            running.since = self.clock.steady;
        }
        running.rows.push(Event { kind: EventKind::Row, by_us: false, flow });
        if running.rows.len() >= batch {
            self.flush_rows();
            // Before, nobody's queue has changed.
            self.tidy();
        }
    }

    /// A flow of selections of which only name and tuples are known; whether that was enough.
    pub(crate) fn known(&mut self, id: SweepId, flow: &Flow) -> bool {
        self.for_answering(id, |engine, verdicts| engine.select_known(verdicts, flow)).unwrap_or(true)
    }

    /// A row of the expectation table; without a sweep it is nobody's.
    pub(crate) fn expectation_row(&mut self, event: ExpectationEvent) {
        let batch = self.batch_entries();
        let Some(running) = self.sweeps.running.as_mut() else { return };
        running.count += 1;
        self.sweeps.rows = self.sweeps.rows.saturating_add(1);
        running.expectations.push(event);
        if running.expectations.len() >= batch {
            self.flush_expectation_rows();
        }
    }

    fn flush_rows(&mut self) {
        // What was collected happened before the rows were read.
        self.flush_collected();
        let Some(running) = self.sweeps.running.as_mut() else { return };
        if running.rows.is_empty() {
            return;
        }
        let mut rows = core::mem::take(&mut running.rows);
        rows.shrink_to_fit();
        let rows = Arc::new(rows);
        let told = Told { at: running.since, received: Received::Rows(running.ends) };
        let Some(running) = self.sweeps.running.as_ref() else { return };
        let parts = running
            .participants
            .iter()
            .filter_map(|participant| Some((participant.plugin, self.part_of(participant, &rows)?)))
            .collect();
        self.offer(Cause::SweepRows, told, parts);
        self.put_off_flooded();
    }

    fn part_of(&self, participant: &Participant, rows: &Arc<Vec<Event>>) -> Option<Entries> {
        let filters = &self.plugins.get(participant.plugin)?.spec.subscription.filters;
        let subscribed = |flow: &Flow| filters.is_empty() || filters.iter().any(|filter| filter.matches(flow));
        let asked =
            |verdict: &VerdictId, flow: &Flow| match self.audit.get(*verdict).map(|open| &open.record.verdict.target) {
                Some(Target::Matching(selection)) => selection.filter.matches(flow),
                Some(Target::None) => subscribed(flow),
                Some(Target::Entry(_) | Target::Key(_)) | None => false,
            };
        part(rows, |Event { flow, .. }| {
            (participant.subscribed && subscribed(flow)) || participant.asked.iter().any(|verdict| asked(verdict, flow))
        })
    }

    fn flush_expectation_rows(&mut self) {
        let Some(running) = self.sweeps.running.as_mut() else { return };
        let events = core::mem::take(&mut running.expectations);
        let Some(running) = self.sweeps.running.as_ref() else { return };
        let takers: Vec<PluginId> = running
            .participants
            .iter()
            .filter(|participant| self.takes_expectations(participant))
            .map(|participant| participant.plugin)
            .collect();
        self.offer_expectations(Cause::SweepRows, &events, &takers);
    }

    pub(crate) fn end_sweep(&mut self, id: SweepId, complete: bool) {
        let answered = self.sweeps.answering.iter().position(|answering| answering.id == id);
        if let Some(place) = answered {
            let Answering { id: _, plugin: _, verdicts, partly } = self.sweeps.answering.swap_remove(place);
            if partly {
                // Whether it broke off or not: a sweep comes in any case.
                self.pause_selections(verdicts);
            } else {
                self.end_selections(verdicts, complete);
            }
            return;
        }
        if self.sweeps.running.as_ref().is_none_or(|running| running.id != id) {
            return;
        }
        self.flush_rows();
        self.flush_expectation_rows();
        let Some(running) = self.sweeps.running.take() else { return };
        let now = self.clock;
        if running.reads_table {
            let took = now.steady.since(running.began.steady);
            self.sweeps.last = Some((now.steady, took));
            let ended = if complete { &mut self.sweeps.ended } else { &mut self.sweeps.interrupted };
            *ended = ended.saturating_add(1);
            self.audit.notice(now.wall, Notice::Swept { rows: running.count, complete, took });
        }
        let end = if complete { Cause::SweepComplete } else { Cause::SweepInterrupted };
        for Participant { plugin: id, subscribed, extent: _, mut asked } in running.participants {
            let mut mode = Mode::Observe;
            if let Some(plugin) = self.plugins.get_mut(id) {
                plugin.queue.push_turn(end.clone());
                mode = plugin.mode(now.steady);
                plugin.interrupted = if complete { 0 } else { plugin.interrupted.saturating_add(1) };
                let again = !complete && plugin.interrupted < INTERRUPTED_MAX;
                plugin.wants_sweep |= subscribed && again;
                if again {
                    plugin.asked.append(&mut asked);
                }
            }
            for verdict in asked {
                self.finish(verdict, done(mode));
            }
        }
        self.end_selections(running.selections, complete);
    }

    /// A plugin has failed: it takes no more rows, and what it asked for is void. A fresh instance gets its own sweep.
    pub(crate) fn leave_sweep(&mut self, id: PluginId) {
        let mut asked = Vec::new();
        if let Some(running) = self.sweeps.running.as_mut() {
            for participant in running.participants.extract_if(.., |participant| participant.plugin == id) {
                asked.extend(participant.asked);
            }
        }
        if let Some(plugin) = self.plugins.get_mut(id) {
            asked.append(&mut plugin.asked);
        }
        for verdict in asked {
            self.finish(verdict, Outcome::Refused(Refusal::PluginGone));
        }
    }

    /// A new set of plugins: nobody of the old one takes rows any more, and their selections end. The reading itself goes
    /// on until the program tells its end.
    pub(crate) fn abandon_sweep(&mut self) {
        self.give_up_resting();
        let mut asked = Vec::new();
        let mut selections = self.sweeps.waiting.drain();
        // The program ends what it is at, like a sweep.
        selections
            .extend(self.sweeps.answering.iter_mut().flat_map(|answering| core::mem::take(&mut answering.verdicts)));
        if let Some(running) = self.sweeps.running.as_mut() {
            running.rows.clear();
            running.expectations.clear();
            asked.extend(running.participants.drain(..).flat_map(|participant| participant.asked));
            selections.append(&mut running.selections);
        }
        for verdict in asked {
            self.finish(verdict, Outcome::Refused(Refusal::PluginGone));
        }
        for verdict in selections {
            self.abandon_run(verdict, Refusal::PluginGone);
        }
    }

    /// The daemon stops: no sweep runs or begins any more.
    pub(crate) fn stop_sweeps(&mut self) {
        self.give_up_resting();
        let mut selections = self.sweeps.waiting.drain();
        selections
            .extend(core::mem::take(&mut self.sweeps.answering).into_iter().flat_map(|answering| answering.verdicts));
        let mut asked: Vec<VerdictId> = self.plugins.iter_mut().flat_map(|plugin| plugin.asked.drain(..)).collect();
        if let Some(running) = self.sweeps.running.take() {
            selections.extend(running.selections);
            asked.extend(running.participants.into_iter().flat_map(|participant| participant.asked));
        }
        for verdict in asked {
            self.finish(verdict, Outcome::Refused(Refusal::NoAnswer));
        }
        for verdict in selections {
            self.end_run(verdict, false);
        }
    }
}

/// A verdict that is done without the kernel.
pub(crate) const fn done(mode: Mode) -> Outcome {
    match mode {
        Mode::Observe => Outcome::Observed,
        Mode::Enforce => Outcome::Applied,
    }
}
