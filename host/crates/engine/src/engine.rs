//! The engine's interface: its inputs and its outputs.
//!
//! This file holds only the entry points, in the order in which a program meets them. [`crate::intake`] feeds plugins
//! and [`crate::verdicts`] checks what they return. This file passes results from one to the other.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{
    ChangedSet, EffectId, Event, ExpectationEvent, Fault, Flow, FlowKey, Member, Mode, Now, PrefixSet, Steady,
};

use crate::intake::{Intake, STOPPED};
use crate::verdicts::Verdicts;
use crate::{
    Ack, Answer, CallId, EngineConfig, Knows, Looked, LookupId, MessageError, Output, PluginId, PluginSpec,
    SelectionId, Status, Subscribed, SweepId, TableReader, Ticket, Tracked, Wait, WaitingSelection,
};

/// The state machine that makes the decisions of the daemon.
///
/// It has getters (`&self`), `handle_*` (report what happened) and [`Engine::poll`] (return what to do next). It
/// performs no action itself and never waits. The calling order:
///
/// 1. Call [`Engine::new`], then [`Engine::handle_plugins`] with plugins that are configured and ready;
///    [`Engine::subscribed`] lists which groups to join.
/// 2. Whenever something happens, call the `handle_*` method for it, with the time of both clocks. Report events one by
///    one. Call [`Engine::handle_flush`] when the socket is drained or a fair number of events has been read.
/// 3. After each `handle_*` (or a bounded burst of them), carry out what [`Engine::poll`] returns until it returns
///    `None`. [`Output`] documents how to answer each output.
/// 4. Sleep until something happens or until [`Engine::poll_timeout`], then call [`Engine::handle_timeout`].
/// 5. To end, call [`Engine::handle_stop`], go on as before until [`Engine::is_quiet`] or a time limit, call
///    [`Engine::handle_finish`], and take the last records and replies.
///
/// A program that keeps a replica also reads [`Engine::waiting_selections`] and [`Engine::waiting_rows`] and reports
/// which of them it can answer. All others wait for a sweep.
///
/// The program carries out effects in the order in which it polls them. The engine gives up an effect that is not
/// answered within [`crate::EngineBounds::answer_wait`], and ignores a later answer. If time goes back, the engine
/// treats it as no time passed.
///
/// All state is bounded: by [`crate::PluginLimits`] for each plugin, by [`EngineConfig`] as a whole, and by the limit
/// on what one call of a plugin may return, which the caller of the plugin enforces.
#[derive(Debug)]
pub struct Engine {
    intake: Intake,
    verdicts: Verdicts,
}

impl Engine {
    /// Creates an engine without plugins; see [`Engine::handle_plugins`].
    #[must_use]
    pub fn new(config: EngineConfig, now: Now) -> Self {
        let config = Arc::new(config);
        Self { intake: Intake::new(Arc::clone(&config)), verdicts: Verdicts::new(config, now) }
    }

    /// Does the checks that follow every input.
    fn tidy(&mut self) {
        self.intake.tidy(&mut self.verdicts);
        self.verdicts.tidy();
    }

    /// Installs a new set of plugins, at start and at reload, ready to be called. The returned ids are in the order of
    /// the specs.
    ///
    /// The swap happens at a batch boundary. Verdicts that were already given are merged by the old rules; effects in
    /// flight and protections stay. Entries and messages that wait for a plugin go to the new plugin of the same name,
    /// with its budget and its alert window. Calls that an old plugin has not answered end in
    /// [`ctwarden_model::Refusal::PluginGone`], and so do its selections. A sweep follows for the new set.
    pub fn handle_plugins(&mut self, now: Now, config: EngineConfig, specs: Vec<PluginSpec>) -> Vec<PluginId> {
        self.verdicts.tell_time(now);
        let ids = self.intake.swap(&mut self.verdicts, Arc::new(config), specs);
        self.tidy();
        ids
    }

    pub fn handle_event(&mut self, now: Now, event: Event) {
        self.verdicts.tell_time(now);
        self.intake.collect(&mut self.verdicts, event);
    }

    /// Reports the end of a flow by its key. Use this if no plugin needs further details of the flow.
    pub fn handle_end(&mut self, now: Now, key: &FlowKey) {
        self.verdicts.tell_time(now);
        self.intake.end_of(&mut self.verdicts, *key);
    }

    /// Takes an expectation event or, during a sweep that asked for them, a row of the expectation table.
    pub fn handle_expectation(&mut self, now: Now, event: ExpectationEvent) {
        self.verdicts.tell_time(now);
        self.intake.collect_expectation(&mut self.verdicts, event);
    }

    /// The socket is drained for the moment. The engine offers the collected events to the plugins.
    pub fn handle_flush(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.intake.flush_to_idle(&mut self.verdicts);
        self.tidy();
    }

    /// Reports an overrun: the kernel dropped events (ENOBUFS).
    pub fn handle_overrun(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.intake.overrun(&mut self.verdicts);
        self.tidy();
    }

    /// Whether the engine takes a row now. Read the dump only while this is true, so that no row is ever dropped.
    #[must_use]
    pub fn ready_for_rows(&self) -> bool {
        self.intake.ready_for_rows(&self.verdicts)
    }

    /// Whether the engine takes a flow of a [`crate::SelectionRequest`] now. True while few effects are in flight,
    /// which bounds the latency of later verdicts.
    #[must_use]
    pub fn ready_for_selected(&self) -> bool {
        !self.verdicts.is_backlogged() && self.verdicts.has_few_effects()
    }

    /// Takes a row of a sweep, or a flow of a selection. The engine ignores rows of a sweep that is not running.
    pub fn handle_row(&mut self, now: Now, sweep: SweepId, flow: Flow) {
        self.verdicts.tell_time(now);
        if !self.verdicts.answer_with_entry(sweep, &flow) {
            self.intake.row(&mut self.verdicts, sweep, flow);
        }
    }

    /// Takes a flow of a [`crate::SelectionRequest`] with the parts that cannot have changed: id, zone and tuples.
    /// Returns true if these parts were enough. Otherwise the engine has done nothing, and the program passes the whole
    /// entry to [`Engine::handle_row`].
    #[must_use]
    pub fn handle_known(&mut self, now: Now, selection: SweepId, flow: &Flow) -> bool {
        self.verdicts.tell_time(now);
        self.verdicts.answer_with_name(selection, flow)
    }

    /// Reports the end of a sweep or of a selection. `complete` is false if it ended early or the kernel reported it as
    /// inconsistent (`NLM_F_DUMP_INTR`).
    pub fn handle_sweep_end(&mut self, now: Now, sweep: SweepId, complete: bool) {
        self.verdicts.tell_time(now);
        if !self.verdicts.end_answer(sweep, complete) {
            self.intake.end_sweep(&mut self.verdicts, sweep, complete);
        }
        self.tidy();
    }

    /// Whether a sweep is needed for selections, or for rows that plugins asked for.
    #[must_use]
    pub fn awaits_table(&self) -> bool {
        self.verdicts.has_waiting_selections() || self.intake.has_asked_rows()
    }

    /// Whether [`Engine::waiting_selections`] returns any.
    #[must_use]
    pub fn awaits_selection(&self) -> bool {
        self.verdicts.has_answerable_selections()
    }

    /// Whether [`Engine::waiting_selections`] returns any that it has not returned before. Only so many are returned at
    /// once, and the program should not wait for an event before it asks for the rest.
    #[must_use]
    pub fn has_new_selections(&self) -> bool {
        self.verdicts.has_new_selections()
    }

    /// Selections that wait for a sweep, and that the program can answer without one if it knows their flows. Plugins
    /// take turns, and the number for each plugin is bounded. Answer with [`Engine::handle_known_selections`].
    pub fn waiting_selections(&self) -> impl Iterator<Item = WaitingSelection<'_>> {
        self.verdicts.answerable_selections()
    }

    /// Reports how many of the flows of [`Engine::waiting_selections`] the program knows. The engine then outputs one
    /// request for selections whose flows are all known. If there are none, it requests selections that delete and
    /// whose flows are partly known; a sweep finds the others. The engine answers up to eight selections of each plugin
    /// at once, in parallel with a running sweep.
    pub fn handle_known_selections(&mut self, now: Now, known: &[(SelectionId, Knows)]) {
        self.verdicts.tell_time(now);
        let sweep = self.intake.sweeps().last_took();
        self.verdicts.answer_selections(known, self.intake.sweeps_mut().ids_mut(), sweep);
    }

    /// Whether rows that plugins asked for wait for a sweep and no sweep runs.
    #[must_use]
    pub fn awaits_asked(&self) -> bool {
        self.intake.has_asked_rows()
    }

    /// Rows that plugins asked for and that wait for a sweep. Answer with [`Engine::handle_known_rows`].
    pub fn waiting_rows(&self) -> impl Iterator<Item = WaitingSelection<'_>> {
        self.intake.asked_rows(&self.verdicts)
    }

    /// Reports which of [`Engine::waiting_rows`] the program can answer without reading the table. The next sweep
    /// output contains them. It does not wait for the rest period between sweeps.
    pub fn handle_known_rows(&mut self, now: Now, known: &[SelectionId]) {
        self.verdicts.tell_time(now);
        self.intake.tell_known_rows(&mut self.verdicts, known);
    }

    /// Returns the next thing to do, or `None` if there is nothing until something else happens.
    ///
    /// Effects come first, because their results may unblock others. Calls and sweeps come last.
    pub fn poll(&mut self, reader: TableReader) -> Option<Output> {
        let verdicts = &mut self.verdicts;
        if let Some((id, effect)) = verdicts.next_effect(self.intake.collecting()) {
            return Some(Output::Effect(id, effect));
        }
        if let Some(lookup) = verdicts.next_lookup() {
            return Some(Output::Lookup(lookup));
        }
        if let Some(record) = verdicts.next_record() {
            return Some(Output::Record(record));
        }
        if let Some((ticket, outcome)) = verdicts.next_reply() {
            return Some(Output::Reply(ticket, Box::new(outcome)));
        }
        if let Some(reason) = self.intake.next_exit() {
            return Some(Output::Exit(reason));
        }
        if let Some(request) = verdicts.next_selection_request() {
            return Some(Output::Selection(request));
        }
        if let Some(call) = self.intake.next_call(verdicts) {
            return Some(Output::Call(call));
        }
        if let Some(plugin) = self.intake.next_restart() {
            return Some(Output::Restart(plugin));
        }
        self.intake.next_sweep(verdicts, reader == TableReader::Free).map(Output::Sweep)
    }

    /// Takes the result of a call. Each verdict ends in exactly one outcome. The outcome is counted, and appears in its
    /// own record or in the counts of a [`ctwarden_model::Notice::RecordsFolded`].
    pub fn handle_answer(&mut self, now: Now, call: CallId, answer: Answer) {
        self.verdicts.tell_time(now);
        self.intake.answer(&mut self.verdicts, call, answer);
        self.tidy();
    }

    /// Takes the result of an effect.
    pub fn handle_ack(&mut self, now: Now, effect: EffectId, ack: Ack) {
        self.verdicts.tell_time(now);
        self.verdicts.end_effect(effect, ack);
        self.tidy();
    }

    /// Takes the entry that the kernel has at the tuple and zone now.
    pub fn handle_lookup(&mut self, now: Now, lookup: LookupId, looked: Looked) {
        self.verdicts.tell_time(now);
        self.verdicts.looked_up(lookup, looked);
        self.tidy();
    }

    /// Queues a message for the named plugin. [`Output::Reply`] follows as soon as the result that the sender waits for
    /// is known.
    ///
    /// [`MessageError`] if the message is not accepted.
    pub fn handle_message(&mut self, now: Now, plugin: &str, text: String, wait: Wait) -> Result<Ticket, MessageError> {
        self.verdicts.tell_time(now);
        self.intake.take_message(&mut self.verdicts, plugin, text, wait)
    }

    /// Pauses a plugin: it is called as before and only observes, for this time or until [`Engine::handle_resume`]. Its
    /// protections hold, and it may protect more flows. A reload does not end the pause.
    pub fn handle_pause(&mut self, now: Now, plugin: PluginId, length: Option<Duration>) {
        self.verdicts.tell_time(now);
        self.verdicts.pause(plugin, length);
        self.tidy();
    }

    /// Ends a pause. Returns false if the plugin was not paused.
    pub fn handle_resume(&mut self, now: Now, plugin: PluginId) -> bool {
        self.verdicts.tell_time(now);
        let was_paused = self.verdicts.resume(plugin);
        self.tidy();
        was_paused
    }

    /// Changes the mode of a plugin until the next [`Engine::handle_plugins`]. The caller has checked the grants.
    pub fn handle_mode(&mut self, now: Now, plugin: PluginId, mode: Mode) {
        self.verdicts.tell_time(now);
        self.verdicts.switch(plugin, mode);
        self.tidy();
    }

    /// Reports that a named address set has changed. `added` are the members that are new in the set or have a new
    /// value, if they are known. More than [`SetChange::ADDED`](ctwarden_model::SetChange::ADDED) count as unknown.
    pub fn handle_set_changed(&mut self, now: Now, set: ChangedSet, added: Option<&[Member]>) {
        self.verdicts.tell_time(now);
        self.intake.set_changed(&mut self.verdicts, set, added);
    }

    /// Sets the number of entries in the table, from which shares are computed. Once a second or so is enough.
    pub fn handle_table(&mut self, now: Now, entries: u32) {
        self.verdicts.tell_time(now);
        self.verdicts.set_table_entries(entries);
    }

    /// Sets the families in which connections are tracked. Until then the engine assumes both.
    pub const fn handle_tracked(&mut self, tracked: Tracked) {
        self.verdicts.set_tracked(tracked);
    }

    /// Sets the addresses of this host and of its route to the rest of the world. The engine never blocks any of them.
    /// Call this before the first verdict, and when they have changed.
    pub fn handle_addresses(&mut self, now: Now, own: &PrefixSet) {
        self.verdicts.tell_time(now);
        self.verdicts.set_own_addresses(own);
    }

    /// Reports that the fresh instance runs.
    pub fn handle_started(&mut self, now: Now, plugin: PluginId) {
        self.verdicts.tell_time(now);
        self.intake.instance_started(&mut self.verdicts, plugin);
        self.tidy();
    }

    /// Reports that the fresh instance could not be started.
    pub fn handle_start_failed(&mut self, now: Now, plugin: PluginId, fault: Fault) {
        self.verdicts.tell_time(now);
        self.intake.instance_failed(&mut self.verdicts, plugin, fault);
        self.tidy();
    }

    /// When to call [`Engine::handle_timeout`]; an earlier call is allowed.
    pub fn poll_timeout(&mut self) -> Option<Steady> {
        let verdicts = self.verdicts.next_timeout();
        [self.intake.next_timeout(&self.verdicts), verdicts].into_iter().flatten().min()
    }

    /// Reports that time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.verdicts.pass_time();
        self.intake.pass_time(&mut self.verdicts);
        self.tidy();
    }

    /// The daemon stops. The engine starts no new calls and sweeps, and still takes answers and acks.
    pub fn handle_stop(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.stop();
        self.tidy();
    }

    fn stop(&mut self) {
        if self.intake.is_stopping() {
            return;
        }
        self.verdicts.stop();
        let selections = self.intake.stop(&mut self.verdicts);
        self.verdicts.abandon_selections(selections);
    }

    /// Whether nothing is outstanding: no call of a plugin of the present set, no verdict, no effect, no message.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.intake.is_idle() && self.verdicts.is_quiet()
    }

    /// Ends the engine. Everything that is open gets its record and its reply. No further effects follow.
    pub fn handle_finish(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.stop();
        self.verdicts.end(STOPPED);
        // Later verdicts end as those of a plugin that is gone.
        self.intake.end();
    }

    /// The events that the program has to listen to.
    #[must_use]
    pub fn subscribed(&self) -> Subscribed {
        self.intake.subscribed()
    }

    /// Counters and states of the engine and its plugins, for `ctwarden status`.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        Status::of(&self.intake, &self.verdicts, now)
    }
}
