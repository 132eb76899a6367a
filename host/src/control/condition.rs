//! The condition of a plugin, from two states of the engine: the plugin's and the breaker's.

use ctwarden_control::PluginCondition;
use ctwarden_engine::{BreakerStatus, PauseStatus, PluginState, PluginStatus};
use ctwarden_model::Timestamp;

/// Returns the condition, the milliseconds until it changes by itself, and why the plugin is held back.
pub(crate) fn condition(plugin: &PluginStatus, now: Timestamp) -> (PluginCondition, Option<u64>, Option<String>) {
    let left = |until: Timestamp| Some(until.0.saturating_sub(now.0) / 1_000_000);
    match (&plugin.state, plugin.breaker) {
        (PluginState::Backoff { until }, _) => (PluginCondition::Restarting, left(*until), None),
        (PluginState::Starting, _) => (PluginCondition::Restarting, None, None),
        (PluginState::Quarantined { until, reason }, _) => {
            (PluginCondition::Quarantined, left(*until), Some(reason.clone()))
        }
        (PluginState::Failed { reason }, _) => (PluginCondition::Stopped, None, Some(reason.clone())),
        (PluginState::Running, BreakerStatus::Open { until, refused }) => {
            (PluginCondition::BreakerOpen, left(until), Some(over_budget(refused)))
        }
        (PluginState::Running, BreakerStatus::Closed) => match plugin.pause {
            PauseStatus::Paused { until } => (PluginCondition::Paused, until.and_then(left), None),
            PauseStatus::NotPaused => (PluginCondition::Running, None, None),
        },
    }
}

fn over_budget(refused: u64) -> String {
    format!(
        "it exceeded its budget by {refused} flows and changes within a minute, so it only observes for a time; if the \
         policy is right, raise its [plugin.budget]"
    )
}
