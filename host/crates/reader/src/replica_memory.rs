//! How much memory the replica may take: enough for a full table, but not more than a share of the machine's memory.
//!
//! A replica that reaches its limit is never complete, and every ban then waits for a dump. So the limit follows the table's own limit,
//! and an operator who set too little is warned before the table is full.

/// Bytes that a flow takes at most: an IPv6 flow whose addresses are translated, with the index that grows for it. Measured: 64
/// for an IPv4 flow, 90 translated; 114 and 178 of IPv6 (the crate `ctwarden-replica` says how).
const AT_MOST: u64 = 192;
/// Bytes that a flow takes as a rule: those of an IPv6 flow that is not translated.
const AS_A_RULE: u64 = 124;
/// The part of the machine's memory that the replica takes at most, where the operator sets no limit.
const SHARE: u64 = 4;
/// No limit that follows from the table or the machine is smaller: the table of a small router.
const LEAST: u64 = 16 << 20;
/// The limit where neither the table nor the machine tells its size.
const UNKNOWN: u64 = 256 << 20;

/// What the limit follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaMemory {
    /// The limit that the operator set.
    pub configured: Option<u64>,
    /// Bytes that the process may take: the machine's memory, or what its control group leaves.
    pub available: Option<u64>,
}

/// Why the replica lacks flows, or will lack some once the table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShortfall {
    /// Whether flows are missing already.
    pub is_full: bool,
    /// The limit in bytes.
    pub limit: u64,
    /// Entries of a full table.
    pub entries: u64,
    /// Bytes that a full table takes as a rule.
    pub needed: u64,
    /// A limit that suffices for a full table of any entries.
    pub sufficient: u64,
}

impl ReplicaMemory {
    /// The limit in bytes for a table of at most so many entries; 0 is no maximum.
    #[must_use]
    pub fn limit(self, maximum: Option<u32>) -> u64 {
        let share = self.available.map(|bytes| (bytes / SHARE).max(LEAST));
        let table = maximum.filter(|maximum| *maximum > 0).map(|maximum| (u64::from(maximum) * AT_MOST).max(LEAST));
        self.configured.unwrap_or_else(|| [share, table].into_iter().flatten().min().unwrap_or(UNKNOWN))
    }

    /// What the replica lacks for a table that has so many entries now. `is_full` where flows are missing for want of memory.
    #[must_use]
    pub fn shortfall(self, maximum: Option<u32>, entries: u32, is_full: bool) -> Option<MemoryShortfall> {
        let entries = match maximum.unwrap_or_default() {
            // The next power of two does not change with each flow, and a new text would be a new warning.
            0 => u64::from(entries).next_power_of_two(),
            maximum => u64::from(maximum.max(entries)),
        };
        let (limit, needed) = (self.limit(maximum), entries * AS_A_RULE);
        let shortfall = MemoryShortfall { is_full, limit, entries, needed, sufficient: entries * AT_MOST };
        (is_full || needed > limit).then_some(shortfall)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;

    fn memory(configured: Option<u64>, available: u64) -> ReplicaMemory {
        ReplicaMemory { configured, available: Some(available) }
    }

    #[test]
    fn the_limit_follows_the_tables() {
        let plenty = memory(None, 64 * GIB);
        assert_eq!(plenty.limit(Some(4_000_000)), 4_000_000 * AT_MOST);
        assert_eq!(plenty.limit(Some(262_144)), 262_144 * AT_MOST);
        assert_eq!(plenty.limit(Some(4_096)), LEAST);
        assert_eq!(plenty.limit(Some(u32::MAX)), 16 * GIB, "but no more than a share of the memory");
        assert_eq!(plenty.limit(Some(0)), 16 * GIB, "a table without a maximum");
        assert_eq!(plenty.limit(None), 16 * GIB);
        assert_eq!(ReplicaMemory { configured: None, available: None }.limit(None), UNKNOWN);
        assert_eq!(memory(None, 1 << 20).limit(Some(1)), LEAST);
        assert_eq!(memory(Some(7), 64 * GIB).limit(Some(4_000_000)), 7, "what the operator set holds");
    }

    #[test]
    fn a_table_without_a_maximum_counts_as_the_next_power_of_two() {
        let shortfall = memory(Some(1), GIB).shortfall(Some(0), 100_000, false).unwrap();
        assert_eq!(shortfall.entries, 131_072);
    }

    proptest! {
        #[test]
        fn a_limit_that_follows_from_the_table_alone_is_never_short(maximum in 1..u32::MAX, entries: u32) {
            let unlimited = ReplicaMemory { configured: None, available: None };
            prop_assert_eq!(unlimited.shortfall(Some(maximum), entries.min(maximum), false), None);
        }

        #[test]
        fn the_limit_that_is_called_sufficient_is(maximum: u32, entries: u32, configured: u64, is_full: bool) {
            let memory = memory(Some(configured), GIB);
            if let Some(shortfall) = memory.shortfall(Some(maximum), entries, is_full) {
                let enough = ReplicaMemory { configured: Some(shortfall.sufficient), ..memory };
                prop_assert_eq!(enough.shortfall(Some(maximum), entries, false), None);
            }
        }
    }
}
