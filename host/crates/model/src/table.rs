//! How full the kernel's table is.

/// Figures of the table; counters are sums over the processors since boot (`CTA_STATS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStatistics {
    /// Entries of this network namespace (`CTA_STATS_GLOBAL_ENTRIES`).
    pub entries: u32,
    /// `nf_conntrack_max`; 0 is unlimited.
    pub maximum: u32,
    /// Entries that could not be inserted.
    pub insert_failed: u64,
    /// Packets dropped because an entry could not be made.
    pub dropped: u64,
    /// Entries evicted to make room.
    pub early_dropped: u64,
    /// Entries that clashed with a tuple that was there.
    pub clashes: u64,
    /// Packets that belong to no connection.
    pub invalid: u64,
}
