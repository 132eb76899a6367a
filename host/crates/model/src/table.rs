//! Size and error counters of the kernel's table.

/// Figures of the table. The counters are sums over all processors since boot (`CTA_STATS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStatistics {
    /// Entries of this network namespace (`CTA_STATS_GLOBAL_ENTRIES`).
    pub entries: u32,
    /// Value of `nf_conntrack_max`. 0 means unlimited.
    pub maximum: u32,
    /// Entries that the kernel could not insert.
    pub insert_failed: u64,
    /// Packets dropped because the kernel could not create an entry.
    pub dropped: u64,
    /// Entries evicted early to make room.
    pub early_dropped: u64,
    /// Entries that clashed with the tuple of an existing entry.
    pub clashes: u64,
    /// Packets that belong to no connection.
    pub invalid: u64,
}
