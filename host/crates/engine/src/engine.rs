//! The state machine itself: what is told to it and what it wants done.
//!
//! Only the doors are here, in the order in which a program meets them; what is behind each is in a file of its own.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{
    Effect, EffectId, Event, EventKinds, ExpectationEvent, Fault, Filter, Flow, FlowKey, Now, PrefixSet, Record,
    SetName, Steady,
};

use crate::intake::collect::Collected;
use crate::intake::delivery::Outstanding;
use crate::intake::roster::Roster;
use crate::intake::sweeps::Sweeps;
use crate::verdicts::effects::Pending;
use crate::verdicts::ends::Ends;
use crate::verdicts::lookup::Lookups;
use crate::verdicts::plugin_protections::Protections;
use crate::verdicts::protected_flows::{ProtectedFlows, never_blocked};
use crate::verdicts::records::Audit;
use crate::verdicts::replies::Messages;
use crate::verdicts::rounds::Rounds;
use crate::{
    Ack, Answer, CallId, Delivery, Detail, EngineConfig, Granted, Knows, Looked, Lookup, LookupId, MessageError,
    MessageOutcome, PluginId, PluginSpec, SelectionRequest, Status, SweepId, SweepRequest, Ticket, Tracked, Wait,
};

/// What has to be listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribed {
    /// Kinds that any plugin wants.
    pub kinds: EventKinds,
    /// Which events are of use: any of these; empty: every event. A hint that may be pushed down to the kernel; events
    /// outside do no harm.
    pub filters: Vec<Filter>,
    /// Whether any plugin wants the ends of flows that its own or another plugin's verdicts brought about.
    pub own_ends: bool,
    /// Whether any plugin's verdicts name flows by filters.
    pub selects: bool,
    /// Whether any plugin wants expectation events.
    pub expectations: bool,
}

/// The decisions of the daemon.
///
/// It has getters (`&self`), `handle_*` (something happened) and `poll_*` (what is to be done about it). It does nothing
/// itself and never waits. The calling order:
///
/// 1. [`Engine::new`], then [`Engine::handle_plugins`] with plugins that are configured and ready;
///    [`Engine::subscribed`] says which groups to join.
/// 2. Whenever something happens, tell it by the `handle_*` that names it, with the time of both clocks. Events are told
///    one by one; when the socket is drained, or a fair number of them was read, [`Engine::handle_flush`].
/// 3. After each `handle_*` (or a bounded burst of them), take what is to be done until each gives nothing more:
///    [`Engine::poll_effect`] (send, answer with [`Engine::handle_ack`]), [`Engine::poll_lookup`] (ask, answer with
///    [`Engine::handle_lookup`]), [`Engine::poll_delivery`] (call, answer with [`Engine::handle_answer`]),
///    [`Engine::poll_sweep`] (read the table: [`Engine::handle_row`] while [`Engine::ready_for_rows`], then
///    [`Engine::handle_sweep_end`]; a program that follows the table asks [`Engine::poll_selection`] and
///    [`Engine::poll_asked`] before, which need no reading of it), [`Engine::poll_restart`] (answer with
///    [`Engine::handle_started`] or [`Engine::handle_start_failed`]), [`Engine::poll_reply`], [`Engine::poll_record`],
///    [`Engine::poll_exit`].
/// 4. Sleep until something happens or [`Engine::poll_timeout`], then [`Engine::handle_timeout`].
/// 5. To end: [`Engine::handle_stop`], go on as before until [`Engine::is_quiet`] or patience ends, then
///    [`Engine::handle_finish`], and take the last records and replies.
///
/// Effects are to be carried out in the order in which they are polled. An effect whose answer was not told within
/// [`EngineConfig::answer_wait`] is given up; an answer that comes later is ignored. Time that goes back is taken for no
/// time.
///
/// Everything that it keeps is bounded: by [`crate::PluginLimits`] for each plugin, by [`EngineConfig`] as a whole, and by
/// what one call of a plugin may return, which is limited where it is called.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) clock: Now,
    pub(crate) plugins: Roster,
    pub(crate) protected: ProtectedFlows,
    /// Networks that nobody may block: this host's own addresses among them.
    pub(crate) never_blocked: PrefixSet,
    pub(crate) protections: Protections,
    pub(crate) collected: Collected,
    pub(crate) ends: Ends,
    pub(crate) rounds: Rounds,
    pub(crate) calls: BTreeMap<CallId, Outstanding>,
    pub(crate) next_call: u64,
    /// Who got the last call, so that all get their turn.
    pub(crate) last_served: Option<PluginId>,
    pub(crate) audit: Audit,
    pub(crate) pending: Pending,
    pub(crate) lookups: Lookups,
    pub(crate) sweeps: Sweeps,
    pub(crate) messages: Messages,
    pub(crate) exits: VecDeque<String>,
    /// Entries of the table; 0 until told.
    pub(crate) table_entries: u32,
    pub(crate) tracked: Tracked,
    pub(crate) stopping: bool,
    /// Nothing more is brought about.
    pub(crate) finished: bool,
    pub(crate) events: u64,
    pub(crate) overruns: u64,
}

impl Engine {
    /// No plugins yet; see [`Engine::handle_plugins`].
    #[must_use]
    pub fn new(config: EngineConfig, now: Now) -> Self {
        Self {
            protected: ProtectedFlows::new(config.protect.clone()),
            config,
            clock: now,
            plugins: Roster::default(),
            never_blocked: never_blocked(&PrefixSet::new()),
            protections: Protections::default(),
            collected: Collected::default(),
            ends: Ends::default(),
            rounds: Rounds::default(),
            calls: BTreeMap::new(),
            next_call: 0,
            last_served: None,
            audit: Audit::default(),
            pending: Pending::default(),
            lookups: Lookups::default(),
            sweeps: Sweeps::default(),
            messages: Messages::default(),
            exits: VecDeque::new(),
            table_entries: 0,
            tracked: Tracked::ALL,
            stopping: false,
            finished: false,
            events: 0,
            overruns: 0,
        }
    }

    /// A new set of plugins, at start and at reload, ready to be called; their ids are in the order of the specs.
    ///
    /// The swap is at a batch boundary. Verdicts that were already given are arbitrated by the old rules, effects on their
    /// way and protections stay. What waits in front of a plugin goes to the new one of the same name, with its budget and
    /// its alert window; calls that an old one has not answered end in [`ctwarden_model::Refusal::PluginGone`], and so do
    /// its selections. The table is swept for the new set.
    pub fn handle_plugins(&mut self, now: Now, config: EngineConfig, specs: Vec<PluginSpec>) -> Vec<PluginId> {
        self.tell(now);
        let ids = self.swap_plugins(config, specs);
        self.tidy();
        ids
    }

    pub fn handle_event(&mut self, now: Now, event: Event) {
        self.tell(now);
        self.collect(event);
    }

    /// The end of a flow that no plugin wants to know more of.
    pub fn handle_end(&mut self, now: Now, key: &FlowKey) {
        self.tell(now);
        self.events = self.events.saturating_add(1);
        self.hear_of_end(*key);
    }

    /// An expectation event or, during a sweep that asked for them, a row of the expectation table.
    pub fn handle_expectation(&mut self, now: Now, event: ExpectationEvent) {
        self.tell(now);
        self.collect_expectation(event);
    }

    /// The socket is drained for the moment: what was collected is offered to the plugins.
    pub fn handle_flush(&mut self, now: Now) {
        self.tell(now);
        self.flush_to_idle();
        self.tidy();
    }

    /// The kernel dropped events in front of us (ENOBUFS).
    pub fn handle_overrun(&mut self, now: Now) {
        self.tell(now);
        self.overrun();
        self.tidy();
    }

    /// Whether a row would be taken now. Read the dump only while it is, so that no row is ever dropped.
    #[must_use]
    pub fn ready_for_rows(&self) -> bool {
        self.takes_rows()
    }

    /// Whether a flow of a [`SelectionRequest`] would be taken now: while effects that have no answer are few, so that those of
    /// a later verdict do not wait long behind them.
    #[must_use]
    pub fn ready_for_selected(&self) -> bool {
        !self.is_backlogged() && self.has_few_effects()
    }

    /// A row of a sweep, or a flow of a selection. Of a sweep that is not the running one it is ignored.
    pub fn handle_row(&mut self, now: Now, sweep: SweepId, flow: Flow) {
        self.tell(now);
        self.row(sweep, flow);
    }

    /// A flow of a [`SelectionRequest`] as far as the program is sure of it: id, zone and tuples, and none of what may have
    /// changed. Whether that was enough; where not, nothing was done, and the whole entry is for [`Engine::handle_row`].
    #[must_use]
    pub fn handle_known(&mut self, now: Now, selection: SweepId, flow: &Flow) -> bool {
        self.tell(now);
        self.known(selection, flow)
    }

    /// The end of a sweep or of a selection: `complete` unless it ended early or the kernel called it inconsistent (`NLM_F_DUMP_INTR`).
    pub fn handle_sweep_end(&mut self, now: Now, sweep: SweepId, complete: bool) {
        self.tell(now);
        self.end_sweep(sweep, complete);
        self.tidy();
    }

    /// A sweep to be started; one at a time.
    pub fn poll_sweep(&mut self) -> Option<SweepRequest> {
        self.next_sweep()
    }

    /// Whether selections or rows that plugins asked for wait for a sweep.
    #[must_use]
    pub fn awaits_table(&self) -> bool {
        !self.sweeps.waiting.is_empty() || self.has_asked_rows()
    }

    /// Whether selections wait for a sweep or for [`Engine::poll_selection`].
    #[must_use]
    pub fn awaits_selection(&self) -> bool {
        self.has_waiting_selections()
    }

    /// Selections that the program can answer without a sweep, where it follows the table itself: `knows` says how many of a
    /// filter's flows. Where it knows only some, it is asked for those that are to be deleted, and a sweep finds the others. Up
    /// to eight of each plugin at once, beside a running sweep; plugins take turns. Without this call selections wait for a sweep.
    pub fn poll_selection(&mut self, knows: impl Fn(&Filter, Detail) -> Knows) -> Option<SelectionRequest> {
        self.next_selection(knows)
    }

    /// Whether rows that plugins asked for wait for a sweep or for [`Engine::poll_asked`], and none runs.
    #[must_use]
    pub fn awaits_asked(&self) -> bool {
        self.has_asked_rows()
    }

    /// A sweep of rows that plugins asked for and that the program can tell without reading the table, where it follows the
    /// table itself: `answers` says for which filters. It is handled as one of [`Engine::poll_sweep`], one of both at a time,
    /// and needs no rest. Without this call such rows wait for a sweep of the table.
    pub fn poll_asked(&mut self, answers: impl Fn(&Filter) -> bool) -> Option<SweepRequest> {
        self.next_asked(answers)
    }

    /// A call to be made.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.next_delivery()
    }

    /// What came of a call. Each verdict of it ends in exactly one outcome, which is counted, and in a record of its own or in
    /// the counts of a [`ctwarden_model::Notice::RecordsFolded`].
    pub fn handle_answer(&mut self, now: Now, call: CallId, answer: Answer) {
        self.tell(now);
        self.answered(call, answer);
        self.tidy();
    }

    /// An effect to be carried out, in this order. Blocks of an answer come before its deletes, and these only after the
    /// answers to the blocks.
    pub fn poll_effect(&mut self) -> Option<(EffectId, Granted<Effect>)> {
        self.take_effect()
    }

    /// What came of an effect.
    pub fn handle_ack(&mut self, now: Now, effect: EffectId, ack: Ack) {
        self.tell(now);
        self.end_effect(effect, ack);
        self.tidy();
    }

    /// An entry to be asked for. None while many that were handed out have no answer.
    pub fn poll_lookup(&mut self) -> Option<Lookup> {
        self.next_lookup()
    }

    /// What the kernel has at the tuple and zone now.
    pub fn handle_lookup(&mut self, now: Now, lookup: LookupId, looked: Looked) {
        self.tell(now);
        self.looked_up(lookup, looked);
        self.tidy();
    }

    /// A record to be written.
    pub fn poll_record(&mut self) -> Option<Record> {
        self.audit.next_record()
    }

    /// A message for the plugin of that name. It is delivered in its turn; what came of it is polled, as soon as that is known for
    /// which its sender waits.
    ///
    /// # Errors
    /// [`MessageError`] where it is not taken.
    pub fn handle_message(&mut self, now: Now, plugin: &str, text: String, wait: Wait) -> Result<Ticket, MessageError> {
        self.tell(now);
        let ticket = self.take_message(plugin, text, wait)?;
        Ok(ticket)
    }

    /// What came of a message, once all its verdicts have ended or [`EngineConfig::message_wait`] is over.
    pub fn poll_reply(&mut self) -> Option<(Ticket, MessageOutcome)> {
        self.messages.next_reply()
    }

    /// A named address set has changed.
    pub fn handle_set_changed(&mut self, now: Now, set: &SetName) {
        self.tell(now);
        self.set_changed(set);
    }

    /// How many entries the table has: what a share of it is. Once a second or so will do.
    pub fn handle_table(&mut self, now: Now, entries: u32) {
        self.tell(now);
        self.table_entries = entries;
    }

    /// In which families connections are tracked; both until told.
    pub const fn handle_tracked(&mut self, tracked: Tracked) {
        self.tracked = tracked;
    }

    /// The addresses of this host and of its way to the rest of the world, none of which is ever blocked. To be told before
    /// the first verdict, and when they have changed.
    pub fn handle_addresses(&mut self, now: Now, own: &PrefixSet) {
        self.tell(now);
        self.never_blocked = never_blocked(own);
    }

    /// A plugin of which a fresh instance is to be started now.
    pub fn poll_restart(&mut self) -> Option<PluginId> {
        self.next_restart()
    }

    /// The fresh instance runs.
    pub fn handle_started(&mut self, now: Now, plugin: PluginId) {
        self.tell(now);
        self.started(plugin);
        self.flush_to_idle();
        self.tidy();
    }

    /// The fresh instance could not be started.
    pub fn handle_start_failed(&mut self, now: Now, plugin: PluginId, fault: Fault) {
        self.tell(now);
        self.start_failed(plugin, fault);
        self.tidy();
    }

    /// Why the daemon has to end: a plugin failed whose operator wants that.
    pub fn poll_exit(&mut self) -> Option<String> {
        self.exits.pop_front()
    }

    /// When [`Engine::handle_timeout`] wants to be called; it may be called earlier.
    pub fn poll_timeout(&mut self) -> Option<Steady> {
        self.next_timeout()
    }

    pub fn handle_timeout(&mut self, now: Now) {
        self.tell(now);
        self.pass_time();
        self.tidy();
    }

    /// The daemon stops: no new calls and sweeps from now on. Answers and acks are still taken.
    pub fn handle_stop(&mut self, now: Now) {
        self.tell(now);
        self.stop();
        self.tidy();
    }

    /// Whether nothing is outstanding: no call of a plugin of the present set, no verdict, no effect, no message.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.plugins.iter().all(|plugin| plugin.outstanding.is_none())
            && self.audit.open_verdicts() == 0
            && self.pending.len() == 0
            && self.messages.is_empty()
    }

    /// The end: whatever is open gets its record and its reply. Nothing more is brought about.
    pub fn handle_finish(&mut self, now: Now) {
        self.tell(now);
        self.end();
    }

    /// What has to be listened to.
    #[must_use]
    pub fn subscribed(&self) -> Subscribed {
        Subscribed {
            kinds: self.wanted_kinds(),
            filters: self.wanted_flows(),
            own_ends: self.plugins.iter().any(|plugin| {
                let subscription = &plugin.spec.subscription;
                subscription.kinds.destroy && subscription.own_changes
            }),
            selects: self.plugins.iter().any(|plugin| plugin.spec.subscription.selects),
            expectations: self.plugins.iter().any(|plugin| plugin.spec.subscription.expectations),
        }
    }

    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        self.report(now)
    }

    /// Takes the time, which never goes back.
    fn tell(&mut self, now: Now) {
        self.clock = Now { wall: now.wall, steady: self.clock.steady.max(now.steady) };
    }
}
