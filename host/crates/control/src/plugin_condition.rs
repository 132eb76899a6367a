//! The condition of a plugin in the status. One word covers two states of the engine: the plugin's and the breaker's.

use serde::{Deserialize, Serialize};

use crate::terminal::Paint;

/// The condition of a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginCondition {
    #[default]
    Running,
    /// The plugin failed. A fresh instance starts soon.
    Restarting,
    /// The plugin failed repeatedly. A fresh instance starts at the given time.
    Quarantined,
    /// The plugin exceeded its budget repeatedly. It only observes until the given time.
    BreakerOpen,
    /// The operator has paused the plugin. It only observes until it is resumed, or until the given time.
    Paused,
    /// The plugin ended and does not start again.
    Stopped,
}

impl PluginCondition {
    /// The name in the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
            Self::BreakerOpen => "breaker-open",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// The colour that a person expects of it.
    #[must_use]
    pub const fn paint(self) -> Paint {
        match self {
            Self::Running => Paint::Green,
            Self::Restarting | Self::BreakerOpen | Self::Paused => Paint::Yellow,
            Self::Quarantined | Self::Stopped => Paint::Red,
        }
    }
}
