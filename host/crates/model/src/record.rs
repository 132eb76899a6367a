//! What is written down: of verdicts, faults and turns of the daemon.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use crate::{
    Action, Block, Fault, Flaw, FlowKey, Mode, Outcome, PluginName, Prefix, Refusal, SetName, Tally, Timestamp,
    Unblock, Verdict, VerdictKind,
};

/// What came of one verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRecord {
    /// When the outcome was known.
    pub at: Timestamp,
    pub plugin: PluginName,
    /// The plugin's mode then.
    pub mode: Mode,
    /// The verdict as it was given.
    pub verdict: Verdict,
    /// The one flow it was about, where it was about one.
    pub flow: Option<FlowKey>,
    /// What came of it. Of a verdict over a selection: applied where any flow was, else the most frequent.
    pub outcome: Outcome,
    /// Of a verdict over a selection: what came of each flow.
    pub tally: Option<Box<Tally>>,
    /// From the verdict's arrival to its outcome.
    pub took: Duration,
}

impl VerdictRecord {
    /// Whether people should be shown an alert because of it.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        matches!((&self.verdict.action, self.outcome), (Action::Alert(_), Outcome::Applied | Outcome::Observed))
    }

    /// Why it was refused, for people; none where it was not.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let Outcome::Refused(refusal) = self.outcome else { return None };
        if let (Refusal::NoSuchSet, Action::Malformed(_, Flaw::Set(why))) = (refusal, &self.verdict.action) {
            return Some(why.clone());
        }
        Some(match (refusal, &self.verdict.action) {
            (Refusal::Block(why), Action::Block(Block { set, network, .. })) => {
                format!("{network} was not added to block set {}: {why}", set.0)
            }
            (Refusal::Block(why), Action::Unblock(Unblock { set, network })) => {
                format!("{network} was not removed from block set {}: {why}", set.0)
            }
            (refusal, _) => refusal.to_string(),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    pub at: Timestamp,
    pub plugin: PluginName,
    pub fault: Fault,
    /// Entries of the void call, which are not delivered again.
    pub entries: u64,
    /// How long until a fresh instance starts.
    pub restart_in: Duration,
    /// Whether it failed so often that this wait is a quarantine.
    pub quarantined: bool,
}

/// Verdicts of one kind and one outcome without a record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldedCount {
    pub kind: VerdictKind,
    /// The name of their outcome ([`Outcome::NAMES`]).
    pub outcome: &'static str,
    pub count: u64,
}

/// A turn that operators want to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The kernel dropped events in front of us (ENOBUFS); a sweep follows.
    Overrun,
    Swept {
        rows: u64,
        /// Whether it was complete.
        complete: bool,
        /// How long it took.
        took: Duration,
    },
    /// A fresh instance of a failed plugin runs.
    Restarted(PluginName),
    /// The plugin spent its budget so often that it only observes, for so long.
    BreakerOpened(PluginName, Duration),
    /// It may act again.
    BreakerClosed(PluginName),
    /// A flow was deleted so often within a minute and comes back all the same: nothing drops its packets.
    ComesBack {
        plugin: PluginName,
        flow: FlowKey,
        times: u32,
        /// Where the plugin has blocked one of its addresses: the set, and the network in it. No rule drops what is in that set.
        blocked: Option<(SetName, Prefix)>,
    },
    /// Its queue was full: so many entries were dropped.
    Missed(PluginName, u64),
    /// Verdicts of the plugin came faster than records of them may be written: so many of each kind and outcome have no record
    /// but this one.
    RecordsFolded(PluginName, Box<[FoldedCount]>),
    /// A named address set changed.
    SetChanged(SetName),
    /// A new list of a named address set was refused; the text says why. The older one goes on, if there is one.
    SetRefused(SetName, String),
    /// The configuration was read anew.
    Reloaded,
    /// The configuration was not taken, the old one goes on; the text says why.
    ReloadFailed(String),
    /// Something about the machine keeps policies from their work, from now on.
    Warned {
        /// Name of what it is about; the doctor's check of that name says more.
        about: String,
        /// What is so, what follows, and what changes it.
        text: String,
    },
    /// It is no longer so.
    WarningOver(String),
    Started,
    /// The daemon ends in order.
    Stopping,
}

/// What is written down. Small, because it goes through several queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Verdict(Box<VerdictRecord>),
    Fault(Box<FaultRecord>),
    /// Of a turn, with its time.
    Notice(Timestamp, Box<Notice>),
}

impl Record {
    /// Whether people should be shown it where they look at nothing but alerts.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        match self {
            Self::Verdict(record) => record.is_alert(),
            // What the operator has banned or exempted is not what the list says.
            Self::Notice(_, notice) => matches!(**notice, Notice::SetRefused(..)),
            Self::Fault(_) => false,
        }
    }
}
