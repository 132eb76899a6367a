//! Statistics that say how full the kernel's table is.

use crate::bindings::ctwarden::conntrack::table as wit;

/// Statistics of the table. Counters are sums over the processors since boot (`CTA_STATS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Number of entries of this network namespace.
    pub entries: u32,
    /// Maximum number of entries (`nf_conntrack_max`). `None` means unlimited.
    pub maximum: Option<u32>,
    /// Number of entries that the kernel could not insert.
    pub insert_failed: u64,
    /// Number of packets that the kernel dropped because it could not create an entry.
    pub dropped: u64,
    /// Number of entries that the kernel evicted to make room.
    pub early_dropped: u64,
    /// Number of entries that clashed with an existing tuple.
    pub clashes: u64,
    /// Number of packets that belong to no entry and may not begin one.
    pub invalid: u64,
}

/// Reads the statistics from the kernel. `None` if the kernel does not answer.
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
