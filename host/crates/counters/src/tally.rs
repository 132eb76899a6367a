//! What a counter keeps for one key: [`Sum`](crate::Sum) or [`Distinct`](crate::Distinct).

use core::fmt::Debug;

/// The amounts or values of one key. Sub-windows are numbered since the start of the clock.
pub trait Tally: Debug + Default {
    /// Moves from one sub-window to a later one, and forgets what no longer counts.
    fn advance(&mut self, from: u64, to: u64);

    /// The value of a tally that is at its latest sub-window.
    fn value(&self) -> u64;

    /// The value that a tally at `from` would have at `now`.
    fn value_at(&self, from: u64, now: u64) -> u64;

    /// Heap memory in bytes.
    fn bytes(&self) -> usize;
}
