//! Replies to messages of operators and programs.
//!
//! The sender of a ban needs the outcome of the ban, not only the delivery of the message. Therefore a reply waits,
//! within bounds, for the outcomes of the verdicts that the message caused. A sender that has the next ban ready need
//! not wait for them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::{Outcome, Refusal, Steady, Tally, VerdictKind};
use thiserror::Error;

use crate::ids::VerdictId;
use crate::{Ticket, VerdictCounts};

/// The reason why a message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// No plugin with this name is configured.
    #[error("no plugin is named \"{0}\"; `ctwarden status` lists the plugins")]
    Unknown(String),
    /// The plugin is quarantined, or has failed for good.
    #[error("plugin {0} is not running now; `ctwarden status` shows why and until when")]
    NotRunning(String),
    /// The queue of the plugin is full: too many messages wait, or their texts are too long in total.
    #[error(
        "plugin {plugin} has {waiting} messages waiting and no room for more; send the rest when they are answered"
    )]
    QueueFull { plugin: String, waiting: usize },
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// The result of a message: the plugin's answer, and the outcomes of the verdicts that the message caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOutcome {
    /// The plugin's text, or the reason why there is none: the plugin refused the message, failed, or was replaced
    /// before it answered, or the daemon stopped.
    pub result: Result<String, String>,
    /// Verdicts that the message caused, by kind and outcome.
    pub verdicts: VerdictCounts,
    /// Outcomes of the flows of these verdicts, counted by flow.
    pub flows: Tally,
    /// Verdicts and flows that did not end as requested. Empty if all did.
    pub shortfalls: Vec<Shortfall>,
    /// Number of verdicts whose outcome was unknown when the wait ended. Their records come later. This includes
    /// deletions that used up the budget and go on when it refills. The outcomes of their flows so far are in `flows`.
    pub open: u64,
    /// Number of the open verdicts that wait for a long read of the table ([`crate::EngineBounds::long_sweep`]).
    pub sweeping: u64,
    /// Reasons why verdicts, or flows of verdicts, were refused. Each reason occurs once, and there are at most
    /// [`REFUSALS`].
    pub refusals: Vec<String>,
    /// What the sender waited for.
    pub wait: Wait,
}

/// Verdicts or flows that did not end as requested, with one kind and outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shortfall {
    /// Kind of the verdicts.
    pub kind: VerdictKind,
    /// Outcome of the verdicts or flows.
    pub outcome: Outcome,
    /// Whether `count` is a number of flows. Otherwise it is a number of verdicts.
    pub of_flows: bool,
    /// Whether the engine retries the flows that are over budget when the budget refills.
    pub goes_on: bool,
    pub count: u64,
}

/// Maximum number of reasons of refusals in a reply.
pub const REFUSALS: usize = 8;

/// What the sender of a message waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// The outcomes of the verdicts that the message caused, for at most [`crate::EngineBounds::message_wait`].
    #[default]
    Outcomes,
    /// The plugin's answer. Only the records report the outcomes of the verdicts.
    Answer,
}

/// A message that has no reply yet.
#[derive(Debug, Default)]
struct UnderWay {
    wait: Wait,
    /// The plugin's answer and the end of the wait for outcomes. `None` until the plugin has answered.
    answered: Option<(Result<String, String>, Steady)>,
    verdicts: VerdictCounts,
    flows: Tally,
    open: u64,
    /// Number of the open verdicts for which the reply does not wait.
    sweeping: u64,
    refusals: Vec<String>,
    shortfalls: BTreeMap<(VerdictKind, Outcome, bool), u64>,
    /// Deletions that go on when the budget refills, with the outcomes of their flows so far.
    resting: BTreeMap<VerdictId, (VerdictKind, Tally)>,
}

impl UnderWay {
    /// Bytes of the plugin's answer; 0 until the plugin has answered.
    fn bytes(&self) -> usize {
        self.answered.as_ref().map_or(0, |(Ok(text) | Err(text), _)| text.len())
    }
}

/// Accepted messages without a reply. Bounded by [`crate::PluginBounds::queue_messages`]. After the plugin's answer,
/// bounded by the bounds of the verdicts for which the reply waits and by [`crate::EngineBounds::reply_bytes`].
#[derive(Debug, Default)]
pub(crate) struct Replies {
    next: u64,
    /// Bytes of the answers that wait for outcomes.
    bytes: usize,
    under_way: BTreeMap<Ticket, UnderWay>,
    replies: VecDeque<(Ticket, MessageOutcome)>,
}

impl Replies {
    /// Registers an accepted message and returns its ticket.
    pub(crate) fn begin(&mut self, wait: Wait) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.under_way.insert(ticket, UnderWay { wait, ..UnderWay::default() });
        ticket
    }

    /// The ticket that the next message will get.
    pub(crate) const fn next_ticket(&self) -> Ticket {
        Ticket(self.next)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(crate) fn verdict_opened(&mut self, ticket: Ticket) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.open += 1;
        }
    }

    pub(crate) fn verdict_ended(&mut self, ticket: Ticket, ended: MessageVerdict) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            let MessageVerdict { id, kind, ends, outcome, flows, looked_for_all } = ended;
            message.open = message.open.saturating_sub(1);
            message.resting.remove(&id);
            message.verdicts.add(kind, outcome);
            message.flows = sum(message.flows, flows);
            if looked_for_all == Some(false) && !falls_short(kind, ends, outcome) {
                *message.shortfalls.entry((kind, Outcome::Refused(Refusal::NoAnswer), false)).or_default() += 1;
            }
            let without_outcome = flows.matched.saturating_sub(with_outcome(flows));
            if looked_for_all.is_some() && without_outcome > 0 {
                let unanswered = (kind, Outcome::Refused(Refusal::NoAnswer), true);
                *message.shortfalls.entry(unanswered).or_default() += without_outcome;
            }
            if looked_for_all.is_some() && flows.matched > 0 {
                for (outcome, count) in short_of(kind, ends, outcome, flows) {
                    *message.shortfalls.entry((kind, outcome, true)).or_default() += count;
                }
            } else if falls_short(kind, ends, outcome) {
                *message.shortfalls.entry((kind, outcome, flows.matched > 0)).or_default() += 1;
            }
            self.reply_if_known(ticket);
        }
    }

    /// Leaves a verdict to a long read of the table. The reply does not wait for the verdict. `flows` holds the
    /// outcomes of its flows so far.
    pub(crate) fn verdict_left_to_sweep(&mut self, ticket: Ticket, flows: Tally) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.sweeping += 1;
            message.flows = sum(message.flows, flows);
            self.reply_if_known(ticket);
        }
    }

    /// A deletion has used up the budget. It goes on later, and the reply does not wait that long.
    pub(crate) fn verdict_rests(&mut self, ticket: Ticket, id: VerdictId, kind: VerdictKind, so_far: Tally) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.resting.insert(id, (kind, so_far));
            self.reply_if_known(ticket);
        }
    }

    /// Adds the reason of a refusal. Call it before the refused verdict ends.
    pub(crate) fn refused(&mut self, ticket: Ticket, why: String) {
        if let Some(message) = self.under_way.get_mut(&ticket)
            && message.refusals.len() < REFUSALS
            && !message.refusals.contains(&why)
        {
            message.refusals.push(why);
        }
    }

    pub(crate) fn verdict_goes_on(&mut self, ticket: Ticket, id: VerdictId) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.resting.remove(&id);
        }
    }

    /// Takes the plugin's answer. All verdicts of the answer must have been opened before. If the waiting answers take
    /// more than `limit` bytes, the oldest are sent without the unknown outcomes.
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

    /// The message did not reach the plugin, or the plugin failed on the message.
    pub(crate) fn failed(&mut self, ticket: Ticket, why: String) {
        if let Some(message) = self.under_way.remove(&ticket) {
            self.bytes = self.bytes.saturating_sub(message.bytes());
            self.reply(ticket, Err(why), message);
        }
    }

    fn reply_if_known(&mut self, ticket: Ticket) {
        let known = |message: &UnderWay| {
            let not_awaited = message.sweeping.saturating_add(message.resting.len() as u64);
            message.open <= not_awaited && message.answered.is_some()
        };
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
        let UnderWay { wait, answered: _, verdicts, mut flows, open, sweeping, refusals, shortfalls, resting } =
            message;
        let ended = shortfalls.into_iter().map(|((kind, outcome, of_flows), count)| Shortfall {
            kind,
            outcome,
            of_flows,
            goes_on: false,
            count,
        });
        let mut shortfalls: Vec<Shortfall> = ended.collect();
        for (kind, so_far) in resting.into_values() {
            flows = sum(flows, so_far);
            let left = short_of(kind, true, Outcome::OverBudget, so_far);
            shortfalls.extend(left.map(|(outcome, count)| Shortfall {
                kind,
                outcome,
                of_flows: true,
                goes_on: outcome == Outcome::OverBudget,
                count,
            }));
        }
        self.replies.push_back((
            ticket,
            MessageOutcome { result, verdicts, flows, shortfalls, open, sweeping, refusals, wait },
        ));
    }

    /// Replies to the messages whose wait is over.
    pub(crate) fn give_up(&mut self, now: Steady) {
        let over = |message: &UnderWay| message.answered.as_ref().is_some_and(|(_, until)| *until <= now);
        let tickets: Vec<Ticket> =
            self.under_way.iter().filter(|(_, message)| over(message)).map(|(&ticket, _)| ticket).collect();
        for ticket in tickets {
            self.reply_now(ticket);
        }
    }

    /// Replies to all messages. `why` is the reply to a message without an answer.
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

/// The end of a verdict that a message caused.
#[derive(Debug)]
pub(crate) struct MessageVerdict {
    pub(crate) id: VerdictId,
    pub(crate) kind: VerdictKind,
    /// Whether the verdict asks for the end of flows.
    pub(crate) ends: bool,
    pub(crate) outcome: Outcome,
    pub(crate) flows: Tally,
    /// Whether all flows of the selection were looked for. `None` if the verdict is not over a selection.
    pub(crate) looked_for_all: Option<bool>,
}

/// Whether a verdict of this kind asks for something other than this outcome. A verdict that ends flows (`ends`) is
/// fulfilled if the flow is gone or was replaced, and an unblock is fulfilled if the network was not in the set. A
/// superseded verdict is fulfilled if the stronger verdict works in the same direction: a delete, a block, an alert.
const fn falls_short(kind: VerdictKind, ends: bool, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Applied => false,
        Outcome::Refused(_) | Outcome::OverBudget | Outcome::NotGranted | Outcome::Protected | Outcome::Observed => {
            true
        }
        Outcome::Gone => !ends && !matches!(kind, VerdictKind::Unblock),
        Outcome::Replaced => !ends,
        Outcome::Superseded => {
            !ends
                && matches!(kind, VerdictKind::Mark | VerdictKind::Labels | VerdictKind::Timeout | VerdictKind::Unblock)
        }
    }
}

/// Flows of a selection that did not end as requested. Flows that are gone fulfil every verdict over a selection,
/// because they match no more.
fn short_of(kind: VerdictKind, ends: bool, ended: Outcome, flows: Tally) -> impl Iterator<Item = (Outcome, u64)> {
    // The outcome has the reason of the last refusal. The tally does not tell the reasons apart.
    let refused = if matches!(ended, Outcome::Refused(_)) { ended } else { Outcome::Refused(Refusal::Several) };
    let counts = [
        (Outcome::Replaced, flows.replaced),
        (refused, flows.refused),
        (Outcome::OverBudget, flows.over_budget),
        (Outcome::Protected, flows.protected),
        (Outcome::Observed, flows.observed),
        (Outcome::Superseded, flows.superseded),
    ];
    counts.into_iter().filter(move |(outcome, count)| *count > 0 && falls_short(kind, ends, *outcome))
}

/// Number of flows in a tally whose outcome is known.
fn with_outcome(flows: Tally) -> u64 {
    flows.by_outcome().into_iter().fold(0, u64::saturating_add)
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
