//! Restarts failed plugins: after a growing wait, or after a quarantine if failures are frequent.
//!
//! No plugin stays dead unnoticed: each wait has an end, which the status shows. A fresh instance gets a sweep.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Fault, FaultRecord, Notice, Record, Steady};

use crate::intake::Intake;
use crate::verdicts::Verdicts;
use crate::{OnFailure, PluginId, RestartLimits};

/// Whether a plugin is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    #[default]
    Running,
    Backoff(Steady),
    /// Until then the plugin does not start, because it failed too often. The text is the last failure.
    Quarantined(Steady, String),
    /// The wait is over. A fresh instance is starting or about to start.
    Starting {
        /// Whether the program was asked to start it.
        told: bool,
    },
    /// The plugin never starts again. The text is the failure.
    Failed(String),
}

#[derive(Debug, Default)]
pub(crate) struct Supervision {
    pub(crate) life: Lifecycle,
    /// Failures in the window. At most as many as cause a quarantine.
    failures: VecDeque<Steady>,
}

/// How long a failed plugin waits for its restart.
struct RestartDecision {
    wait: Duration,
    quarantined: bool,
}

impl Supervision {
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self.life, Lifecycle::Running)
    }

    /// Whether the plugin runs or will run soon.
    pub(crate) const fn is_coming_back(&self) -> bool {
        match self.life {
            Lifecycle::Running | Lifecycle::Backoff(_) | Lifecycle::Starting { .. } => true,
            Lifecycle::Quarantined(..) | Lifecycle::Failed(_) => false,
        }
    }

    fn decide(&mut self, limits: &RestartLimits, now: Steady) -> RestartDecision {
        while self.failures.front().is_some_and(|first| now.since(*first) >= limits.window) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        let failures = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        if failures >= limits.failures {
            self.failures.clear();
            return RestartDecision { wait: limits.quarantine, quarantined: true };
        }
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        RestartDecision { wait: limits.backoff.saturating_mul(doubled).min(limits.backoff_max), quarantined: false }
    }

    /// When the plugin is to start again.
    pub(crate) const fn due(&self) -> Option<Steady> {
        match self.life {
            Lifecycle::Backoff(until) | Lifecycle::Quarantined(until, _) => Some(until),
            Lifecycle::Running | Lifecycle::Starting { .. } | Lifecycle::Failed(_) => None,
        }
    }
}

impl Intake {
    /// A plugin failed in a call with `entries` entries, or its instance failed to start.
    pub(super) fn fail(&mut self, verdicts: &mut Verdicts, id: PluginId, fault: Fault, entries: u64) {
        let (now, limits) = (verdicts.now(), self.config.bounds.restart.clone());
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        let name = plugin.spec.name.clone();
        let count = plugin.faults.entry(fault.name()).or_default();
        *count = count.saturating_add(1);
        plugin.last_fault = Some((now.wall, fault.clone()));
        let reason = fault.to_string();
        let decision = match plugin.spec.on_failure {
            OnFailure::Exit => {
                plugin.supervision.life = Lifecycle::Failed(reason.clone());
                self.exits.push_back(format!("plugin {name} {reason}, and its on-failure is exit"));
                RestartDecision { wait: Duration::MAX, quarantined: false }
            }
            OnFailure::Restart => {
                let decision = plugin.supervision.decide(&limits, now.steady);
                let until = now.steady.plus(decision.wait);
                plugin.supervision.life = if decision.quarantined {
                    Lifecycle::Quarantined(until, reason)
                } else {
                    Lifecycle::Backoff(until)
                };
                decision
            }
        };
        verdicts.record(Record::Fault(Box::new(FaultRecord {
            at: now.wall,
            plugin: name,
            fault,
            entries,
            restart_in: decision.wait,
            quarantined: decision.quarantined,
        })));
        self.leave_sweep(verdicts, id);
        self.clear_queue_of_failed(verdicts, id);
    }

    /// Clears the queue of a failed plugin. Sweeps are dropped, because a fresh instance gets a new one. Events and
    /// messages wait if a fresh instance comes soon, else they are dropped.
    fn clear_queue_of_failed(&mut self, verdicts: &mut Verdicts, id: PluginId) {
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        let mut rounds = plugin.queue.drop_sweep();
        let mut tickets = Vec::new();
        if !plugin.supervision.is_coming_back() {
            plugin.count_missed(plugin.queue.events() as u64);
            let (dropped, messages) = plugin.queue.clear();
            rounds.extend(dropped);
            tickets = messages;
        }
        let name = plugin.spec.name.clone();
        for round in rounds {
            verdicts.give_up(round, id);
        }
        for ticket in tickets {
            verdicts.message_failed(ticket, format!("plugin {name} failed before it got the message"));
        }
    }

    /// Marks the plugins whose wait is over for a start.
    pub(super) fn end_waits(&mut self, verdicts: &Verdicts) {
        let now = verdicts.now().steady;
        for plugin in self.plugins.iter_mut() {
            if plugin.supervision.due().is_some_and(|until| until <= now) {
                plugin.supervision.life = Lifecycle::Starting { told: false };
            }
        }
    }

    pub(crate) fn next_restart(&mut self) -> Option<PluginId> {
        if self.stopping {
            return None;
        }
        let waiting = |life: &Lifecycle| matches!(life, Lifecycle::Starting { told: false });
        let plugin = self.plugins.iter_mut().find(|plugin| waiting(&plugin.supervision.life))?;
        plugin.supervision.life = Lifecycle::Starting { told: true };
        Some(plugin.id)
    }

    pub(super) fn started(&mut self, verdicts: &mut Verdicts, id: PluginId) {
        let now = verdicts.now().steady;
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        if !matches!(plugin.supervision.life, Lifecycle::Starting { .. }) {
            return;
        }
        plugin.supervision.life = Lifecycle::Running;
        plugin.wants_sweep = plugin.spec.subscription.kinds.row;
        plugin.wind_clocks(now);
        let name = plugin.spec.name.clone();
        verdicts.notice(Notice::Restarted(name));
    }

    pub(crate) fn instance_failed(&mut self, verdicts: &mut Verdicts, id: PluginId, fault: Fault) {
        let starting = |life: &Lifecycle| matches!(life, Lifecycle::Starting { .. });
        if self.plugins.get(id).is_some_and(|plugin| starting(&plugin.supervision.life)) {
            self.fail(verdicts, id, fault, 0);
        }
    }
}
