//! Requests that hold plugins back or change the configuration in force, and their answers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Lets plugins only observe for a time. Their protections hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The plugin; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// How long; without it, until the plugin is resumed or the daemon starts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// Ends a pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The plugin; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
}

/// Changes the mode of a plugin until the next reload or start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeMode {
    pub plugin: String,
    /// `observe` or `enforce`.
    pub mode: String,
}

/// What a request has done with one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedPlugin {
    pub plugin: String,
    /// In words: "paused until 2026-11-30T13:00:00Z".
    pub text: String,
    /// Whether the plugin is now as asked.
    pub done: bool,
}

/// Names that a new configuration adds, removes and changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Each name with what has changed, as "scan: mode observe -> enforce".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl Difference {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    pub plugins: Difference,
    pub sets: Difference,
    pub protections: Difference,
    /// Keys of `[daemon]` that have changed and take effect only after a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
}

impl fmt::Display for ReloadReport {
    /// One line for each change.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("plugin", &self.plugins), ("set", &self.sets), ("protection", &self.protections)];
        if parts.iter().all(|(_, part)| part.is_empty()) && self.needs_restart.is_empty() {
            return f.write_str("nothing has changed\n");
        }
        for (what, Difference { added, removed, changed }) in parts {
            for (sign, names) in [("+", added), ("-", removed), ("~", changed)] {
                names.iter().try_for_each(|name| writeln!(f, "{sign} {what} {name}"))?;
            }
        }
        self.needs_restart
            .iter()
            .try_for_each(|key| writeln!(f, "! [daemon] {key} has changed; restart ctwarden to apply the change"))
    }
}
