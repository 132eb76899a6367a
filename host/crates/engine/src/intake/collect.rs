//! Collects single events into shared rounds.
//!
//! Events are collected while every plugin that subscribes to them is busy. Batches therefore grow with the load, and a
//! quiet host still gets its verdict at once. Each entry is decoded and stored once, for any number of plugins.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{Cause, Entries, Event, EventKind, EventKinds, ExpectationEvent, Filter, Steady};

use crate::PluginId;
use crate::intake::Intake;
use crate::intake::queue::Item;
use crate::intake::roster::Plugin;
use crate::verdicts::ends::{Received, Told};
use crate::verdicts::{Collecting, Verdicts};

/// Events that are in no round yet. At most [`crate::EngineBounds::batch_entries`] of each kind.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    events: Vec<Event>,
    /// When the first of these events came.
    since: Steady,
    expectations: Vec<ExpectationEvent>,
    /// How many batches of events were collected before.
    number: u64,
}

impl Collected {
    /// The position of the next event.
    pub(crate) const fn collecting(&self) -> Collecting {
        Collecting { batch: self.number, len: self.events.len() }
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.expectations.clear();
    }
}

impl Intake {
    pub(crate) fn collect(&mut self, verdicts: &mut Verdicts, event: Event) {
        self.events = self.events.saturating_add(1);
        if event.kind == EventKind::Destroy {
            verdicts.hear_of_end(event.flow.key(), self.collected.collecting());
        }
        let wanted = |plugin: &Plugin| {
            plugin.takes_entries()
                && plugin.spec.subscription.kinds.contains(event.kind)
                && (plugin.spec.subscription.own_changes || !event.by_us)
        };
        if self.stopping || !self.plugins.iter().any(wanted) {
            return;
        }
        if self.collected.events.is_empty() {
            self.collected.since = verdicts.now().steady;
        }
        self.collected.events.push(event);
        if self.collected.events.len() >= self.batch_entries() {
            self.flush_collected(verdicts);
        }
    }

    pub(crate) fn collect_expectation(&mut self, verdicts: &mut Verdicts, event: ExpectationEvent) {
        if event.kind == EventKind::Row {
            self.expectation_row(verdicts, event);
            return;
        }
        self.events = self.events.saturating_add(1);
        if self.stopping || !self.plugins.iter().any(|p| p.takes_entries() && p.spec.subscription.expectations) {
            return;
        }
        self.collected.expectations.push(event);
        if self.collected.expectations.len() >= self.batch_entries() {
            self.flush_collected(verdicts);
        }
    }

    /// Maximum number of entries in one call.
    pub(super) fn batch_entries(&self) -> usize {
        self.config.bounds.batch_entries.max(1)
    }

    /// The socket is empty. Offers the collected events, unless all their subscribers are busy. Then events are
    /// collected until one subscriber is idle.
    pub(crate) fn flush_to_idle(&mut self, verdicts: &mut Verdicts) {
        let takes = |plugin: &Plugin| plugin.wants_events() || plugin.spec.subscription.expectations;
        if self.plugins.iter().any(|plugin| plugin.is_idle() && takes(plugin)) {
            self.flush_collected(verdicts);
        }
    }

    /// Offers the collected events. To keep the order, this also runs before anything else is queued.
    pub(super) fn flush_collected(&mut self, verdicts: &mut Verdicts) {
        if !self.collected.events.is_empty() {
            // The next batch is usually as large. The shrunk batch takes no more memory in the queues than its entries.
            let next = Vec::with_capacity(self.collected.events.len());
            let mut events = core::mem::replace(&mut self.collected.events, next);
            events.shrink_to_fit();
            let events = Arc::new(events);
            let told = Told { at: self.collected.since, received: Received::Events(self.collected.number) };
            self.collected.number += 1;
            let parts = self
                .plugins
                .iter()
                .filter(|plugin| plugin.takes_entries())
                .filter_map(|plugin| Some((plugin.id, part(&events, |event| plugin.subscribes(event))?)))
                .collect();
            self.offer(verdicts, Cause::Events, told, parts);
        }
        if !self.collected.expectations.is_empty() {
            let events = core::mem::take(&mut self.collected.expectations);
            let takers: Vec<PluginId> = self
                .plugins
                .iter()
                .filter(|plugin| plugin.takes_entries() && plugin.spec.subscription.expectations)
                .map(|plugin| plugin.id)
                .collect();
            self.offer_expectations(verdicts, Cause::Events, &events, &takers);
        }
    }

    /// Queues each plugin's part of shared entries.
    pub(super) fn offer(&mut self, verdicts: &mut Verdicts, cause: Cause, told: Told, parts: Vec<(PluginId, Entries)>) {
        if parts.is_empty() {
            return;
        }
        let round = verdicts.begin_round(parts.iter().map(|(plugin, _)| *plugin).collect());
        for (plugin, entries) in parts {
            self.enqueue(verdicts, plugin, Item::Entries { round, cause: cause.clone(), entries, told });
        }
    }

    /// Queues for each of `takers` the expectations to which it subscribes.
    pub(super) fn offer_expectations(
        &mut self,
        verdicts: &mut Verdicts,
        cause: Cause,
        events: &[ExpectationEvent],
        takers: &[PluginId],
    ) {
        let part = |plugin: &Plugin| -> Arc<[ExpectationEvent]> {
            let subscription = &plugin.spec.subscription;
            let wanted = |event: &&ExpectationEvent| {
                (cause == Cause::SweepRows || subscription.kinds.contains(event.kind))
                    && (subscription.own_changes || !event.by_us)
            };
            events.iter().filter(wanted).cloned().collect()
        };
        let parts: Vec<(PluginId, Arc<[ExpectationEvent]>)> = takers
            .iter()
            .filter_map(|&id| Some((id, part(self.plugins.get(id)?))))
            .filter(|(_, part)| !part.is_empty())
            .collect();
        if parts.is_empty() {
            return;
        }
        let waiting: BTreeSet<PluginId> = parts.iter().map(|(id, _)| *id).collect();
        let round = verdicts.begin_round(waiting);
        for (plugin, events) in parts {
            self.enqueue(verdicts, plugin, Item::Expectations { round, cause: cause.clone(), events });
        }
    }

    fn enqueue(&mut self, verdicts: &mut Verdicts, id: PluginId, item: Item) {
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        let dropped = plugin.queue.push_entries(item, plugin.spec.limits.queue_entries);
        plugin.count_missed(dropped.entries);
        for round in dropped.rounds {
            verdicts.give_up(round, id);
        }
    }

    pub(super) fn wanted_kinds(&self) -> EventKinds {
        self.plugins.iter().fold(EventKinds::default(), |kinds, plugin| kinds.union(plugin.spec.subscription.kinds))
    }

    /// The events that any plugin subscribes to. Empty if a plugin subscribes to every event.
    pub(super) fn wanted_flows(&self) -> Vec<Filter> {
        let filters =
            || self.plugins.iter().filter(|plugin| plugin.wants_events()).map(|p| &p.spec.subscription.filters);
        if filters().any(Vec::is_empty) { Vec::new() } else { filters().flatten().cloned().collect() }
    }
}

/// The wanted entries. Shares the whole list if all entries are wanted. `None` if no entry is wanted.
pub(crate) fn part(events: &Arc<Vec<Event>>, wanted: impl Fn(&Event) -> bool) -> Option<Entries> {
    let Some(unwanted) = events.iter().position(|event| !wanted(event)) else {
        return Some(Entries::all(Arc::clone(events)));
    };
    let rest = (0..).zip(events.iter()).skip(unwanted).filter(|(_, event)| wanted(event)).map(|(index, _)| index);
    let indices: Vec<u32> = (0..).take(unwanted).chain(rest).collect();
    (!indices.is_empty()).then(|| Entries::selected(Arc::clone(events), indices))
}
