//! How full the kernel's table is.

use crate::bindings::ctwarden::policy::table as wit;

/// Figures of the table. Counters are sums over the processors since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries of this network namespace.
    pub entries: u32,
    /// Entries that there may be (`nf_conntrack_max`); none: unlimited.
    pub maximum: Option<u32>,
    /// Entries that could not be put in.
    pub insert_failed: u64,
    /// Packets dropped because there was no room.
    pub dropped: u64,
    /// Entries evicted to make room.
    pub early_dropped: u64,
    /// Entries that clashed with another.
    pub clashes: u64,
    /// Packets that belong to no entry and may not begin one.
    pub invalid: u64,
}

/// The figures of now; none where the kernel would not say.
#[must_use]
pub fn statistics() -> Option<Statistics> {
    crate::host::table::read().map(Statistics::from)
}

impl From<wit::Statistics> for Statistics {
    fn from(figures: wit::Statistics) -> Self {
        Self {
            entries: figures.entries,
            maximum: Some(figures.maximum).filter(|maximum| *maximum != 0),
            insert_failed: figures.insert_failed,
            dropped: figures.dropped,
            early_dropped: figures.early_dropped,
            clashes: figures.clashes,
            invalid: figures.invalid,
        }
    }
}
