//! What the configuration says about one plugin, to tell what a reload has changed.

use std::hash::{DefaultHasher, Hash, Hasher};

use ctwarden_model::{Grants, Mode};
use serde_json::Value;

use crate::config;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PluginOutline {
    mode: Mode,
    origin: config::ComponentOrigin,
    /// A hash of the component, which may have 64 MiB.
    component: u64,
    grants: Grants,
    on_failure: config::OnFailure,
    budget: config::Budget,
    limits: config::Limits,
    config: Value,
}

impl PluginOutline {
    pub(super) fn of(plugin: &config::Plugin) -> Self {
        let mut hasher = DefaultHasher::new();
        plugin.component.hash(&mut hasher);
        Self {
            mode: plugin.mode,
            origin: plugin.origin.clone(),
            component: hasher.finish(),
            grants: plugin.grants.clone(),
            on_failure: plugin.on_failure,
            budget: plugin.budget,
            limits: plugin.limits,
            config: plugin.config.clone(),
        }
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.mode
    }

    /// What differs in the newer configuration, in the words of its keys.
    pub(crate) fn changes(&self, newer: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.mode != newer.mode {
            changes.push(format!("mode {} -> {}", self.mode.name(), newer.mode.name()));
        }
        for (what, changed) in [
            ("component", (&self.origin, self.component) != (&newer.origin, newer.component)),
            ("grants", self.grants != newer.grants),
            ("on-failure", self.on_failure != newer.on_failure),
            ("budget", self.budget != newer.budget),
            ("limits", self.limits != newer.limits),
            ("config", self.config != newer.config),
        ] {
            if changed {
                changes.push(what.to_owned());
            }
        }
        changes
    }
}
