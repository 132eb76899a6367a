//! Readings of the whole table.

use alloc::vec::Vec;

use ctwarden_model::Filter;

use crate::SweepId;

/// Asks for the table to be read. Hand each entry to [`crate::Engine::handle_row`] while
/// [`crate::Engine::ready_for_rows`], then tell [`crate::Engine::handle_sweep_end`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRequest {
    /// Names the sweep.
    pub id: SweepId,
    /// Which rows are of use: any of these; empty: every row. A hint that may be pushed down to the kernel; rows outside
    /// do no harm.
    pub filters: Vec<Filter>,
    /// Whether the expectation table is to be read too; its entries go to [`crate::Engine::handle_expectation`] as rows,
    /// before the end of the sweep.
    pub expectations: bool,
}
