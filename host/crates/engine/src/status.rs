//! Counters and states for `ctwarden status`.
//!
//! What a person needs to see that a plugin is healthy, held back or dead, and why.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Fault, Mode, Now, Outcome, PluginName, Steady, Tally, Timestamp, VerdictKind};

use crate::PluginId;
use crate::intake::Intake;
use crate::intake::roster::Plugin;
use crate::intake::supervise::Lifecycle;
use crate::verdicts::Verdicts;
use crate::verdicts::accounts::Account;

/// How many verdicts ended how: a row for each kind, a column for each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts([[u64; Outcome::NAMES.len()]; VerdictKind::ALL.len()]);

impl VerdictCounts {
    pub(crate) fn add(&mut self, kind: VerdictKind, outcome: Outcome) {
        let count = self.0.get_mut(kind.index()).and_then(|outcomes| outcomes.get_mut(outcome.index()));
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
    }

    /// The flows of a selection.
    pub(crate) fn add_tally(&mut self, kind: VerdictKind, tally: &Tally) {
        let Some(outcomes) = self.0.get_mut(kind.index()) else { return };
        for (count, more) in outcomes.iter_mut().zip(tally.by_outcome()) {
            *count = count.saturating_add(more);
        }
    }

    /// How many of that kind had the outcome of that name.
    #[must_use]
    pub fn get(&self, kind: VerdictKind, outcome: &str) -> u64 {
        self.iter().filter(|&(k, o, _)| k == kind && o == outcome).map(|(_, _, count)| count).sum()
    }

    /// All that are not zero: kind, name of the outcome, how many.
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

/// Whether a plugin is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginState {
    Running,
    /// It failed; a fresh instance starts then.
    Backoff {
        until: Timestamp,
    },
    /// It failed too often; a fresh instance starts then.
    Quarantined {
        until: Timestamp,
        reason: String,
    },
    /// A fresh instance is being started.
    Starting,
    /// It failed and the operator wants the daemon to end.
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
        /// Flows and verdicts that were over its budget within a minute or so before.
        refused: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginStatus {
    pub id: PluginId,
    pub name: PluginName,
    /// Its mode in the configuration.
    pub mode: Mode,
    /// Whether it is called.
    pub state: PluginState,
    /// Whether the breaker holds it back.
    pub breaker: BreakerStatus,
    /// Entries (events and rows) that wait in front of it.
    pub queue_entries: usize,
    /// Events that may wait.
    pub queue_limit: usize,
    /// Entries dropped in front of it.
    pub missed: u64,
    pub calls: u64,
    pub entries: u64,
    pub verdicts: VerdictCounts,
    /// How many of them have no record of their own.
    pub folded: u64,
    /// Flows that its verdicts were about, likewise: of a verdict over a selection each flow is counted.
    pub flows: VerdictCounts,
    /// Its failures by name ([`Fault::name`]).
    pub faults: BTreeMap<&'static str, u64>,
    /// The last one and when.
    pub last_fault: Option<(Timestamp, Fault)>,
    /// The last verdict of which all or a part was refused: when, of which kind, and why.
    pub last_refusal: Option<(Timestamp, VerdictKind, String)>,
}

/// Everything at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Plugins in the order of the configuration.
    pub plugins: Vec<PluginStatus>,
    /// Events taken in, expectation events included.
    pub events: u64,
    /// Sweeps that ended complete.
    pub sweeps: u64,
    /// Sweeps that ended early or were inconsistent.
    pub sweeps_interrupted: u64,
    /// Rows taken in; those that the program knew without reading the table are not counted, nor their sweeps.
    pub rows: u64,
    /// Whether a sweep runs or is wanted.
    pub sweeping: bool,
    /// Times that events were lost.
    pub overruns: u64,
    /// Effects handed out or waiting.
    pub effects_in_flight: usize,
    /// Verdicts without an outcome yet.
    pub open_verdicts: usize,
    /// Flows protected by plugins at the moment.
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
        mode: plugin.spec.mode,
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
        faults: plugin.faults.clone(),
        last_fault: plugin.last_fault.clone(),
        last_refusal: account.and_then(Account::last_refusal).cloned(),
    }
}

/// A moment of the steady clock as wall time, for people.
fn wall(at: Steady, now: Now) -> Timestamp {
    let nanos = u64::try_from(at.since(now.steady).as_nanos()).unwrap_or(u64::MAX);
    Timestamp(now.wall.0.saturating_add(nanos))
}
