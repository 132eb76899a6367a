//! The engine: what is told to it and what it wants done.
//!
//! Only the doors are here, in the order in which a program meets them. [`crate::intake`] feeds plugins and
//! [`crate::verdicts`] judges what they say; this file hands on what the one says to the other.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{EffectId, Event, ExpectationEvent, Fault, Flow, FlowKey, Now, PrefixSet, SetName, Steady};

use crate::intake::{Intake, STOPPED};
use crate::verdicts::Verdicts;
use crate::{
    Ack, Answer, CallId, EngineConfig, Knows, Looked, LookupId, MessageError, Output, PluginId, PluginSpec,
    SelectionId, Status, Subscribed, SweepId, TableReader, Ticket, Tracked, Wait, WaitingSelection,
};

/// The decisions of the daemon.
///
/// It has getters (`&self`), `handle_*` (something happened) and [`Engine::poll`] (what is to be done about it). It does nothing
/// itself and never waits. The calling order:
///
/// 1. [`Engine::new`], then [`Engine::handle_plugins`] with plugins that are configured and ready;
///    [`Engine::subscribed`] says which groups to join.
/// 2. Whenever something happens, tell it by the `handle_*` that names it, with the time of both clocks. Events are told
///    one by one; when the socket is drained, or a fair number of them was read, [`Engine::handle_flush`].
/// 3. After each `handle_*` (or a bounded burst of them), do what [`Engine::poll`] gives until it gives nothing more. [`Output`]
///    says for each output how it is answered.
/// 4. Sleep until something happens or [`Engine::poll_timeout`], then [`Engine::handle_timeout`].
/// 5. To end: [`Engine::handle_stop`], go on as before until [`Engine::is_quiet`] or patience ends, then
///    [`Engine::handle_finish`], and take the last records and replies.
///
/// A program that follows the table itself also looks at [`Engine::waiting_selections`] and [`Engine::waiting_rows`] and says
/// which of them it knows. All others wait for a sweep.
///
/// Effects are to be carried out in the order in which they are polled. An effect whose answer was not told within
/// [`crate::EngineBounds::answer_wait`] is given up; an answer that comes later is ignored. Time that goes back is taken for no
/// time.
///
/// Everything that it keeps is bounded: by [`crate::PluginLimits`] for each plugin, by [`EngineConfig`] as a whole, and by
/// what one call of a plugin may return, which is limited where it is called.
#[derive(Debug)]
pub struct Engine {
    intake: Intake,
    verdicts: Verdicts,
}

impl Engine {
    /// No plugins yet; see [`Engine::handle_plugins`].
    #[must_use]
    pub fn new(config: EngineConfig, now: Now) -> Self {
        let config = Arc::new(config);
        Self { intake: Intake::new(Arc::clone(&config)), verdicts: Verdicts::new(config, now) }
    }

    /// What has to be looked at after everything that happens.
    fn tidy(&mut self) {
        self.intake.tidy(&mut self.verdicts);
        self.verdicts.tidy();
    }

    /// A new set of plugins, at start and at reload, ready to be called; their ids are in the order of the specs.
    ///
    /// The swap is at a batch boundary. Verdicts that were already given are merged by the old rules, effects on their
    /// way and protections stay. What waits in front of a plugin goes to the new one of the same name, with its budget and
    /// its alert window; calls that an old one has not answered end in [`ctwarden_model::Refusal::PluginGone`], and so do
    /// its selections. The table is swept for the new set.
    pub fn handle_plugins(&mut self, now: Now, config: EngineConfig, specs: Vec<PluginSpec>) -> Vec<PluginId> {
        self.verdicts.tell_time(now);
        let ids = self.intake.swap(&mut self.verdicts, Arc::new(config), specs);
        self.tidy();
        ids
    }

    pub fn handle_event(&mut self, now: Now, event: Event) {
        self.verdicts.tell_time(now);
        self.intake.event(&mut self.verdicts, event);
    }

    /// The end of a flow that no plugin wants to know more of.
    pub fn handle_end(&mut self, now: Now, key: &FlowKey) {
        self.verdicts.tell_time(now);
        self.intake.end_of(&mut self.verdicts, *key);
    }

    /// An expectation event or, during a sweep that asked for them, a row of the expectation table.
    pub fn handle_expectation(&mut self, now: Now, event: ExpectationEvent) {
        self.verdicts.tell_time(now);
        self.intake.expectation(&mut self.verdicts, event);
    }

    /// The socket is drained for the moment: what was collected is offered to the plugins.
    pub fn handle_flush(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.intake.flush(&mut self.verdicts);
        self.tidy();
    }

    /// The kernel dropped events in front of us (ENOBUFS).
    pub fn handle_overrun(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.intake.overrun(&mut self.verdicts);
        self.tidy();
    }

    /// Whether a row would be taken now. Read the dump only while it is, so that no row is ever dropped.
    #[must_use]
    pub fn ready_for_rows(&self) -> bool {
        self.intake.ready_for_rows(&self.verdicts)
    }

    /// Whether a flow of a [`crate::SelectionRequest`] would be taken now: while few effects have no answer, which bounds the
    /// latency of later verdicts.
    #[must_use]
    pub fn ready_for_selected(&self) -> bool {
        !self.verdicts.is_backlogged() && self.verdicts.has_few_effects()
    }

    /// A row of a sweep, or a flow of a selection. Of a sweep that is not the running one it is ignored.
    pub fn handle_row(&mut self, now: Now, sweep: SweepId, flow: Flow) {
        self.verdicts.tell_time(now);
        if !self.verdicts.answer_with_entry(sweep, &flow) {
            self.intake.row(&mut self.verdicts, sweep, flow);
        }
    }

    /// A flow of a [`crate::SelectionRequest`] as far as the program is sure of it: id, zone and tuples, and none of what may
    /// have changed. Whether that was enough; where not, nothing was done, and the whole entry is for [`Engine::handle_row`].
    #[must_use]
    pub fn handle_known(&mut self, now: Now, selection: SweepId, flow: &Flow) -> bool {
        self.verdicts.tell_time(now);
        self.verdicts.answer_with_name(selection, flow)
    }

    /// The end of a sweep or of a selection: `complete` unless it ended early or the kernel called it inconsistent
    /// (`NLM_F_DUMP_INTR`).
    pub fn handle_sweep_end(&mut self, now: Now, sweep: SweepId, complete: bool) {
        self.verdicts.tell_time(now);
        if !self.verdicts.end_answer(sweep, complete) {
            self.intake.end_sweep(&mut self.verdicts, sweep, complete);
        }
        self.tidy();
    }

    /// Whether selections or rows that plugins asked for wait for a sweep.
    #[must_use]
    pub fn awaits_table(&self) -> bool {
        self.verdicts.has_waiting_selections() || self.intake.has_asked_rows()
    }

    /// Whether [`Engine::waiting_selections`] gives any.
    #[must_use]
    pub fn awaits_selection(&self) -> bool {
        self.verdicts.has_answerable_selections()
    }

    /// Selections that wait for a sweep, and that the program can answer without one where it knows their flows. Plugins take
    /// turns, and of each a bounded number is given. To be answered with [`Engine::handle_known_selections`].
    pub fn waiting_selections(&self) -> impl Iterator<Item = WaitingSelection<'_>> {
        self.verdicts.answerable_selections()
    }

    /// How many of the flows of [`Engine::waiting_selections`] the program knows. One request of selections of which it knows
    /// all is polled next, or else of those that are to be deleted and of which it knows some: a sweep finds the others. Up to
    /// eight of each plugin are answered at once, beside a running sweep.
    pub fn handle_known_selections(&mut self, now: Now, known: &[(SelectionId, Knows)]) {
        self.verdicts.tell_time(now);
        let sweep = self.intake.sweeps().last_took();
        self.verdicts.answer_selections(known, self.intake.sweeps_mut().ids_mut(), sweep);
    }

    /// Whether rows that plugins asked for wait for a sweep, and none runs.
    #[must_use]
    pub fn awaits_asked(&self) -> bool {
        self.intake.has_asked_rows()
    }

    /// Rows that plugins asked for and that wait for a sweep. To be answered with [`Engine::handle_known_rows`].
    pub fn waiting_rows(&self) -> impl Iterator<Item = WaitingSelection<'_>> {
        self.intake.asked_rows(&self.verdicts)
    }

    /// Which of [`Engine::waiting_rows`] the program can tell without reading the table. A sweep of them is polled next. It needs
    /// no rest.
    pub fn handle_known_rows(&mut self, now: Now, known: &[SelectionId]) {
        self.verdicts.tell_time(now);
        self.intake.tell_known_rows(&mut self.verdicts, known);
    }

    /// What is to be done next; none where there is nothing more to do until something else happens.
    ///
    /// Effects come first, because what came of them may set others free; calls and sweeps come last.
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

    /// What came of a call. Each verdict of it ends in exactly one outcome, which is counted, and in a record of its own or in
    /// the counts of a [`ctwarden_model::Notice::RecordsFolded`].
    pub fn handle_answer(&mut self, now: Now, call: CallId, answer: Answer) {
        self.verdicts.tell_time(now);
        self.intake.answer(&mut self.verdicts, call, answer);
        self.tidy();
    }

    /// What came of an effect.
    pub fn handle_ack(&mut self, now: Now, effect: EffectId, ack: Ack) {
        self.verdicts.tell_time(now);
        self.verdicts.end_effect(effect, ack);
        self.tidy();
    }

    /// What the kernel has at the tuple and zone now.
    pub fn handle_lookup(&mut self, now: Now, lookup: LookupId, looked: Looked) {
        self.verdicts.tell_time(now);
        self.verdicts.looked_up(lookup, looked);
        self.tidy();
    }

    /// A message for the plugin of that name. It is delivered in its turn. [`Output::Reply`] comes as soon as that is known for
    /// which its sender waits.
    ///
    /// # Errors
    /// [`MessageError`] where it is not taken.
    pub fn handle_message(&mut self, now: Now, plugin: &str, text: String, wait: Wait) -> Result<Ticket, MessageError> {
        self.verdicts.tell_time(now);
        self.intake.take_message(&mut self.verdicts, plugin, text, wait)
    }

    /// A named address set has changed.
    pub fn handle_set_changed(&mut self, now: Now, set: &SetName) {
        self.verdicts.tell_time(now);
        self.intake.set_changed(&mut self.verdicts, set);
    }

    /// How many entries the table has: what a share of it is. Once a second or so will do.
    pub fn handle_table(&mut self, now: Now, entries: u32) {
        self.verdicts.tell_time(now);
        self.verdicts.set_table_entries(entries);
    }

    /// In which families connections are tracked; both until told.
    pub const fn handle_tracked(&mut self, tracked: Tracked) {
        self.verdicts.set_tracked(tracked);
    }

    /// The addresses of this host and of its way to the rest of the world, none of which is ever blocked. To be told before
    /// the first verdict, and when they have changed.
    pub fn handle_addresses(&mut self, now: Now, own: &PrefixSet) {
        self.verdicts.tell_time(now);
        self.verdicts.set_own_addresses(own);
    }

    /// The fresh instance runs.
    pub fn handle_started(&mut self, now: Now, plugin: PluginId) {
        self.verdicts.tell_time(now);
        self.intake.instance_started(&mut self.verdicts, plugin);
        self.tidy();
    }

    /// The fresh instance could not be started.
    pub fn handle_start_failed(&mut self, now: Now, plugin: PluginId, fault: Fault) {
        self.verdicts.tell_time(now);
        self.intake.instance_failed(&mut self.verdicts, plugin, fault);
        self.tidy();
    }

    /// When [`Engine::handle_timeout`] wants to be called; it may be called earlier.
    pub fn poll_timeout(&mut self) -> Option<Steady> {
        let verdicts = self.verdicts.next_timeout();
        [self.intake.next_timeout(&self.verdicts), verdicts].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.verdicts.pass_time();
        self.intake.pass_time(&mut self.verdicts);
        self.tidy();
    }

    /// The daemon stops: no new calls and sweeps from now on. Answers and acks are still taken.
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

    /// The end: whatever is open gets its record and its reply. Nothing more is brought about.
    pub fn handle_finish(&mut self, now: Now) {
        self.verdicts.tell_time(now);
        self.stop();
        self.verdicts.end(STOPPED);
        // Verdicts that come from now on end as those of a plugin that is gone.
        self.intake.end();
    }

    /// What has to be listened to.
    #[must_use]
    pub fn subscribed(&self) -> Subscribed {
        self.intake.subscribed()
    }

    /// Counters and states.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        Status::of(&self.intake, &self.verdicts, now)
    }
}
