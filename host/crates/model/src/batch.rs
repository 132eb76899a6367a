//! What one call hands to a plugin.
//!
//! The entries of a batch are decoded once, and all plugins share them. Each plugin sees those that match its
//! subscription.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{Event, ExpectationEvent, Member, SetName, Timestamp};

/// Which dump entries a sweep delivers to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// The entries of all flows that match its subscription.
    Subscribed,
    /// Only the entries of flows for which the plugin asked by a filter.
    Asked,
}

/// A change of an address set (WIT `set-change`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetChange {
    pub set: SetName,
    /// Members that are new in the set or have a new value. `None` if they are unknown or more than [`Self::ADDED`].
    pub added: Option<Vec<Member>>,
}

impl SetChange {
    /// Members that one change lists: after a longer list, a plugin had better look at the whole set.
    pub const ADDED: usize = 1_024;

    #[must_use]
    pub fn new(set: SetName, added: Option<&[Member]>) -> Self {
        Self { set, added: added.filter(|added| added.len() <= Self::ADDED).map(<[_]>::to_vec) }
    }

    /// Adds a later change of the same set.
    pub fn then(&mut self, added: Option<&[Member]>) {
        let together = self.added.take().zip(added);
        self.added = together.map(|(before, later)| [&before, later].concat()).filter(|all| all.len() <= Self::ADDED);
    }
}

/// Why a batch was delivered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    Events,
    /// A sweep begins. The batch has no entries.
    SweepBegin(Extent),
    /// Entries of the running sweep.
    SweepRows,
    /// The sweep ended. It missed no flow that lived from its beginning to its end.
    SweepComplete,
    /// The sweep ended early, or the dump was inconsistent.
    SweepInterrupted,
    /// The kernel dropped events at this point of the queue. A sweep follows.
    Overrun,
    /// These address sets changed since the host last reported changes to the plugin, each named once. The batch has no
    /// entries.
    SetsChanged(Vec<SetChange>),
}

/// Shared entries, or a subset of them. An index counts within the subset. The entries stay in the list that collected
/// them, because they are too large to move cheaply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    events: Arc<Vec<Event>>,
    selected: Option<Vec<u32>>,
}

impl Entries {
    #[must_use]
    pub const fn all(events: Arc<Vec<Event>>) -> Self {
        Self { events, selected: None }
    }

    /// The events at these indices, in that order. `Entries` skips an index outside the list.
    #[must_use]
    pub const fn selected(events: Arc<Vec<Event>>, indices: Vec<u32>) -> Self {
        Self { events, selected: Some(indices) }
    }

    /// A list without entries.
    #[must_use]
    pub fn none() -> Self {
        Self::all(Arc::default())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.selected.as_ref().map_or(self.events.len(), Vec::len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at the index of the subset. `None` if the index is out of range.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Event> {
        self.placed(index).map(|(_, event)| event)
    }

    /// The entry at the index of the subset, with its place in the shared list.
    #[must_use]
    pub fn placed(&self, index: u32) -> Option<(u32, &Event)> {
        let place = match &self.selected {
            None => index,
            Some(indices) => *indices.get(usize::try_from(index).ok()?)?,
        };
        Some((place, self.events.get(usize::try_from(place).ok()?)?))
    }

    /// All entries in order, each with its place in the shared list.
    pub fn all_placed(&self) -> impl Iterator<Item = (u32, &Event)> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).filter_map(|index| self.placed(index))
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).filter_map(|index| self.get(index))
    }
}

/// One call of `judge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub cause: Cause,
    /// Wall time at which the batch was made.
    pub now: Timestamp,
    /// Number of entries that the host dropped before they reached this plugin, since its last batch.
    pub missed: u64,
    pub entries: Entries,
}

/// One call of `judge-expectations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationBatch {
    pub cause: Cause,
    /// Wall time at which the batch was made.
    pub now: Timestamp,
    /// Number of expectations that the host dropped before they reached this plugin, since its last batch.
    pub missed: u64,
    pub events: Arc<[ExpectationEvent]>,
}
