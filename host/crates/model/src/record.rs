//! Records: verdicts with their outcomes, faults, and notices of the daemon.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use crate::{
    Action, Block, ChangedSet, ClaimsChange, ClaimsChangeKind, Fault, Flaw, FlowKey, ListCounts, Mode, Outcome,
    PluginName, Prefix, Refusal, SetName, Tally, Timestamp, Unblock, Verdict, VerdictKind,
};

/// A verdict with its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRecord {
    /// Wall time at which the outcome was known.
    pub at: Timestamp,
    pub plugin: PluginName,
    /// The plugin's mode at that time.
    pub mode: Mode,
    /// The verdict as the plugin returned it.
    pub verdict: Verdict,
    /// The flow, if the verdict is about one flow.
    pub flow: Option<FlowKey>,
    /// For a selection: `applied` if the outcome of any flow is `applied`, otherwise the most frequent outcome.
    pub outcome: Outcome,
    /// The outcomes of the flows, for a verdict with a selection.
    pub tally: Option<Box<Tally>>,
    /// Time from the verdict's arrival to its outcome.
    pub took: Duration,
}

impl VerdictRecord {
    /// Whether the record is an alert that people should see.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        matches!((&self.verdict.action, self.outcome), (Action::Alert(_), Outcome::Applied | Outcome::Observed))
    }

    /// The reason of the refusal, for people. `None` if the verdict was not refused.
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
            (Refusal::Block(why), Action::Unblock(Unblock { set, network, .. })) => {
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
    /// Number of entries of the void call. The host does not deliver them again.
    pub entries: u64,
    /// Time until a fresh instance starts.
    pub restart_in: Duration,
    /// Whether the wait is a quarantine, because the plugin failed too often.
    pub quarantined: bool,
}

/// The number of verdicts of one kind and outcome that have no record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldedCount {
    pub kind: VerdictKind,
    /// Name of the outcome, one of [`Outcome::NAMES`].
    pub outcome: &'static str,
    pub count: u64,
}

/// A change of state that operators want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The kernel dropped events because the receive buffer was full (ENOBUFS). A sweep follows.
    Overrun,
    Swept {
        rows: u64,
        /// Whether the sweep missed nothing.
        complete: bool,
        took: Duration,
    },
    /// A fresh instance of a failed plugin is running.
    Restarted(PluginName),
    /// The plugin exceeded its budget too often, so it only observes for this duration.
    BreakerOpened(PluginName, Duration),
    /// The breaker closed, and the plugin may act again.
    BreakerClosed(PluginName),
    /// The operator paused the plugin for this duration, or until further notice. It only observes.
    Paused(PluginName, Option<Duration>),
    /// The pause of the plugin is over.
    Resumed(PluginName),
    /// The operator changed the mode of the plugin until the next reload.
    ModeChanged(PluginName, Mode),
    /// A flow was deleted `times` times within a minute and still comes back, so nothing drops its packets.
    ComesBack {
        plugin: PluginName,
        flow: FlowKey,
        times: u32,
        /// The block set and the network in it, if the plugin has blocked one of the addresses. Then no rule drops the
        /// networks of that set.
        blocked: Option<(SetName, Prefix)>,
    },
    /// The plugin's queue was full, and the host dropped this many entries.
    Missed(PluginName, u64),
    /// The plugin returned verdicts faster than the limit for records. These counts, by kind and outcome, stand for
    /// verdicts without a record of their own.
    RecordsFolded(PluginName, Box<[FoldedCount]>),
    /// The networks of an address set changed.
    SetChanged(ChangedSet),
    /// A person, a program or the passing of time changed claims on an address set. Claims of policies have verdicts.
    ClaimsChanged(Box<ClaimsChange>),
    /// Another program changed what the packet filter holds of the address sets, and the daemon repaired it. The text says
    /// where.
    FirewallRepaired(String),
    /// Lines of the list in use are wrong and were skipped, and the text gives the first reasons.
    SetLinesSkipped(ChangedSet, String),
    /// The new list of an address set was refused, and the text gives the reason. The previous list stays in use, if
    /// there is one.
    SetRefused {
        set: SetName,
        /// Counts of the refused list, if it could be read.
        counts: Option<ListCounts>,
        text: String,
    },
    /// The daemon read its configuration again and uses it.
    Reloaded,
    /// The new configuration was refused, and the text gives the reason. The old one stays in use.
    ReloadFailed(String),
    /// From now on, a condition of the machine hinders the policies.
    Warned {
        /// Name of the condition. The doctor's check of that name has more details.
        about: String,
        /// The condition, its consequence, and the remedy.
        text: String,
    },
    /// The condition of this name is over.
    WarningOver(String),
    Started,
    /// The daemon is shutting down in order.
    Stopping,
}

/// One record. It is small, because it passes through several queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Verdict(Box<VerdictRecord>),
    Fault(Box<FaultRecord>),
    /// A notice and its wall time.
    Notice(Timestamp, Box<Notice>),
}

impl Notice {
    /// The plugin that the notice is about.
    #[must_use]
    pub const fn plugin(&self) -> Option<&PluginName> {
        match self {
            Self::Restarted(plugin)
            | Self::BreakerOpened(plugin, _)
            | Self::BreakerClosed(plugin)
            | Self::Paused(plugin, _)
            | Self::Resumed(plugin)
            | Self::ModeChanged(plugin, _)
            | Self::ComesBack { plugin, .. }
            | Self::Missed(plugin, _)
            | Self::RecordsFolded(plugin, _) => Some(plugin),
            Self::Overrun
            | Self::Swept { .. }
            | Self::SetChanged(_)
            | Self::ClaimsChanged(_)
            | Self::FirewallRepaired(_)
            | Self::SetLinesSkipped(..)
            | Self::SetRefused { .. }
            | Self::Reloaded
            | Self::ReloadFailed(_)
            | Self::Warned { .. }
            | Self::WarningOver(_)
            | Self::Started
            | Self::Stopping => None,
        }
    }
}

impl Record {
    /// Whether people should see the record even if they look at alerts only.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        match self {
            Self::Verdict(record) => record.is_alert(),
            // After a refused list, the bans and exemptions in force are not those of the list. After skipped lines,
            // some of them are not. Before a repair, perhaps none was. An eviction ends bans early.
            Self::Notice(_, notice) => match &**notice {
                Notice::SetRefused { .. } | Notice::SetLinesSkipped(..) | Notice::FirewallRepaired(_) => true,
                Notice::ClaimsChanged(change) => matches!(change.what, ClaimsChangeKind::Evicted),
                Notice::Overrun
                | Notice::Swept { .. }
                | Notice::Restarted(_)
                | Notice::BreakerOpened(..)
                | Notice::BreakerClosed(_)
                | Notice::Paused(..)
                | Notice::Resumed(_)
                | Notice::ModeChanged(..)
                | Notice::ComesBack { .. }
                | Notice::Missed(..)
                | Notice::RecordsFolded(..)
                | Notice::SetChanged(_)
                | Notice::Reloaded
                | Notice::ReloadFailed(_)
                | Notice::Warned { .. }
                | Notice::WarningOver(_)
                | Notice::Started
                | Notice::Stopping => false,
            },
            Self::Fault(_) => false,
        }
    }
}
