//! Calls of plugins: what is handed to one and what it answers.
//!
//! A plugin has at most one call outstanding, so that its thread is all the concurrency there is and a batch that kills
//! it is known.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{
    Batch, Cause, Entries, ExpectationBatch, ExpectationEvent, Fault, Mode, PluginName, Reply, Timestamp, Verdict,
};

use crate::engine::Engine;
use crate::ids::RoundId;
use crate::intake::queue::Item;
use crate::verdicts::sight::Told;
use crate::{CallId, PluginId, Ticket};

/// One call to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub plugin: PluginId,
    /// Which call; the answer names it.
    pub call: CallId,
    /// What to call it with.
    pub what: Call,
}

/// Which function of a plugin is called, with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `judge`.
    Judge(Batch),
    /// `judge-expectations`.
    JudgeExpectations(ExpectationBatch),
    /// `tick`.
    Tick(Timestamp),
    /// `message`.
    Message {
        /// When it is delivered.
        now: Timestamp,
        text: String,
    },
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of `judge`, `judge-expectations` and `tick`.
    Verdicts(Vec<Verdict>),
    /// Of `message`.
    Reply(Reply),
    /// Of `message`: the plugin would not have it; one line for the sender.
    MessageRefused(String),
    /// It failed; what it returned is void and its instance is not called again.
    Fault(Fault),
}

/// What a call without an answer is about.
#[derive(Debug)]
pub(crate) enum About {
    /// A part of a round.
    Entries {
        round: RoundId,
        /// Whether the entries are whole (rows) or thin (events).
        cause: Cause,
        entries: Entries,
        /// When the kernel told of them.
        told: Told,
    },
    Expectations {
        round: RoundId,
        events: Arc<[ExpectationEvent]>,
    },
    /// A turn or a tick.
    Nothing,
    Message(Ticket),
}

impl About {
    /// The round that waits for the answer.
    pub(crate) const fn round(&self) -> Option<RoundId> {
        match self {
            Self::Entries { round, .. } | Self::Expectations { round, .. } => Some(*round),
            Self::Nothing | Self::Message(_) => None,
        }
    }

    /// Whether it is about what happens, and not about what is.
    pub(crate) const fn is_of_events(&self) -> bool {
        matches!(self, Self::Entries { cause: Cause::Events, .. })
    }

    /// The message that waits for the answer.
    pub(crate) const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Message(ticket) => Some(*ticket),
            Self::Entries { .. } | Self::Expectations { .. } | Self::Nothing => None,
        }
    }

    /// How many entries were handed over.
    pub(crate) fn entries(&self) -> u64 {
        match self {
            Self::Entries { entries, .. } => entries.len() as u64,
            Self::Expectations { events, .. } => events.len() as u64,
            Self::Nothing | Self::Message(_) => 0,
        }
    }
}

/// A call without an answer. There is one for each plugin, and for each of an earlier set that never answered.
#[derive(Debug)]
pub(crate) struct Outstanding {
    pub(crate) plugin: PluginId,
    pub(crate) name: PluginName,
    pub(crate) mode: Mode,
    pub(crate) about: About,
    /// When it was made.
    pub(crate) delivered: Timestamp,
}

/// Calls without an answer that are remembered; a program that lets reloaded plugins hang for ever loses the oldest.
const OUTSTANDING: usize = 1_024;

impl Engine {
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        if self.stopping || self.is_backlogged() {
            return None;
        }
        let free = |engine: &Self, id: &PluginId| {
            engine.plugins.get(*id).is_some_and(crate::intake::roster::Plugin::can_be_called)
        };
        let id = self.plugins.ids_after(self.last_served).find(|id| free(self, id))?;
        self.last_served = Some(id);
        self.deliver(id)
    }

    fn deliver(&mut self, id: PluginId) -> Option<Delivery> {
        let now = self.clock;
        let call = CallId(self.next_call);
        let plugin = self.plugins.get_mut(id)?;
        let item = plugin.queue.pop()?;
        self.next_call += 1;
        plugin.outstanding = Some(call);
        plugin.calls = plugin.calls.saturating_add(1);
        let mut missed = || plugin.queue.take_missed();
        let (what, about) = match item {
            Item::Entries { round, cause, entries, told } => {
                self.ends.tell(id, told.received, entries.all_placed());
                let batch = Batch { cause: cause.clone(), now: now.wall, missed: missed(), entries: entries.clone() };
                (Call::Judge(batch), About::Entries { round, cause, entries, told })
            }
            Item::Expectations { round, cause, events } => {
                let batch = ExpectationBatch { cause, now: now.wall, missed: missed(), events: Arc::clone(&events) };
                (Call::JudgeExpectations(batch), About::Expectations { round, events })
            }
            Item::Turn(cause) => {
                let batch = Batch { cause, now: now.wall, missed: missed(), entries: Entries::none() };
                (Call::Judge(batch), About::Nothing)
            }
            Item::Tick => (Call::Tick(now.wall), About::Nothing),
            Item::Message(ticket, text) => (Call::Message { now: now.wall, text }, About::Message(ticket)),
        };
        plugin.entries = plugin.entries.saturating_add(about.entries());
        let (name, mode) = (plugin.spec.name.clone(), plugin.mode(now.steady));
        while self.calls.len() >= OUTSTANDING && self.calls.pop_first().is_some() {}
        self.calls.insert(call, Outstanding { plugin: id, name, mode, about, delivered: now.wall });
        Some(Delivery { plugin: id, call, what })
    }
}
