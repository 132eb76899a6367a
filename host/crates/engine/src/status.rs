//! Counters and states for `ctwarden status`.
//!
//! What a person needs to see that a plugin is healthy, held back or dead, and why.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Fault, Mode, Outcome, PluginName, Timestamp, VerdictKind};

use crate::PluginId;

/// How many verdicts ended how: by kind and by the name of the outcome ([`Outcome::NAMES`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts(BTreeMap<(VerdictKind, &'static str), u64>);

impl VerdictCounts {
    pub(crate) fn add(&mut self, kind: VerdictKind, outcome: Outcome) {
        let count = self.0.entry((kind, outcome.name())).or_default();
        *count = count.saturating_add(1);
    }

    /// How many of that kind had the outcome of that name.
    #[must_use]
    pub fn get(&self, kind: VerdictKind, outcome: &str) -> u64 {
        self.iter().filter(|&(k, o, _)| k == kind && o == outcome).map(|(_, _, count)| count).sum()
    }

    /// All that are not zero: kind, name of the outcome, how many.
    pub fn iter(&self) -> impl Iterator<Item = (VerdictKind, &'static str, u64)> {
        self.0.iter().map(|(&(kind, outcome), &count)| (kind, outcome, count))
    }

    /// All verdicts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Whether a plugin is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// It is called.
    Running,
    /// It failed; a fresh instance starts then.
    Backoff {
        /// When.
        until: Timestamp,
    },
    /// It failed too often; a fresh instance starts then.
    Quarantined {
        /// When.
        until: Timestamp,
        /// The last failure.
        reason: String,
    },
    /// A fresh instance is being started.
    Starting,
    /// It failed and the operator wants the daemon to end.
    Failed {
        /// The failure.
        reason: String,
    },
}

/// Whether the breaker holds a plugin back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerStatus {
    /// It does not.
    Closed,
    /// The plugin only observes.
    Open {
        /// Until then.
        until: Timestamp,
    },
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginStatus {
    /// Which.
    pub id: PluginId,
    /// Its name.
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
    /// Calls made.
    pub calls: u64,
    /// Entries delivered.
    pub entries: u64,
    /// Its verdicts.
    pub verdicts: VerdictCounts,
    /// Its failures by name ([`Fault::name`]).
    pub faults: BTreeMap<&'static str, u64>,
    /// The last one and when.
    pub last_fault: Option<(Timestamp, Fault)>,
}

/// Everything at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Plugins in the order of the configuration.
    pub plugins: Vec<PluginStatus>,
    /// Events taken in, expectation events included.
    pub events: u64,
    /// Sweeps ended.
    pub sweeps: u64,
    /// Rows taken in.
    pub rows: u64,
    /// Times that events were lost.
    pub gaps: u64,
    /// Effects handed out or waiting.
    pub effects_in_flight: usize,
    /// Verdicts without an outcome yet.
    pub open_verdicts: usize,
    /// Flows protected by plugins at the moment.
    pub protections: usize,
}
