//! Flows that ended lately, in the order in which the engine heard of it.
//!
//! Linux makes the id of an entry from the entry's place in memory and its tuple. A new entry of the same tuple may get the
//! place, and with it the id, of the one that ended before (`nf_ct_get_id` in nf_conntrack_core.c). Only the order of what was
//! received tells the two apart.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ctwarden_model::{Event, EventKind, Flow, FlowId, FlowKey, Steady, Timestamp};
use hashbrown::HashMap;

use crate::PluginId;

/// Ends that are remembered. An entry that waits in front of a plugin while more flows end is not told from its successor.
/// At a hundred bytes for each this is less than 2 MiB.
const REMEMBERED: usize = 16_384;

/// When entries of a batch were received, compared with the ends of flows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Received {
    /// Events of the collected batch of that number.
    Events(u64),
    /// Rows of a sweep that began after so many ends.
    Rows(u64),
}

/// When the kernel told of entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Of the first of them.
    pub(crate) at: Steady,
    /// How they stand to the ends of flows.
    pub(crate) received: Received,
}

#[derive(Debug)]
struct End {
    key: FlowKey,
    /// How many ends were received before.
    number: u64,
    /// The batch that was collected then, and how many events it had.
    batch: u64,
    place: u32,
    /// By the wall clock.
    at: Timestamp,
    /// Plugins that were handed an entry of the same name since.
    told: Vec<PluginId>,
}

impl End {
    /// Whether it was received after an entry.
    fn is_after(&self, received: Received, place: u32) -> bool {
        match received {
            Received::Events(batch) => (batch, place) < (self.batch, self.place),
            Received::Rows(before) => before <= self.number,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ends {
    by_id: HashMap<FlowId, End>,
    order: VecDeque<(u64, FlowId)>,
    count: u64,
}

impl Ends {
    /// How many were received.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// A flow has ended, while that batch was collected and had so many events. Gives the number of the end.
    pub(crate) fn add(&mut self, key: FlowKey, batch: u64, place: usize, at: Timestamp) -> u64 {
        let number = self.count;
        self.count += 1;
        if self.order.len() >= REMEMBERED
            && let Some((oldest, id)) = self.order.pop_front()
            && self.by_id.get(&id).is_some_and(|end| end.number == oldest)
        {
            self.by_id.remove(&id);
        }
        self.order.push_back((number, key.id));
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.by_id.insert(key.id, End { key, number, batch, place, at, told: Vec::new() });
        number
    }

    /// The flow did not end after all.
    pub(crate) fn take_back(&mut self, key: &FlowKey, number: u64) {
        if self.of(key).is_some_and(|end| end.number == number) {
            self.by_id.remove(&key.id);
        }
    }

    fn of(&self, key: &FlowKey) -> Option<&End> {
        if self.by_id.is_empty() {
            return None;
        }
        self.by_id.get(&key.id).filter(|end| end.key == *key)
    }

    /// A plugin is handed entries: what it names from now on may be the flow that came after an end.
    pub(crate) fn tell<'a>(
        &mut self,
        plugin: PluginId,
        received: Received,
        entries: impl Iterator<Item = (u32, &'a Event)>,
    ) {
        if self.by_id.is_empty() {
            return;
        }
        for (place, event) in entries {
            let Some(end) = event.flow.id.and_then(|id| self.by_id.get_mut(&id)) else { continue };
            if event.kind != EventKind::Destroy
                && !end.is_after(received, place)
                && end.key == event.flow.key()
                && !end.told.contains(&plugin)
            {
                end.told.push(plugin);
            }
        }
    }

    /// Whether the flow of an entry has ended since the entry was received. An entry of a flow that began after the end is of
    /// the next one.
    pub(crate) fn ended_since(&self, flow: &Flow, received: Received, place: u32) -> bool {
        self.of(&flow.key())
            .is_some_and(|end| end.is_after(received, place) && flow.started.is_none_or(|began| began <= end.at))
    }

    /// Whether the flow has ended since so many ends.
    pub(crate) fn ended_after(&self, key: &FlowKey, count: u64) -> bool {
        self.of(key).is_some_and(|end| end.number >= count)
    }

    /// Whether an end that was remembered under the flow's id can be the flow's.
    pub(crate) fn can_be_of(&self, key: &FlowKey) -> bool {
        self.by_id.get(&key.id).is_none_or(|end| end.key == *key)
    }

    /// Whether a flow of that id has ended, and the plugin was handed no entry of the same name since.
    pub(crate) fn is_last_known_to(&self, id: FlowId, plugin: PluginId) -> bool {
        self.by_id.get(&id).is_some_and(|end| !end.told.contains(&plugin))
    }
}
