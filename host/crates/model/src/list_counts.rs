//! What a list of addresses had in it: counts for status and records.

use crate::SetName;

/// Counts of a list, after it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCounts {
    /// Lines of the file, comments and empty lines included.
    pub lines: u64,
    /// Addresses, networks and ranges, as written.
    pub entries: u64,
    /// Lines, or elements where a line has many, that are no valid entry.
    pub bad: u64,
}

/// An address set whose networks have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSet {
    pub name: SetName,
    /// Networks that the set has now.
    pub networks: u64,
    /// Counts of the list that was read last. `None` if the set has no list, or the change is not one of the list.
    pub counts: Option<ListCounts>,
}
