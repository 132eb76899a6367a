//! The memory limit of the replica: enough for a full table, but at most a share of the machine's memory.
//!
//! A replica that reaches its limit is never complete, and then every ban waits for a dump. Therefore the limit follows
//! the maximum of the table. If an operator sets too low a limit, ctwarden warns before the table is full.

/// Maximum size of a flow in bytes: an IPv6 flow whose addresses are translated, including the growth of the index.
/// Measured: 64 for IPv4, 90 for translated IPv4, 114 for IPv6, 178 for translated IPv6 (the crate `ctwarden-replica`
/// says how).
const AT_MOST: u64 = 192;
/// Usual size of a flow in bytes: that of an IPv6 flow that is not translated.
const AS_A_RULE: u64 = 124;
/// Without a configured limit, the replica takes at most one part in `SHARE` of the machine's memory.
const SHARE: u64 = 4;
/// Lower bound of a limit that follows from the table or the machine: enough for the table of a small router.
const LEAST: u64 = 16 << 20;
/// The limit if neither the size of the table nor that of the machine is known.
const UNKNOWN: u64 = 256 << 20;

/// The inputs of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaMemory {
    /// The limit that the operator configured.
    pub configured: Option<u64>,
    /// Bytes available to the process: the memory of the machine, or what the control group leaves.
    pub available: Option<u64>,
}

/// Why the replica lacks flows, or will lack flows when the table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShortfall {
    /// Whether flows are missing already.
    pub is_full: bool,
    /// The limit in bytes.
    pub limit: u64,
    /// Entries of a full table.
    pub entries: u64,
    /// Usual size in bytes of the replica of a full table.
    pub needed: u64,
    /// A limit that suffices for a full table, whatever its entries are.
    pub sufficient: u64,
}

impl ReplicaMemory {
    /// The limit in bytes for a table of at most `maximum` entries. 0 means no maximum.
    #[must_use]
    pub fn limit(self, maximum: Option<u32>) -> u64 {
        let share = self.available.map(|bytes| (bytes / SHARE).max(LEAST));
        let table = maximum.filter(|maximum| *maximum > 0).map(|maximum| (u64::from(maximum) * AT_MOST).max(LEAST));
        self.configured.unwrap_or_else(|| [share, table].into_iter().flatten().min().unwrap_or(UNKNOWN))
    }

    /// Returns the shortfall for a table that has `entries` now, if there is one. `is_full`: flows are missing because
    /// the memory is used up.
    #[must_use]
    pub fn shortfall(self, maximum: Option<u32>, entries: u32, is_full: bool) -> Option<MemoryShortfall> {
        let entries = match maximum.unwrap_or_default() {
            // The next power of two stays the same while flows come and go. A changed text would count as a new
            // warning.
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
