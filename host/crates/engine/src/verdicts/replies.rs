//! Replies to messages of operators and programs.
//!
//! The sender of a ban wants to know what became of it, not only that it was delivered; so a reply waits, within bounds,
//! for the outcomes of the verdicts that the message brought about. Whoever has the next ban at hand need not wait for them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::{Outcome, Refusal, Steady, Tally, VerdictKind};
use thiserror::Error;

use crate::ids::VerdictId;
use crate::{Ticket, VerdictCounts};

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// No plugin of that name is configured.
    #[error("no plugin is named \"{0}\"; `ctwarden status` lists the plugins")]
    Unknown(String),
    /// It is quarantined, or has failed for good.
    #[error("plugin {0} is not running now; `ctwarden status` shows why and until when")]
    NotRunning(String),
    /// Too many messages wait in front of it.
    #[error(
        "plugin {plugin} has {waiting} messages waiting and no room for more; send the rest when they are answered"
    )]
    QueueFull { plugin: String, waiting: usize },
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
    /// What did not come out as it was asked for; none where all of it did.
    pub shortfalls: Vec<Shortfall>,
    /// Verdicts whose outcome was not known when the wait ended; their records come later. Deletions are among them that ran out
    /// of budget and go on when it is back: their flows so far are among `flows`.
    pub open: u64,
    /// How many of those wait for a reading of the table that takes long ([`crate::EngineBounds::long_sweep`]).
    pub sweeping: u64,
    /// Why verdicts, or flows of them, were refused: each reason once, and no more than [`REFUSALS`].
    pub refusals: Vec<String>,
    /// What its sender waited for.
    pub wait: Wait,
}

/// Verdicts or flows that ended otherwise than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shortfall {
    /// Kind of the verdicts.
    pub kind: VerdictKind,
    /// What came of them.
    pub outcome: Outcome,
    /// Whether flows are counted; else verdicts about none.
    pub of_flows: bool,
    /// Whether those that are over budget are tried again when it is back.
    pub goes_on: bool,
    pub count: u64,
}

/// Reasons of refusals that a reply tells at most.
pub const REFUSALS: usize = 8;

/// What the sender of a message waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// What came of the verdicts that it brought about, within [`crate::EngineBounds::message_wait`].
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
    shortfalls: BTreeMap<(VerdictKind, Outcome, bool), u64>,
    /// Deletions that go on when the budget is back, with what came of their flows so far.
    resting: BTreeMap<VerdictId, (VerdictKind, Tally)>,
}

impl UnderWay {
    /// Bytes of the plugin's answer.
    fn bytes(&self) -> usize {
        self.answered.as_ref().map_or(0, |(Ok(text) | Err(text), _)| text.len())
    }
}

/// Messages that were taken and have no reply yet. Bounded by [`crate::PluginBounds::queue_messages`], and after their
/// answers by the bounds of the verdicts that they wait for and by [`crate::EngineBounds::reply_bytes`].
#[derive(Debug, Default)]
pub(crate) struct Replies {
    next: u64,
    /// Bytes of answers that wait for the outcomes of their verdicts.
    bytes: usize,
    under_way: BTreeMap<Ticket, UnderWay>,
    replies: VecDeque<(Ticket, MessageOutcome)>,
}

impl Replies {
    /// A message for a plugin was taken.
    pub(crate) fn begin(&mut self, wait: Wait) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.under_way.insert(ticket, UnderWay { wait, ..UnderWay::default() });
        ticket
    }

    /// The ticket of the message that is taken next.
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

    pub(crate) fn verdict_ended(&mut self, ticket: Ticket, ended: Ended) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            let Ended { id, kind, ends, outcome, flows, looked_for_all } = ended;
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

    /// A verdict is left to a reading of the table that takes long; `flows` is what came of it so far.
    pub(crate) fn verdict_left_to_sweep(&mut self, ticket: Ticket, flows: Tally) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.sweeping += 1;
            message.flows = sum(message.flows, flows);
            self.reply_if_known(ticket);
        }
    }

    /// A deletion has run out of budget; it goes on later, which is more than its sender waits for.
    pub(crate) fn verdict_rests(&mut self, ticket: Ticket, id: VerdictId, kind: VerdictKind, so_far: Tally) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.resting.insert(id, (kind, so_far));
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

    pub(crate) fn verdict_goes_on(&mut self, ticket: Ticket, id: VerdictId) {
        if let Some(message) = self.under_way.get_mut(&ticket) {
            message.resting.remove(&id);
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

/// How a verdict of a message ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: VerdictId,
    pub(crate) kind: VerdictKind,
    /// Whether it asks for the end of flows.
    pub(crate) ends: bool,
    pub(crate) outcome: Outcome,
    pub(crate) flows: Tally,
    /// Of a verdict over a selection: whether all of its flows were looked for.
    pub(crate) looked_for_all: Option<bool>,
}

/// Whether that outcome is not what a verdict of that kind asks for. A flow that is gone or was replaced is ended as well as a
/// deleted one, and a network that was not in the set is out of it. What a stronger verdict stands for is done where that is
/// stronger in the same direction: a delete, a block, an alert.
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

/// Flows of a selection that came out otherwise than was asked for. Those that are gone match no more, whatever was to be done.
fn short_of(kind: VerdictKind, ends: bool, ended: Outcome, flows: Tally) -> impl Iterator<Item = (Outcome, u64)> {
    // The reason is that of the last one; the tally does not tell them apart.
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

/// Flows of a tally whose outcome is known.
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
