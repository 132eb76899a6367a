//! What a plugin is given in one call.
//!
//! The entries of a batch are decoded once and shared by all plugins; each one sees the selection that its subscription
//! makes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{Event, ExpectationEvent, SetName, Timestamp};

/// Which rows a sweep has for a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// Of every flow that its subscription holds.
    Subscribed,
    /// Of flows only that it asked for by a filter.
    Asked,
}

/// Why a batch was delivered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    Events,
    /// A sweep begins; no entries.
    SweepBegin(Extent),
    /// Rows of the running sweep.
    SweepRows,
    /// The sweep ended and missed nothing that lived throughout it.
    SweepComplete,
    /// The sweep ended early or was inconsistent.
    SweepInterrupted,
    /// Events were lost here; a sweep follows.
    Overrun,
    /// These address sets have changed since the plugin was last told, each named once; no entries.
    SetsChanged(Vec<SetName>),
}

/// Shared entries, or a selection of them. Indices are those of the selection. The entries stay in the list into which they
/// were collected, because they are large to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    events: Arc<Vec<Event>>,
    selected: Option<Vec<u32>>,
}

impl Entries {
    /// All of the events.
    #[must_use]
    pub const fn all(events: Arc<Vec<Event>>) -> Self {
        Self { events, selected: None }
    }

    /// Those of the events whose index is given, in that order; an index outside is as if it were not there.
    #[must_use]
    pub const fn selected(events: Arc<Vec<Event>>, indices: Vec<u32>) -> Self {
        Self { events, selected: Some(indices) }
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::all(Arc::default())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.selected.as_ref().map_or(self.events.len(), Vec::len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of that index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Event> {
        self.placed(index).map(|(_, event)| event)
    }

    /// The entry of that index with its place among all the shared ones.
    #[must_use]
    pub fn placed(&self, index: u32) -> Option<(u32, &Event)> {
        let place = match &self.selected {
            None => index,
            Some(indices) => *indices.get(usize::try_from(index).ok()?)?,
        };
        Some((place, self.events.get(usize::try_from(place).ok()?)?))
    }

    /// All of them in order, each with its place among all the shared ones.
    pub fn all_placed(&self) -> impl Iterator<Item = (u32, &Event)> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).filter_map(|index| self.placed(index))
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).filter_map(|index| self.get(index))
    }
}

/// One call of `judge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub cause: Cause,
    /// When it was made.
    pub now: Timestamp,
    /// Entries dropped in front of this plugin since its last batch.
    pub missed: u64,
    pub entries: Entries,
}

/// One call of `judge-expectations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationBatch {
    pub cause: Cause,
    /// When it was made.
    pub now: Timestamp,
    /// Entries dropped in front of this plugin since its last batch.
    pub missed: u64,
    pub events: Arc<[ExpectationEvent]>,
}
