//! The configured plugins, each with its queue and its state.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{Event, Fault, PluginName, Steady, Timestamp};

use crate::ids::VerdictId;
use crate::intake::queue::Queue;
use crate::intake::supervise::Supervision;
use crate::per_plugin::PerPlugin;
use crate::{CallId, PluginId, PluginSpec};

/// One plugin and its queue. [`crate::verdicts::accounts`] has the counts and budgets of its verdicts.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) id: PluginId,
    pub(crate) spec: Arc<PluginSpec>,
    pub(crate) queue: Queue,
    pub(crate) supervision: Supervision,
    /// The call without an answer.
    pub(crate) outstanding: Option<CallId>,
    /// Whether the last call brought reports. Reports and other calls take turns.
    pub(crate) reported_last: bool,
    /// Whether the plugin needs a sweep.
    pub(crate) wants_sweep: bool,
    /// Open verdicts of the plugin that request rows.
    pub(crate) asked: Vec<VerdictId>,
    /// Whether entries were dropped since the queue was last empty.
    pub(crate) is_behind: bool,
    /// Dropped entries that no notice has reported yet, and the time of the last notice.
    pub(crate) unnoticed: u64,
    pub(crate) noticed: Option<Steady>,
    /// Interrupted sweeps for the plugin since the last complete one.
    pub(crate) interrupted: u8,
    pub(crate) next_tick: Option<Steady>,
    pub(crate) next_sweep: Option<Steady>,
    pub(crate) missed: u64,
    pub(crate) calls: u64,
    pub(crate) entries: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) last_fault: Option<(Timestamp, Fault)>,
}

impl Plugin {
    fn new(id: PluginId, spec: Arc<PluginSpec>, now: Steady) -> Self {
        let mut plugin = Self {
            id,
            queue: Queue::default(),
            supervision: Supervision::default(),
            outstanding: None,
            reported_last: false,
            wants_sweep: spec.subscription.kinds.row,
            asked: Vec::new(),
            is_behind: false,
            unnoticed: 0,
            noticed: None,
            interrupted: 0,
            next_tick: None,
            next_sweep: None,
            missed: 0,
            calls: 0,
            entries: 0,
            faults: BTreeMap::new(),
            last_fault: None,
            spec,
        };
        plugin.wind_clocks(now);
        plugin
    }

    /// Whether the plugin can be called now and its queue is empty.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_free() && self.queue.is_empty()
    }

    /// Whether the plugin can be called now.
    pub(crate) fn is_free(&self) -> bool {
        self.supervision.is_running() && self.outstanding.is_none()
    }

    /// Whether entries are queued for the plugin: while it runs, and during a short pause.
    pub(crate) fn takes_entries(&self) -> bool {
        self.supervision.is_coming_back()
    }

    /// Whether the plugin subscribes to the event.
    pub(crate) fn subscribes(&self, event: &Event) -> bool {
        let subscription = &self.spec.subscription;
        subscription.kinds.contains(event.kind)
            && (subscription.own_changes || !event.by_us)
            && (subscription.filters.is_empty() || subscription.filters.iter().any(|f| f.matches(&event.flow)))
    }

    /// Whether the plugin subscribes to any events.
    pub(crate) fn wants_events(&self) -> bool {
        let kinds = self.spec.subscription.kinds;
        kinds.new || kinds.update || kinds.destroy
    }

    /// Counts entries dropped from the queue.
    pub(crate) const fn count_missed(&mut self, entries: u64) {
        self.is_behind |= entries > 0;
        self.unnoticed = self.unnoticed.saturating_add(entries);
        self.missed = self.missed.saturating_add(entries);
    }
}

/// The plugins in the order of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    plugins: PerPlugin<Plugin>,
    next: u32,
}

impl Roster {
    /// The id of the first plugin of the next set.
    pub(crate) const fn next_id(&self) -> PluginId {
        PluginId(self.next)
    }

    /// Replaces the set. New plugins get new ids. Returns the old plugins.
    pub(crate) fn swap(&mut self, specs: Vec<Arc<PluginSpec>>, now: Steady) -> Vec<Plugin> {
        let first = self.next_id();
        let mut plugins = Vec::with_capacity(specs.len());
        for spec in specs {
            plugins.push(Plugin::new(PluginId(self.next), spec, now));
            self.next += 1;
        }
        core::mem::replace(&mut self.plugins, PerPlugin::new(first, plugins)).into_values()
    }

    pub(crate) fn get(&self, id: PluginId) -> Option<&Plugin> {
        self.plugins.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: PluginId) -> Option<&mut Plugin> {
        self.plugins.get_mut(id)
    }

    pub(crate) fn by_name_mut(&mut self, name: &PluginName) -> Option<&mut Plugin> {
        self.plugins.iter_mut().find(|plugin| plugin.spec.name == *name)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.spec.name.as_str() == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Plugin> {
        self.plugins.iter_mut()
    }

    pub(crate) fn ids(&self) -> Vec<PluginId> {
        self.plugins.ids().collect()
    }

    /// All ids in turn, beginning with the one after `last`.
    pub(crate) fn ids_after(&self, last: Option<PluginId>) -> impl Iterator<Item = PluginId> + use<> {
        self.plugins.ids_after(last)
    }
}
