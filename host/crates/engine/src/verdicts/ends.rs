//! Flows that ended lately, in the order in which the engine received their ends.
//!
//! Linux computes the id of an entry from the place of the entry in memory and from its tuple. A new entry of the same
//! tuple may get the place of an entry that ended before, and with the place its id (`nf_ct_get_id` in
//! nf_conntrack_core.c). Only the order of reception tells the two entries apart.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ctwarden_model::{Event, EventKind, Flow, FlowId, FlowKey, Steady, Timestamp};
use hashbrown::HashMap;

use crate::PluginId;

/// Number of remembered ends. If more flows than this end while an entry waits in front of a plugin, the engine cannot
/// tell the entry from its successor. At 100 bytes for each end this is less than 2 MiB.
const REMEMBERED: usize = 16_384;

/// When the entries of a batch were received, relative to the ends of flows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Received {
    /// Events of the collected batch of that number.
    Events(u64),
    /// Rows of a sweep that began after this number of ends.
    Rows(u64),
}

/// When the kernel reported entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Time of the first entry.
    pub(crate) at: Steady,
    /// Position relative to the ends of flows.
    pub(crate) received: Received,
}

#[derive(Debug)]
struct End {
    key: FlowKey,
    /// Number of ends that were received before this one.
    number: u64,
    /// The batch that was collected when the end was received, and the number of events in it at that time.
    batch: u64,
    place: u32,
    /// Time by the wall clock.
    at: Timestamp,
    /// Plugins that have received an entry of the same key since the end.
    told: Vec<PluginId>,
}

impl End {
    /// Whether the end was received after an entry.
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
    /// Number of received ends.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Adds the end of a flow. `batch` is the batch that is being collected, and `place` is the number of events in it.
    /// Returns the number of the end.
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

    /// Removes an end, because the flow did not end.
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

    /// Reports that a plugin receives entries. A key that the plugin names from now on may mean the flow that followed
    /// an end.
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

    /// Whether the flow of an entry has ended since the entry was received. If the flow began after the end, the entry
    /// belongs to the next flow.
    pub(crate) fn ended_since(&self, flow: &Flow, received: Received, place: u32) -> bool {
        self.of(&flow.key())
            .is_some_and(|end| end.is_after(received, place) && flow.started.is_none_or(|began| began <= end.at))
    }

    /// Whether the flow has ended after the first `count` ends.
    pub(crate) fn ended_after(&self, key: &FlowKey, count: u64) -> bool {
        self.of(key).is_some_and(|end| end.number >= count)
    }

    /// Whether an end that is remembered under the flow's id can be the end of this flow.
    pub(crate) fn can_be_of(&self, key: &FlowKey) -> bool {
        self.by_id.get(&key.id).is_none_or(|end| end.key == *key)
    }

    /// Whether a flow of that id has ended and the plugin has received no entry of the same key since.
    pub(crate) fn is_last_known_to(&self, id: FlowId, plugin: PluginId) -> bool {
        self.by_id.get(&id).is_some_and(|end| !end.told.contains(&plugin))
    }
}
