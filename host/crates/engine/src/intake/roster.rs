//! One plugin as the engine keeps it, and the roster of those that are configured now.
//!
//! Everything about one plugin is in one place, so that a reload swaps it whole and a fault can be seen to leave the
//! others alone.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Event, Fault, Mode, PluginName, Steady, Timestamp, VerdictKind};

use crate::ids::VerdictId;
use crate::intake::queue::Queue;
use crate::intake::supervise::Supervision;
use crate::verdicts::alerts::Alerts;
use crate::verdicts::blocked::Blocked;
use crate::verdicts::breaker::Breaker;
use crate::verdicts::budget::Budget;
use crate::verdicts::record_rate::Pace;
use crate::verdicts::repeats::Repeats;
use crate::{CallId, PluginId, PluginSpec, VerdictCounts};

#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) id: PluginId,
    pub(crate) spec: PluginSpec,
    pub(crate) queue: Queue,
    pub(crate) supervision: Supervision,
    /// The call that it has not answered.
    pub(crate) outstanding: Option<CallId>,
    pub(crate) budget: Budget,
    pub(crate) blocked: Blocked,
    pub(crate) repeats: Repeats,
    /// When it was told last that flows come back that it deletes.
    pub(crate) told_of_repeats: Option<Steady>,
    pub(crate) breaker: Breaker,
    pub(crate) alerts: Alerts,
    pub(crate) pace: Pace,
    /// Bytes of its verdicts without an outcome.
    pub(crate) open_bytes: usize,
    /// Whether the table has to be swept for it.
    pub(crate) wants_sweep: bool,
    /// Sweeps that it asked for, each an open verdict.
    pub(crate) asked: Vec<VerdictId>,
    /// Verdicts of it that wait for a sweep or are served by one.
    pub(crate) awaiting_sweep: usize,
    /// Whether entries were dropped since its queue was last drained.
    pub(crate) is_behind: bool,
    /// Entries dropped of which no notice was given yet, and when the last one was.
    pub(crate) unnoticed: u64,
    pub(crate) noticed: Option<Steady>,
    /// Sweeps for it that were interrupted since the last complete one.
    pub(crate) interrupted: u8,
    pub(crate) next_tick: Option<Steady>,
    pub(crate) next_sweep: Option<Steady>,
    pub(crate) counts: VerdictCounts,
    /// The same of the flows that they were about.
    pub(crate) flows: VerdictCounts,
    pub(crate) missed: u64,
    pub(crate) calls: u64,
    pub(crate) entries: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) last_fault: Option<(Timestamp, Fault)>,
    pub(crate) last_refusal: Option<(Timestamp, VerdictKind, String)>,
}

impl Plugin {
    pub(crate) fn new(id: PluginId, spec: PluginSpec, now: Steady) -> Self {
        let mut plugin = Self {
            id,
            queue: Queue::default(),
            supervision: Supervision::default(),
            outstanding: None,
            budget: Budget::new(&spec.limits, now),
            blocked: Blocked::default(),
            repeats: Repeats::default(),
            told_of_repeats: None,
            breaker: Breaker::default(),
            alerts: Alerts::new(&spec.limits, now),
            pace: Pace::new(&spec.limits, now),
            open_bytes: 0,
            wants_sweep: spec.subscription.kinds.row,
            asked: Vec::new(),
            awaiting_sweep: 0,
            is_behind: false,
            unnoticed: 0,
            noticed: None,
            interrupted: 0,
            next_tick: None,
            next_sweep: None,
            counts: VerdictCounts::default(),
            flows: VerdictCounts::default(),
            missed: 0,
            calls: 0,
            entries: 0,
            faults: BTreeMap::new(),
            last_fault: None,
            last_refusal: None,
            spec,
        };
        plugin.wind_clocks(now);
        plugin
    }

    /// Whether its verdicts are carried out now.
    pub(crate) fn mode(&self, now: Steady) -> Mode {
        if self.breaker.is_open(now) { Mode::Observe } else { self.spec.mode }
    }

    /// Whether it could be called now and nothing waits in front of it.
    pub(crate) fn is_idle(&self) -> bool {
        self.supervision.is_running() && self.outstanding.is_none() && self.queue.is_empty()
    }

    /// Whether it could be called now and has anything to be called with. Not while its verdicts without an outcome hold too
    /// much memory: what waits in front of it is bounded, what it returns is not.
    pub(crate) fn can_be_called(&self) -> bool {
        self.supervision.is_running()
            && self.outstanding.is_none()
            && !self.queue.is_empty()
            && self.open_bytes < self.spec.limits.open_bytes
    }

    /// Whether entries are kept for it: while it runs, and over a short pause.
    pub(crate) fn takes_entries(&self) -> bool {
        self.supervision.is_coming_back()
    }

    /// Whether the event is one that it subscribed to.
    pub(crate) fn subscribes(&self, event: &Event) -> bool {
        let subscription = &self.spec.subscription;
        subscription.kinds.contains(event.kind)
            && (subscription.own_changes || !event.by_us)
            && (subscription.filters.is_empty() || subscription.filters.iter().any(|f| f.matches(&event.flow)))
    }

    /// Whether it wants any events.
    pub(crate) const fn wants_events(&self) -> bool {
        let kinds = self.spec.subscription.kinds;
        kinds.new || kinds.update || kinds.destroy
    }

    /// Entries dropped in front of it are counted.
    pub(crate) const fn count_missed(&mut self, entries: u64) {
        self.is_behind |= entries > 0;
        self.unnoticed = self.unnoticed.saturating_add(entries);
        self.missed = self.missed.saturating_add(entries);
    }
}

/// The plugins of the configuration, in its order.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    plugins: Vec<Plugin>,
    first: u32,
    next: u32,
}

impl Roster {
    /// Swaps the set: new plugins get new ids, the old ones are returned.
    pub(crate) fn swap(&mut self, specs: Vec<PluginSpec>, now: Steady) -> Vec<Plugin> {
        self.first = self.next;
        let plugins = specs
            .into_iter()
            .map(|spec| {
                let id = PluginId(self.next);
                self.next += 1;
                Plugin::new(id, spec, now)
            })
            .collect();
        core::mem::replace(&mut self.plugins, plugins)
    }

    fn place(&self, id: PluginId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first)?).ok()
    }

    pub(crate) fn get(&self, id: PluginId) -> Option<&Plugin> {
        self.plugins.get(self.place(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: PluginId) -> Option<&mut Plugin> {
        let place = self.place(id)?;
        self.plugins.get_mut(place)
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
        self.plugins.iter().map(|plugin| plugin.id).collect()
    }

    /// The ids, beginning after the one that was last served.
    pub(crate) fn ids_after(&self, last: Option<PluginId>) -> impl Iterator<Item = PluginId> {
        let count = self.plugins.len();
        let start = last.and_then(|id| self.place(id)).map_or(0, |place| place.saturating_add(1));
        let first = self.first;
        (0..count).filter_map(move |step| {
            let place = (start + step).checked_rem(count)?;
            Some(PluginId(first + u32::try_from(place).ok()?))
        })
    }
}
