//! Flows that a plugin has protected for a time.
//!
//! They outlive the call and a reload: what one policy holds dear must not be lost to another because a file was edited.

use alloc::collections::BTreeMap;
use core::time::Duration;

use ctwarden_model::{FlowKey, PluginName, Steady};

/// A protection that a plugin asked for.
#[derive(Clone, Copy, Debug)]
struct Protection {
    until: Steady,
    /// From an observing plugin it holds for that plugin's own verdicts only, so that the simulation is right and nobody
    /// else is held back by it.
    observed: bool,
}

/// Flows that plugins have protected for a time; kept over reloads. Bounded for each plugin by
/// [`crate::PluginBounds::protections`].
#[derive(Debug, Default)]
pub(crate) struct PluginProtections {
    flows: BTreeMap<FlowKey, BTreeMap<PluginName, Protection>>,
    /// How many flows each plugin has in `flows`, ended protections included.
    held: BTreeMap<PluginName, usize>,
    /// When ended ones were last looked for: at most once a second, for it walks over all.
    tidied: Steady,
}

impl PluginProtections {
    /// Protects a flow; false where the plugin has as many as it may.
    pub(crate) fn add(
        &mut self,
        key: FlowKey,
        by: &PluginName,
        until: Steady,
        observed: bool,
        limit: usize,
        now: Steady,
    ) -> bool {
        let renewed = self.flows.get(&key).is_some_and(|protections| protections.contains_key(by));
        if !renewed && self.held_by(by) >= limit {
            self.forget_ended(now);
            if self.held_by(by) >= limit {
                return false;
            }
        }
        if self.flows.entry(key).or_default().insert(by.clone(), Protection { until, observed }).is_none() {
            *self.held.entry(by.clone()).or_default() += 1;
        }
        true
    }

    fn held_by(&self, by: &PluginName) -> usize {
        self.held.get(by).copied().unwrap_or(0)
    }

    fn forget_ended(&mut self, now: Steady) {
        if now.since(self.tidied) < Duration::from_secs(1) {
            return;
        }
        self.tidied = now;
        self.flows.retain(|_, protections| {
            protections.retain(|_, protection| protection.until > now);
            !protections.is_empty()
        });
        self.held.clear();
        for by in self.flows.values().flat_map(BTreeMap::keys) {
            *self.held.entry(by.clone()).or_default() += 1;
        }
    }

    /// Whether a verdict of the plugin on the flow is held off.
    pub(crate) fn hold(&self, key: &FlowKey, against: &PluginName, now: Steady) -> bool {
        self.flows.get(key).is_some_and(|protections| {
            protections.iter().any(|(by, protection)| protection.until > now && (!protection.observed || by == against))
        })
    }

    /// Whether there is none, ended ones included.
    pub(crate) fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Flows that are protected at the moment.
    pub(crate) fn count(&self, now: Steady) -> usize {
        let live = |protections: &&BTreeMap<PluginName, Protection>| protections.values().any(|p| p.until > now);
        self.flows.values().filter(live).count()
    }
}
