//! Calls of plugins and their answers.
//!
//! A plugin has at most one outstanding call. So the plugin's thread is the only concurrency, and the engine knows
//! which batch caused a fault.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{
    Batch, Entries, ExpectationBatch, Fault, Mode, PluginName, Reply, ReportBatch, Timestamp, Verdict,
};

use crate::intake::Intake;
use crate::intake::queue::{Item, Queue};
use crate::intake::roster::Plugin;
use crate::verdicts::Verdicts;
use crate::verdicts::call_context::CallContext;
use crate::verdicts::opening::Said;
use crate::{CallId, PluginId};

/// A call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub plugin: PluginId,
    /// The id that the answer names.
    pub call: CallId,
    /// The function and its arguments.
    pub what: Call,
}

/// The function to call, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `judge`, for entries of the conntrack table.
    Judge(Batch),
    /// `judge-expectations`, for entries of the expectation table.
    JudgeExpectations(ExpectationBatch),
    /// `concluded`, for outcomes of the plugin's verdicts.
    Concluded(ReportBatch),
    /// `tick`, with the wall time of the tick.
    Tick(Timestamp),
    /// `message`, for a message of the operator.
    Message {
        /// The time of delivery.
        now: Timestamp,
        text: String,
    },
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Result of `judge`, `judge-expectations`, `concluded` or `tick`.
    Verdicts(Vec<Verdict>),
    /// Result of `message`: verdicts and a text for the sender.
    Reply(Reply),
    /// Result of `message`: the plugin refused it. One line of text for the sender.
    MessageRefused(String),
    /// The call failed. Its verdicts are void, and the instance is not called again.
    Fault(Fault),
}

/// A call without an answer. There is at most one for each plugin, and one for each plugin of an earlier set that never
/// answered.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) plugin: PluginId,
    pub(super) name: PluginName,
    pub(super) mode: Mode,
    pub(super) context: CallContext,
    /// The time of the call.
    pub(super) delivered: Timestamp,
}

/// Maximum number of remembered calls without an answer. If reloaded plugins hang forever, the oldest calls are
/// dropped.
const OUTSTANDING: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Calls {
    outstanding: BTreeMap<CallId, Outstanding>,
    next: u64,
    /// The plugin that got the last call. The next call goes to the next plugin that can be called.
    last_served: Option<PluginId>,
}

impl Calls {
    const fn name(&mut self) -> CallId {
        let id = CallId(self.next);
        self.next += 1;
        id
    }

    fn add(&mut self, id: CallId, outstanding: Outstanding) {
        while self.outstanding.len() >= OUTSTANDING && self.outstanding.pop_first().is_some() {}
        self.outstanding.insert(id, outstanding);
    }

    pub(super) fn answered(&mut self, id: CallId) -> Option<Outstanding> {
        self.outstanding.remove(&id)
    }
}

impl Intake {
    pub(crate) fn next_call(&mut self, verdicts: &mut Verdicts) -> Option<Delivery> {
        if self.stopping || verdicts.is_backlogged() {
            return None;
        }
        // The queue of a plugin is bounded, but its verdicts are not. So a plugin is not called while its open verdicts
        // take too much memory.
        let has_room = |id| verdicts.account(id).is_some_and(|account| !account.is_full());
        let has_work = |plugin: &Plugin| !plugin.queue.is_empty() || verdicts.has_reports(plugin.id);
        let is_next = |id: &PluginId| {
            self.plugins.get(*id).is_some_and(|plugin| plugin.is_free() && has_work(plugin)) && has_room(*id)
        };
        let id = self.plugins.ids_after(self.calls.last_served).find(is_next)?;
        self.calls.last_served = Some(id);
        self.deliver(verdicts, id)
    }

    fn deliver(&mut self, verdicts: &mut Verdicts, id: PluginId) -> Option<Delivery> {
        let now = verdicts.now();
        let most = self.batch_entries();
        let plugin = self.plugins.get_mut(id)?;
        let reports = verdicts.has_reports(id) && (plugin.queue.is_empty() || !plugin.reported_last);
        let (what, context) = if reports {
            (Call::Concluded(verdicts.take_reports(id, most)), CallContext::Nothing)
        } else {
            let item = plugin.queue.pop()?;
            call_of(item, id, &mut plugin.queue, verdicts)
        };
        let call = self.calls.name();
        plugin.reported_last = reports;
        plugin.outstanding = Some(call);
        plugin.calls = plugin.calls.saturating_add(1);
        plugin.entries = plugin.entries.saturating_add(context.entries());
        let (name, mode) = (plugin.spec.name.clone(), verdicts.mode(id).unwrap_or(Mode::Observe));
        self.calls.add(call, Outstanding { plugin: id, name, mode, context, delivered: now.wall });
        Some(Delivery { plugin: id, call, what })
    }

    /// Takes the result of a call.
    pub(crate) fn answer(&mut self, verdicts: &mut Verdicts, call: CallId, answer: Answer) {
        let Some(outstanding) = self.calls.answered(call) else { return };
        let Outstanding { plugin: id, name, mode, context, delivered } = outstanding;
        let (said, reply) = match answer {
            Answer::Verdicts(said) => (said, Ok(String::new())),
            Answer::Reply(reply) => (reply.verdicts, Ok(reply.text)),
            Answer::MessageRefused(why) => (Vec::new(), Err(why)),
            Answer::Fault(fault) => return self.failed_in_call(verdicts, id, &name, &context, fault),
        };
        let said = Said { plugin: id, context, delivered, verdicts: said, reply };
        let Some(plugin) = self.freed(id) else { return verdicts.refuse(said, &name, mode) };
        plugin.asked.extend(verdicts.judge(said));
        self.catch_up(verdicts, id);
    }

    /// Marks the plugin as free and returns it. `None` if its answer is void, because the plugin was replaced or the
    /// engine has ended.
    fn freed(&mut self, id: PluginId) -> Option<&mut Plugin> {
        let plugin = self.plugins.get_mut(id)?;
        plugin.outstanding = None;
        (!self.ended).then_some(plugin)
    }

    fn failed_in_call(
        &mut self,
        verdicts: &mut Verdicts,
        id: PluginId,
        name: &PluginName,
        context: &CallContext,
        fault: Fault,
    ) {
        if self.freed(id).is_none() {
            if let Some(ticket) = context.ticket() {
                let why = format!("plugin {name} was replaced before it answered; send it again");
                verdicts.message_failed(ticket, why);
            }
            return;
        }
        if let Some(ticket) = context.ticket() {
            verdicts.message_failed(ticket, fault.to_string());
        }
        if let Some(round) = context.round() {
            verdicts.give_up(round, id);
        }
        self.fail(verdicts, id, fault, context.entries());
        self.catch_up(verdicts, id);
    }

    /// A plugin is free. It gets the events that were collected meanwhile. If entries were dropped and its queue is
    /// empty, it needs a sweep.
    fn catch_up(&mut self, verdicts: &mut Verdicts, id: PluginId) {
        if self.plugins.get(id).is_some_and(Plugin::is_idle) {
            self.flush_to_idle(verdicts);
        }
        if let Some(plugin) = self.plugins.get_mut(id)
            && plugin.is_idle()
            && plugin.is_behind
        {
            plugin.is_behind = false;
            plugin.wants_sweep |= plugin.spec.subscription.kinds.row;
        }
    }
}

/// The call that delivers an item of the plugin's queue.
fn call_of(item: Item, id: PluginId, queue: &mut Queue, verdicts: &mut Verdicts) -> (Call, CallContext) {
    let now = verdicts.now().wall;
    match item {
        Item::Entries { round, cause, entries, told } => {
            verdicts.hand_over(id, told.received, entries.all_placed());
            let batch = Batch { cause: cause.clone(), now, missed: queue.take_missed(), entries: entries.clone() };
            (Call::Judge(batch), CallContext::Entries { round, cause, entries, told })
        }
        Item::Expectations { round, cause, events } => {
            let batch = ExpectationBatch { cause, now, missed: queue.take_missed(), events: Arc::clone(&events) };
            (Call::JudgeExpectations(batch), CallContext::Expectations { round, events })
        }
        Item::Turn(cause) => {
            let batch = Batch { cause, now, missed: queue.take_missed(), entries: Entries::none() };
            (Call::Judge(batch), CallContext::Nothing)
        }
        Item::Tick => (Call::Tick(now), CallContext::Nothing),
        Item::Message(ticket, text) => (Call::Message { now, text }, CallContext::Message(ticket)),
    }
}
