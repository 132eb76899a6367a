//! What the engine asks of the program that reads the table, or that follows it.

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::Filter;

use crate::{SelectionId, SweepId};

/// How long the table rests after a dump that took so long. Dumps then take a fifth of the time at most, also of a table that is
/// too busy to be read in one piece.
#[must_use]
pub const fn rest_after(took: Duration) -> Duration {
    took.saturating_mul(4)
}

/// A selection that waits for a sweep, or rows that a plugin asked for. A program that follows the table says how many of its
/// flows it knows, with [`crate::Engine::handle_known_selections`] or [`crate::Engine::handle_known_rows`].
#[derive(Clone, Copy, Debug)]
pub struct WaitingSelection<'a> {
    pub id: SelectionId,
    pub filter: &'a Filter,
    /// What has to be known of each of its flows.
    pub detail: Detail,
}

/// Where the rows of a sweep come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepSource {
    /// The kernel's table is read.
    Table,
    /// The program knows the rows; it said so with [`crate::Engine::handle_known_rows`].
    Known,
}

/// Asks for the table to be read, or for what the program knows of it. Hand each entry to
/// [`crate::Engine::handle_row`] while [`crate::Engine::ready_for_rows`], then tell [`crate::Engine::handle_sweep_end`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRequest {
    pub id: SweepId,
    pub source: SweepSource,
    /// Which rows are of use: any of these; empty: every row. A hint that may be pushed down to the kernel; rows outside
    /// do no harm.
    pub filters: Vec<Filter>,
    /// Whether the expectation table is to be read too; its entries go to [`crate::Engine::handle_expectation`] as rows,
    /// before the end of the sweep.
    pub expectations: bool,
}

/// How many of the flows that match a filter a program with a replica can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    All,
    /// Some. A dump finds the others. Only a deletion may begin with a part: the dump would meet the flows of any other change
    /// again.
    Some,
    /// Only a dump finds the flows.
    Nothing,
}

/// What has to be known of each flow of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Id, zone and tuples, as far as the filter and the protected flows ask for no more.
    Name,
    /// The whole entry as the kernel has it now.
    Entry,
}

/// Asks for the flows that match any of the filters, of a program that knows them without a sweep, or some of them. Hand each of
/// those, once, to [`crate::Engine::handle_known`] while [`crate::Engine::ready_for_selected`], or whole to [`crate::Engine::handle_row`], then
/// tell [`crate::Engine::handle_sweep_end`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionRequest {
    pub id: SweepId,
    /// Which flows: any of these; never empty.
    pub filters: Vec<Filter>,
}
