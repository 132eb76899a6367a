//! The state machine itself: what is told to it and what it wants done.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{
    Effect, EffectId, Event, EventKinds, ExpectationEvent, Fault, Flow, Now, Record, SetName, Steady,
};

use crate::{
    Ack, Answer, CallId, Delivery, EngineConfig, Granted, Lookup, LookupId, MessageError, MessageOutcome, PluginId,
    PluginSpec, Status, SweepId, SweepRequest, Ticket,
};

/// What has to be listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscribed {
    /// Kinds that any plugin wants.
    pub kinds: EventKinds,
    /// Whether any plugin wants expectation events.
    pub expectations: bool,
}

/// The decisions of the daemon.
pub struct Engine {}

impl Engine {
    /// No plugins yet; see [`Engine::handle_plugins`].
    #[must_use]
    pub fn new(config: EngineConfig, now: Now) -> Self { todo!() }
    /// A new set of plugins, at start and at reload. In the order of the specs.
    pub fn handle_plugins(&mut self, now: Now, config: EngineConfig, specs: Vec<PluginSpec>) -> Vec<PluginId> { todo!() }
    /// An event.
    pub fn handle_event(&mut self, now: Now, event: Event) { todo!() }
    /// An expectation event or, during a sweep, a row.
    pub fn handle_expectation(&mut self, now: Now, event: ExpectationEvent) { todo!() }
    /// The socket is drained for the moment.
    pub fn handle_flush(&mut self, now: Now) { todo!() }
    /// ENOBUFS.
    pub fn handle_gap(&mut self, now: Now) { todo!() }
    /// Whether a row would be taken now.
    #[must_use]
    pub fn ready_for_rows(&self) -> bool { todo!() }
    /// A row of a sweep.
    pub fn handle_row(&mut self, now: Now, sweep: SweepId, flow: Flow) { todo!() }
    /// The end of a sweep.
    pub fn handle_sweep_end(&mut self, now: Now, sweep: SweepId, complete: bool) { todo!() }
    /// A sweep to be started; one at a time.
    pub fn poll_sweep(&mut self) -> Option<SweepRequest> { todo!() }
    /// A call to be made.
    pub fn poll_delivery(&mut self) -> Option<Delivery> { todo!() }
    /// What came of a call.
    pub fn handle_answer(&mut self, now: Now, call: CallId, answer: Answer) { todo!() }
    /// An effect to be carried out.
    pub fn poll_effect(&mut self) -> Option<(EffectId, Granted<Effect>)> { todo!() }
    /// What came of an effect.
    pub fn handle_ack(&mut self, now: Now, effect: EffectId, ack: Ack) { todo!() }
    /// An entry to be asked for.
    pub fn poll_lookup(&mut self) -> Option<Lookup> { todo!() }
    /// The entry that has the tuple and zone now, whatever its id; none where there is none.
    pub fn handle_lookup(&mut self, now: Now, lookup: LookupId, flow: Option<Box<Flow>>) { todo!() }
    /// A record to be written.
    pub fn poll_record(&mut self) -> Option<Record> { todo!() }
    /// A message for the plugin of that name.
    ///
    /// # Errors
    /// [`MessageError`] where it cannot be delivered.
    pub fn handle_message(&mut self, now: Now, plugin: &str, text: String) -> Result<Ticket, MessageError> { todo!() }
    /// What came of a message.
    pub fn poll_reply(&mut self) -> Option<(Ticket, MessageOutcome)> { todo!() }
    /// A named address set has changed.
    pub fn handle_set_changed(&mut self, now: Now, set: &SetName) { todo!() }
    /// How many entries the table has.
    pub fn handle_table(&mut self, now: Now, entries: u32) { todo!() }
    /// A plugin of which a fresh instance is to be started now.
    pub fn poll_restart(&mut self) -> Option<PluginId> { todo!() }
    /// It runs.
    pub fn handle_started(&mut self, now: Now, plugin: PluginId) { todo!() }
    /// It could not be started.
    pub fn handle_start_failed(&mut self, now: Now, plugin: PluginId, fault: Fault) { todo!() }
    /// Why the daemon has to end.
    pub fn poll_exit(&mut self) -> Option<String> { todo!() }
    /// When [`Engine::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Steady> { todo!() }
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) { todo!() }
    /// No new calls and sweeps from now on.
    pub fn handle_stop(&mut self, now: Now) { todo!() }
    /// Whether nothing is outstanding.
    #[must_use]
    pub fn is_quiet(&self) -> bool { todo!() }
    /// The end: whatever is open gets its record.
    pub fn handle_finish(&mut self, now: Now) { todo!() }
    /// What has to be listened to.
    #[must_use]
    pub fn subscribed(&self) -> Subscribed { todo!() }
    /// Counters and states.
    #[must_use]
    pub fn status(&self, now: Now) -> Status { todo!() }
}
