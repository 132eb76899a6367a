//! Counters and states for `ctwarden status`.
//!
//! They show whether a plugin is healthy, held back or dead, and why.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Fault, Mode, Now, Outcome, PluginName, Steady, Tally, Timestamp, VerdictKind};

use crate::PluginId;
use crate::intake::Intake;
use crate::intake::roster::Plugin;
use crate::intake::supervise::Lifecycle;
use crate::verdicts::Verdicts;
use crate::verdicts::accounts::Account;
use crate::verdicts::steering::PauseStatus;

/// Counts of verdicts by outcome: a row for each kind, a column for each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts([[u64; Outcome::NAMES.len()]; VerdictKind::ALL.len()]);

impl VerdictCounts {
    pub(crate) fn add(&mut self, kind: VerdictKind, outcome: Outcome) {
        let count = self.0.get_mut(kind.index()).and_then(|outcomes| outcomes.get_mut(outcome.index()));
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
    }

    /// Adds the flows of a selection.
    pub(crate) fn add_tally(&mut self, kind: VerdictKind, tally: &Tally) {
        let Some(outcomes) = self.0.get_mut(kind.index()) else { return };
        for (count, more) in outcomes.iter_mut().zip(tally.by_outcome()) {
            *count = count.saturating_add(more);
        }
    }

    /// The number of verdicts of a kind that had the outcome of that name.
    #[must_use]
    pub fn get(&self, kind: VerdictKind, outcome: &str) -> u64 {
        self.iter().filter(|&(k, o, _)| k == kind && o == outcome).map(|(_, _, count)| count).sum()
    }

    /// All counts that are not zero: kind, name of the outcome, count.
    pub fn iter(&self) -> impl Iterator<Item = (VerdictKind, &'static str, u64)> {
        let rows = VerdictKind::ALL.into_iter().zip(&self.0);
        let all = rows.flat_map(|(kind, outcomes)| {
            Outcome::NAMES.into_iter().zip(outcomes).map(move |(outcome, &count)| (kind, outcome, count))
        });
        all.filter(|(_, _, count)| *count > 0)
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Counts of verdicts by code. A code that the plugin did not declare counts as [`Self::OTHER`], so that a plugin cannot
/// make ever more labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeCounts(BTreeMap<String, VerdictCounts>);

impl CodeCounts {
    /// Counts for all codes that the plugin did not declare.
    pub const OTHER: &'static str = "other";

    pub(crate) fn add(&mut self, declared: &BTreeSet<String>, code: &str, kind: VerdictKind, outcome: Outcome) {
        let label = if declared.contains(code) { code } else { Self::OTHER };
        if let Some(counts) = self.0.get_mut(label) {
            counts.add(kind, outcome);
        } else {
            self.0.entry(label.to_owned()).or_default().add(kind, outcome);
        }
    }

    /// The counts of each code that a verdict had, in the order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VerdictCounts)> {
        self.0.iter().map(|(code, counts)| (code.as_str(), counts))
    }
}

/// Whether a plugin is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginState {
    Running,
    /// The plugin failed. A fresh instance starts at `until`.
    Backoff {
        until: Timestamp,
    },
    /// The plugin failed too often. A fresh instance starts at `until`.
    Quarantined {
        until: Timestamp,
        reason: String,
    },
    /// A fresh instance is being started.
    Starting,
    /// The plugin failed, and its configuration says that the daemon exits.
    Failed {
        reason: String,
    },
}

/// Whether the breaker holds a plugin back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerStatus {
    Closed,
    /// The plugin only observes.
    Open {
        until: Timestamp,
        /// Flows and verdicts that were over budget within about a minute before the breaker opened.
        refused: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginStatus {
    pub id: PluginId,
    pub name: PluginName,
    /// The current mode. The plugin only observes while it is paused or its breaker is open, whatever its mode is.
    pub mode: Mode,
    /// The mode in the configuration.
    pub configured_mode: Mode,
    pub pause: PauseStatus,
    pub state: PluginState,
    pub breaker: BreakerStatus,
    /// Entries (events and rows) that wait in the plugin's queue.
    pub queue_entries: usize,
    /// Maximum number of events in the queue.
    pub queue_limit: usize,
    /// Entries dropped from the queue.
    pub missed: u64,
    pub calls: u64,
    pub entries: u64,
    pub verdicts: VerdictCounts,
    /// How many of these verdicts have no record of their own.
    pub folded: u64,
    /// Flows of the verdicts, by outcome. Each flow of a selection counts.
    pub flows: VerdictCounts,
    /// The verdicts by code.
    pub codes: CodeCounts,
    /// Faults of the plugin by name ([`Fault::name`]).
    pub faults: BTreeMap<&'static str, u64>,
    /// Time and content of the last fault.
    pub last_fault: Option<(Timestamp, Fault)>,
    /// The last verdict that was refused in whole or in part: time, kind and reason.
    pub last_refusal: Option<(Timestamp, VerdictKind, String)>,
}

/// The status of the engine and its plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Plugins in the order of the configuration.
    pub plugins: Vec<PluginStatus>,
    /// Received events, including expectation events.
    pub events: u64,
    /// Number of sweeps that ended complete.
    pub sweeps: u64,
    /// Sweeps that ended early or were inconsistent.
    pub sweeps_interrupted: u64,
    /// Received rows. Rows that the program knew without reading the table do not count, and their sweeps do not count
    /// either.
    pub rows: u64,
    /// Whether a sweep runs or is needed.
    pub sweeping: bool,
    /// Number of overruns (`ENOBUFS`) since the start of the engine.
    pub overruns: u64,
    /// Effects that wait or were handed out.
    pub effects_in_flight: usize,
    /// Verdicts without an outcome.
    pub open_verdicts: usize,
    /// Flows that plugins protect now.
    pub protections: usize,
}

impl Status {
    pub(crate) fn of(intake: &Intake, verdicts: &Verdicts, now: Now) -> Self {
        let sweeps = intake.sweeps();
        Self {
            plugins: intake.plugins().map(|plugin| plugin_status(plugin, verdicts.account(plugin.id), now)).collect(),
            events: intake.events(),
            sweeps: sweeps.ended(),
            sweeps_interrupted: sweeps.interrupted(),
            rows: sweeps.rows(),
            sweeping: sweeps.is_running() || intake.sweep_due(verdicts).is_some(),
            overruns: intake.overruns(),
            effects_in_flight: verdicts.effects_in_flight(),
            open_verdicts: verdicts.open_verdicts(),
            protections: verdicts.plugin_protections(now.steady),
        }
    }
}

fn plugin_status(plugin: &Plugin, account: Option<&Account>, now: Now) -> PluginStatus {
    let breaker = account.map(|account| account.breaker_status(|at| wall(at, now), now.steady));
    PluginStatus {
        id: plugin.id,
        name: plugin.spec.name.clone(),
        mode: account.map_or(plugin.spec.mode, Account::current_mode),
        configured_mode: plugin.spec.mode,
        pause: account.map_or(PauseStatus::NotPaused, |account| account.pause_status(|at| wall(at, now), now.steady)),
        state: match &plugin.supervision.life {
            Lifecycle::Running => PluginState::Running,
            Lifecycle::Backoff(until) => PluginState::Backoff { until: wall(*until, now) },
            Lifecycle::Quarantined(until, reason) => {
                PluginState::Quarantined { until: wall(*until, now), reason: reason.clone() }
            }
            Lifecycle::Starting { .. } => PluginState::Starting,
            Lifecycle::Failed(reason) => PluginState::Failed { reason: reason.clone() },
        },
        breaker: breaker.unwrap_or(BreakerStatus::Closed),
        queue_entries: plugin.queue.events() + plugin.queue.rows(),
        queue_limit: plugin.spec.limits.queue_entries,
        missed: plugin.missed,
        calls: plugin.calls,
        entries: plugin.entries,
        verdicts: account.map(Account::verdicts).cloned().unwrap_or_default(),
        folded: account.map_or(0, Account::folded),
        flows: account.map(Account::flows).cloned().unwrap_or_default(),
        codes: account.map(Account::codes).cloned().unwrap_or_default(),
        faults: plugin.faults.clone(),
        last_fault: plugin.last_fault.clone(),
        last_refusal: account.and_then(Account::last_refusal).cloned(),
    }
}

/// Converts a time of the steady clock to wall time for display.
fn wall(at: Steady, now: Now) -> Timestamp {
    let nanos = u64::try_from(at.since(now.steady).as_nanos()).unwrap_or(u64::MAX);
    Timestamp(now.wall.0.saturating_add(nanos))
}
