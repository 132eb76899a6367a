//! Flows that plugins have protected for a time.
//!
//! A protection outlives the call and a reload. An edited file must not expose a flow that one policy protects to the
//! verdicts of another.

use alloc::collections::BTreeMap;
use core::time::Duration;

use ctwarden_model::{FlowKey, PluginName, Steady};

/// A protection by one plugin.
#[derive(Clone, Copy, Debug)]
struct PluginProtection {
    until: Steady,
    /// Whether the plugin only observes. Its protection then holds for its own verdicts only: its simulation is
    /// correct, and no other plugin is held back.
    observed: bool,
}

/// Protected flows, kept over reloads. Bounded for each plugin by [`crate::PluginBounds::protections`].
#[derive(Debug, Default)]
pub(crate) struct PluginProtections {
    flows: BTreeMap<FlowKey, BTreeMap<PluginName, PluginProtection>>,
    /// Number of flows of each plugin in `flows`, ended protections included.
    held: BTreeMap<PluginName, usize>,
    /// When ended protections were last removed. This happens at most once a second, because it walks over all flows.
    tidied: Steady,
}

impl PluginProtections {
    /// Protects a flow. Returns false if the plugin protects its maximum number of flows.
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
        if self.flows.entry(key).or_default().insert(by.clone(), PluginProtection { until, observed }).is_none() {
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

    /// Whether a protection forbids a verdict of the plugin `against` on the flow.
    pub(crate) fn hold(&self, key: &FlowKey, against: &PluginName, now: Steady) -> bool {
        self.flows.get(key).is_some_and(|protections| {
            protections.iter().any(|(by, protection)| protection.until > now && (!protection.observed || by == against))
        })
    }

    /// Whether there is no protection. Ended protections may still count.
    pub(crate) fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Number of flows that are protected now.
    pub(crate) fn count(&self, now: Steady) -> usize {
        let live = |protections: &&BTreeMap<PluginName, PluginProtection>| protections.values().any(|p| p.until > now);
        self.flows.values().filter(live).count()
    }
}
