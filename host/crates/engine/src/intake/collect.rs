//! From single events to shared rounds.
//!
//! Events are collected while everybody who wants them is busy, so that batches grow with the load and a quiet host still
//! gets its verdict at once. Each entry is decoded and kept once, however many plugins look at it.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{Cause, Entries, Event, EventKind, EventKinds, ExpectationEvent, Filter, FlowKey, Steady};

use crate::PluginId;
use crate::engine::Engine;
use crate::ids::RoundId;
use crate::intake::queue::Item;
use crate::intake::roster::Plugin;
use crate::verdicts::ends::Received;
use crate::verdicts::sight::Told;

/// Events that no round has yet: at most [`crate::EngineConfig::batch_entries`] of each kind.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    events: Vec<Event>,
    /// When the first of the events came.
    since: Steady,
    expectations: Vec<ExpectationEvent>,
    /// How many batches of events were collected before.
    number: u64,
}

impl Collected {
    /// Number of the batch of events that is collected.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// How many events it has.
    pub(crate) const fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.expectations.clear();
    }
}

impl Engine {
    pub(crate) fn collect(&mut self, event: Event) {
        self.events = self.events.saturating_add(1);
        if event.kind == EventKind::Destroy {
            self.hear_of_end(event.flow.key());
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
            self.collected.since = self.clock.steady;
        }
        self.collected.events.push(event);
        if self.collected.events.len() >= self.batch_entries() {
            self.flush_collected();
        }
    }

    /// A flow has ended.
    pub(crate) fn hear_of_end(&mut self, key: FlowKey) {
        self.ends.add(key, self.collected.number, self.collected.events.len(), self.clock.wall);
    }

    pub(crate) fn collect_expectation(&mut self, event: ExpectationEvent) {
        if event.kind == EventKind::Row {
            self.expectation_row(event);
            return;
        }
        self.events = self.events.saturating_add(1);
        if self.stopping || !self.plugins.iter().any(|p| p.takes_entries() && p.spec.subscription.expectations) {
            return;
        }
        self.collected.expectations.push(event);
        if self.collected.expectations.len() >= self.batch_entries() {
            self.flush_collected();
        }
    }

    /// Entries in one call.
    pub(crate) fn batch_entries(&self) -> usize {
        self.config.batch_entries.max(1)
    }

    /// The socket is drained: offer what there is, unless all who want it are busy. Then more may come until one is not.
    pub(crate) fn flush_to_idle(&mut self) {
        let takes = |plugin: &Plugin| plugin.wants_events() || plugin.spec.subscription.expectations;
        if self.plugins.iter().any(|plugin| plugin.is_idle() && takes(plugin)) {
            self.flush_collected();
        }
    }

    /// Offers what was collected. Also called before anything else that happens is told, so that order is kept.
    pub(crate) fn flush_collected(&mut self) {
        if !self.collected.events.is_empty() {
            // The next batch is as large, as a rule; and what waits in queues takes no more memory than its entries.
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
            self.offer(Cause::Events, told, parts);
        }
        if !self.collected.expectations.is_empty() {
            let events = core::mem::take(&mut self.collected.expectations);
            let takers: Vec<PluginId> = self
                .plugins
                .iter()
                .filter(|plugin| plugin.takes_entries() && plugin.spec.subscription.expectations)
                .map(|plugin| plugin.id)
                .collect();
            self.offer_expectations(Cause::Events, &events, &takers);
        }
    }

    /// Hands each plugin its part of shared entries.
    pub(crate) fn offer(&mut self, cause: Cause, told: Told, parts: Vec<(PluginId, Entries)>) {
        if parts.is_empty() {
            return;
        }
        let round = self.rounds.begin(parts.iter().map(|(plugin, _)| *plugin).collect());
        for (plugin, entries) in parts {
            self.enqueue(plugin, Item::Entries { round, cause: cause.clone(), entries, told });
        }
    }

    /// Hands each taker the expectations that it subscribes to.
    pub(crate) fn offer_expectations(&mut self, cause: Cause, events: &[ExpectationEvent], takers: &[PluginId]) {
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
        let round = self.rounds.begin(waiting);
        for (plugin, events) in parts {
            self.enqueue(plugin, Item::Expectations { round, cause: cause.clone(), events });
        }
    }

    fn enqueue(&mut self, id: PluginId, item: Item) {
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        let dropped = plugin.queue.push_entries(item, plugin.spec.limits.queue_entries);
        plugin.count_missed(dropped.entries);
        for round in dropped.rounds {
            self.give_up(round, id);
        }
    }

    /// A plugin will not answer its part of a round.
    pub(crate) fn give_up(&mut self, round: RoundId, plugin: PluginId) {
        if let Some(answers) = self.rounds.given_up(round, plugin) {
            self.arbitrate(Some(round), answers);
        }
    }

    pub(crate) fn wanted_kinds(&self) -> EventKinds {
        self.plugins.iter().fold(EventKinds::default(), |kinds, plugin| kinds.union(plugin.spec.subscription.kinds))
    }

    /// Which events anybody wants; empty where somebody wants every event.
    pub(crate) fn wanted_flows(&self) -> Vec<Filter> {
        let filters =
            || self.plugins.iter().filter(|plugin| plugin.wants_events()).map(|p| &p.spec.subscription.filters);
        if filters().any(Vec::is_empty) { Vec::new() } else { filters().flatten().cloned().collect() }
    }
}

/// The entries that are wanted, of one or more: shared whole where that is all of them; none where there is none.
pub(crate) fn part(events: &Arc<Vec<Event>>, wanted: impl Fn(&Event) -> bool) -> Option<Entries> {
    let Some(unwanted) = events.iter().position(|event| !wanted(event)) else {
        return Some(Entries::all(Arc::clone(events)));
    };
    let rest = (0..).zip(events.iter()).skip(unwanted).filter(|(_, event)| wanted(event)).map(|(index, _)| index);
    let indices: Vec<u32> = (0..).take(unwanted).chain(rest).collect();
    (!indices.is_empty()).then(|| Entries::selected(Arc::clone(events), indices))
}
