//! Requests of the engine to the program that reads the table or keeps a replica.

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::Filter;

use crate::{SelectionId, SweepId};

/// The rest after a dump that took `took`. Dumps then take a fifth of the time at most, even if the table is too busy
/// to be read consistently.
#[must_use]
pub const fn rest_after(took: Duration) -> Duration {
    took.saturating_mul(4)
}

/// A selection that waits for a sweep, or rows that a plugin requested. A program with a replica reports which flows it
/// knows, with [`crate::Engine::handle_known_selections`] or [`crate::Engine::handle_known_rows`].
#[derive(Clone, Copy, Debug)]
pub struct WaitingSelection<'a> {
    pub id: SelectionId,
    pub filter: &'a Filter,
    /// What the engine needs of each flow.
    pub detail: Detail,
}

/// The source of the rows of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepSource {
    /// A dump of the kernel's table.
    Table,
    /// The program can answer without reading the table. It reported this with [`crate::Engine::handle_known_rows`].
    Known,
}

/// Requests a sweep. Pass each entry to [`crate::Engine::handle_row`] while [`crate::Engine::ready_for_rows`] is true,
/// then call [`crate::Engine::handle_sweep_end`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRequest {
    pub id: SweepId,
    pub source: SweepSource,
    /// Rows that match any of these filters are needed. If empty, every row is needed. The filters are a hint that may
    /// be passed to the kernel; other rows do no harm.
    pub filters: Vec<Filter>,
    /// Whether the expectation table is to be read too. Pass its entries as rows to
    /// [`crate::Engine::handle_expectation`], before the end of the sweep.
    pub expectations: bool,
}

/// How completely a program with a replica can list the flows that match a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    All,
    /// Some of the flows. A dump finds the others. Only a deletion may begin with a part of its flows: with any other
    /// change, the dump would find the changed flows again.
    Some,
    /// None. Only a dump finds the flows.
    Nothing,
}

/// What is needed of each flow of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Id, zone and tuples. This suffices if neither the filter nor the protections need more.
    Name,
    /// The whole current entry, read from the kernel.
    Entry,
}

/// Requests the flows that match any of the filters from a program that knows all or some of them without a sweep. Pass
/// each flow once, to [`crate::Engine::handle_known`] while [`crate::Engine::ready_for_selected`] is true, or as a
/// whole entry to [`crate::Engine::handle_row`]. Then call [`crate::Engine::handle_sweep_end`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionRequest {
    pub id: SweepId,
    /// A flow that matches any of these filters is requested. Never empty.
    pub filters: Vec<Filter>,
}
