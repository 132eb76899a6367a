//! The condition of a plugin in the status. One word covers two states of the engine: the plugin's and the breaker's.

use ctwarden_engine::{BreakerStatus, PluginState, PluginStatus};
use ctwarden_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::terminal::Paint;

/// The condition of a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PluginCondition {
    #[default]
    Running,
    /// The plugin failed. A fresh instance starts soon.
    Restarting,
    /// The plugin failed repeatedly. A fresh instance starts at the given time.
    Quarantined,
    /// The plugin exceeded its budget repeatedly. It only observes until the given time.
    BreakerOpen,
    /// The plugin ended and does not start again.
    Stopped,
}

impl PluginCondition {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
            Self::BreakerOpen => "breaker-open",
            Self::Stopped => "stopped",
        }
    }

    pub(super) const fn paint(self) -> Paint {
        match self {
            Self::Running => Paint::Green,
            Self::Restarting | Self::BreakerOpen => Paint::Yellow,
            Self::Quarantined | Self::Stopped => Paint::Red,
        }
    }
}

impl PluginCondition {
    /// Returns the condition, the milliseconds until it changes by itself, and why the plugin is held back.
    pub(crate) fn of(plugin: &PluginStatus, now: Timestamp) -> (Self, Option<u64>, Option<String>) {
        let left = |until: Timestamp| Some(until.0.saturating_sub(now.0) / 1_000_000);
        match (&plugin.state, plugin.breaker) {
            (PluginState::Backoff { until }, _) => (Self::Restarting, left(*until), None),
            (PluginState::Starting, _) => (Self::Restarting, None, None),
            (PluginState::Quarantined { until, reason }, _) => (Self::Quarantined, left(*until), Some(reason.clone())),
            (PluginState::Failed { reason }, _) => (Self::Stopped, None, Some(reason.clone())),
            (PluginState::Running, BreakerStatus::Open { until, refused }) => {
                (Self::BreakerOpen, left(until), Some(over_budget(refused)))
            }
            (PluginState::Running, BreakerStatus::Closed) => (Self::Running, None, None),
        }
    }
}

fn over_budget(refused: u64) -> String {
    format!(
        "it exceeded its budget by {refused} flows and changes within a minute, so it only observes for a time; if the \
         policy is right, raise its [plugin.budget]"
    )
}
