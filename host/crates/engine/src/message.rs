//! Words from outside to a plugin, and what came of them.
//!
//! The sender of a ban wants to know what became of it, not only that it was delivered; so a reply waits, within bounds,
//! for the outcomes of the verdicts that the message brought about. Whoever has the next ban at hand need not wait for them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::{Outcome, Steady, Tally, VerdictKind};
use thiserror::Error;

use crate::engine::Engine;
use crate::{Ticket, VerdictCounts};

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// No plugin of that name is configured.
    #[error("no plugin is named \"{0}\"; `ctwarden status` lists them")]
    Unknown(String),
    /// It is quarantined, or has failed for good.
    #[error("plugin {0} does not run at the moment; `ctwarden status` says why and until when")]
    NotRunning(String),
    /// Too many messages wait in front of it.
    #[error(
        "plugin {plugin} has {waiting} messages waiting and no room for more; send the rest when these are answered"
    )]
    QueueFull {
        /// Whose queue.
        plugin: String,
        /// How many wait.
        waiting: usize,
    },
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOutcome {
    /// The plugin's text, or why there is none: it refused, it failed, or it was replaced before it got the message.
    pub result: Result<String, String>,
    /// Verdicts that the message brought about, by kind and outcome.
    pub verdicts: VerdictCounts,
    /// Outcomes of the flows that those verdicts were about, one by one.
    pub flows: Tally,
    /// Verdicts whose outcome was not known when the wait ended; their records come later.
    pub open: u64,
    /// How many of those wait for a reading of the table that takes long ([`crate::EngineConfig::long_sweep`]).
    pub sweeping: u64,
    /// Why verdicts, or flows of them, were refused: each reason once, and no more than [`REFUSALS`].
    pub refusals: Vec<String>,
}

/// Reasons of refusals that a reply tells at most.
pub const REFUSALS: usize = 8;

/// What the sender of a message waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// What came of the verdicts that it brought about, within [`crate::EngineConfig::message_wait`].
    #[default]
    Outcomes,
    /// The plugin's answer; what comes of the verdicts is told by their records only.
    Answer,
}

/// A message under way.
#[derive(Debug, Default)]
struct UnderWay {
    wait: Wait,
    /// Once the plugin has answered: its answer, and until when outcomes are awaited.
    answered: Option<(Result<String, String>, Steady)>,
    verdicts: VerdictCounts,
    flows: Tally,
    open: u64,
    /// Of those, how many are not waited for.
    sweeping: u64,
    refusals: Vec<String>,
}

impl UnderWay {
    /// Bytes of the plugin's answer.
    fn bytes(&self) -> usize {
        self.answered.as_ref().map_or(0, |(Ok(text) | Err(text), _)| text.len())
    }
}

/// Messages that were taken and have no reply yet. Bounded by [`crate::PluginLimits::queue_messages`], and after their
/// answers by the bounds of the verdicts that they wait for and by [`crate::EngineConfig::reply_bytes`].
#[derive(Debug, Default)]
pub(crate) struct Messages {
    next: u64,
    /// Bytes of answers that wait for the outcomes of their verdicts.
    bytes: usize,
    under_way: BTreeMap<Ticket, UnderWay>,
    replies: VecDeque<(Ticket, MessageOutcome)>,
}

impl Messages {
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(crate) fn verdict_opened(&mut self, ticket: Ticket) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.open += 1;
        }
    }

    pub(crate) fn verdict_ended(&mut self, ticket: Ticket, kind: VerdictKind, outcome: Outcome, flows: Tally) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.open = message.open.saturating_sub(1);
            message.verdicts.add(kind, outcome);
            message.flows = sum(message.flows, flows);
            self.reply_if_known(ticket);
        }
    }

    /// A verdict is left to a reading of the table that takes long; `flows` is what came of it so far.
    pub(crate) fn verdict_left_to_sweep(&mut self, ticket: Ticket, flows: Tally) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.sweeping += 1;
            message.flows = sum(message.flows, flows);
            self.reply_if_known(ticket);
        }
    }

    /// Why a verdict is refused that is about to end.
    pub(crate) fn refused(&mut self, ticket: Ticket, why: String) {
        if let Some(message) = self.under_way.get_mut(&ticket)
            && message.refusals.len() < REFUSALS
            && !message.refusals.contains(&why)
        {
            message.refusals.push(why);
        }
    }

    /// The plugin has answered, and all verdicts of the answer are opened. Answers with more than `limit` bytes do not wait
    /// together: the oldest are given without the outcomes that are not known.
    pub(crate) fn answered(&mut self, ticket: Ticket, result: Result<String, String>, until: Steady, limit: usize) {
        let Some(message) = self.under_way.get_mut(&ticket) else { return };
        message.answered = Some((result, until));
        self.bytes = self.bytes.saturating_add(message.bytes());
        match message.wait {
            Wait::Outcomes => self.reply_if_known(ticket),
            Wait::Answer => self.reply_now(ticket),
        }
        while self.bytes > limit {
            let Some(oldest) =
                self.under_way.iter().find(|(_, message)| message.bytes() > 0).map(|(&oldest, _)| oldest)
            else {
                return;
            };
            self.reply_now(oldest);
        }
    }

    /// The message did not come to the plugin, or the plugin failed over it.
    pub(crate) fn failed(&mut self, ticket: Ticket, why: String) {
        if let Some(message) = self.under_way.remove(&ticket) {
            self.bytes = self.bytes.saturating_sub(message.bytes());
            self.reply(ticket, Err(why), message);
        }
    }

    fn reply_if_known(&mut self, ticket: Ticket) {
        let known = |message: &UnderWay| message.open == message.sweeping && message.answered.is_some();
        if self.under_way.get(&ticket).is_some_and(known) {
            self.reply_now(ticket);
        }
    }

    fn reply_now(&mut self, ticket: Ticket) {
        let Some(mut message) = self.under_way.remove(&ticket) else { return };
        self.bytes = self.bytes.saturating_sub(message.bytes());
        if let Some((result, _)) = message.answered.take() {
            self.reply(ticket, result, message);
        }
    }

    fn reply(&mut self, ticket: Ticket, result: Result<String, String>, message: UnderWay) {
        let UnderWay { wait: _, answered: _, verdicts, flows, open, sweeping, refusals } = message;
        self.replies.push_back((ticket, MessageOutcome { result, verdicts, flows, open, sweeping, refusals }));
    }

    /// Replies to those who have waited long enough.
    pub(crate) fn give_up(&mut self, now: Steady) {
        let over = |message: &UnderWay| message.answered.as_ref().is_some_and(|(_, until)| *until <= now);
        let tickets: Vec<Ticket> =
            self.under_way.iter().filter(|(_, message)| over(message)).map(|(&ticket, _)| ticket).collect();
        for ticket in tickets {
            self.reply_now(ticket);
        }
    }

    /// Replies to everybody; those whose message had no answer are told why.
    pub(crate) fn end(&mut self, why: &str) {
        let tickets: Vec<Ticket> = self.under_way.keys().copied().collect();
        for ticket in tickets {
            if self.under_way.get(&ticket).is_some_and(|message| message.answered.is_some()) {
                self.reply_now(ticket);
            } else {
                self.failed(ticket, why.to_string());
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Steady> {
        self.under_way.values().filter_map(|message| message.answered.as_ref().map(|(_, until)| *until)).min()
    }

    pub(crate) fn next_reply(&mut self) -> Option<(Ticket, MessageOutcome)> {
        self.replies.pop_front()
    }
}

const fn sum(a: Tally, b: Tally) -> Tally {
    Tally {
        matched: a.matched.saturating_add(b.matched),
        applied: a.applied.saturating_add(b.applied),
        gone: a.gone.saturating_add(b.gone),
        replaced: a.replaced.saturating_add(b.replaced),
        refused: a.refused.saturating_add(b.refused),
        over_budget: a.over_budget.saturating_add(b.over_budget),
        protected: a.protected.saturating_add(b.protected),
        observed: a.observed.saturating_add(b.observed),
        superseded: a.superseded.saturating_add(b.superseded),
    }
}

impl Engine {
    pub(crate) fn take_message(&mut self, plugin: &str, text: String, wait: Wait) -> Result<Ticket, MessageError> {
        if self.stopping {
            return Err(MessageError::Stopping);
        }
        let found = self.plugins.named(plugin).ok_or_else(|| MessageError::Unknown(plugin.to_string()))?;
        if !found.supervision.is_coming_back() {
            return Err(MessageError::NotRunning(plugin.to_string()));
        }
        let (id, limits) = (found.id, &found.spec.limits);
        let (limit, bytes) = (limits.queue_messages, limits.queue_message_bytes);
        // What was collected happened before the message.
        self.flush_collected();
        let ticket = Ticket(self.messages.next);
        let queue = self.plugins.get_mut(id).map(|found| &mut found.queue);
        let full = |waiting| MessageError::QueueFull { plugin: plugin.to_string(), waiting };
        let queue = queue.ok_or_else(|| full(0))?;
        if !queue.push_message(ticket, text, limit, bytes) {
            return Err(full(queue.messages()));
        }
        self.messages.next += 1;
        self.messages.under_way.insert(ticket, UnderWay { wait, ..UnderWay::default() });
        Ok(ticket)
    }
}
