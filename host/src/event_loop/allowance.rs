//! How much memory the replica may take: what a full table needs, but not more than a share of the machine's.
//!
//! A copy that reaches its limit is never whole, and every ban then waits for a sweep. So the limit follows the table's own, and whoever
//! has set too little is told before the table is full.

use std::fs;

use crate::control::Warning;

/// Bytes that a flow takes at most, an IPv6 flow whose addresses are translated, with the index that grows for it. Measured: 64
/// for an IPv4 flow, 90 translated; 114 and 178 of IPv6 (the crate `ctwarden-replica` says how).
const AT_MOST: u64 = 192;
/// Bytes that a flow takes as a rule: what an IPv6 flow takes that is not translated.
const AS_A_RULE: u64 = 124;
/// The part of the machine's memory that a copy takes at most, where nobody says otherwise.
const SHARE: u64 = 4;
/// Less is not worth a thought: the table of a small router.
const LEAST: u64 = 16 << 20;
/// Where neither the table nor the machine says how large it is.
const UNKNOWN: u64 = 256 << 20;

/// What it follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// `replica-memory`, where it is written.
    written: Option<u64>,
    /// Bytes that this process may take: the machine's, or what its control group leaves it.
    memory: Option<u64>,
}

impl Allowance {
    pub(crate) fn new(written: Option<u64>) -> Self {
        Self { written, memory: [meminfo(), control_group()].into_iter().flatten().min() }
    }

    /// The limit in bytes for a table of at most so many entries; 0 is no maximum.
    pub(crate) fn limit(self, maximum: Option<u32>) -> u64 {
        let share = self.memory.map(|memory| (memory / SHARE).max(LEAST));
        let table = maximum.filter(|maximum| *maximum > 0).map(|maximum| (u64::from(maximum) * AT_MOST).max(LEAST));
        self.written.unwrap_or_else(|| [share, table].into_iter().flatten().min().unwrap_or(UNKNOWN))
    }

    /// What is to be said of it, where the replica lacks flows for want of memory or would lack some of a full table.
    pub(crate) fn warning(self, maximum: Option<u32>, entries: u32, is_full: bool) -> Option<Warning> {
        // Where there is no maximum, one that does not change with each flow.
        let maximum_or = |entries: u32| match maximum.unwrap_or_default() {
            0 => u64::from(entries).next_power_of_two(),
            maximum => u64::from(maximum.max(entries)),
        };
        let (limit, most) = (self.limit(maximum), maximum_or(entries));
        let needed = most * AS_A_RULE;
        if !is_full && needed <= limit {
            return None;
        }
        let limit_is = match self.written {
            Some(_) => format!("replica-memory = {}", Size(limit)),
            None => format!("a quarter of the memory, {}", Size(limit)),
        };
        let wanted = Size(most * AT_MOST);
        let text = if is_full {
            format!(
                "the replica is full ({limit_is}): it lacks flows, so that every ban waits for a reading of the table; \
                 write replica-memory = \"{wanted}\" in [daemon], which holds {most} entries of any kind"
            )
        } else {
            format!(
                "the replica cannot hold a full table: {most} entries (nf_conntrack_max) need about {}, its limit is \
                 {limit_is}; write replica-memory = \"{wanted}\" in [daemon], or every ban waits for a reading of the table then",
                Size(needed)
            )
        };
        Some(Warning { about: "replica".to_owned(), text, change: None })
    }
}

/// Bytes as the configuration takes them.
struct Size(u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}MiB", self.0.div_ceil(1 << 20))
    }
}

/// `MemTotal` of proc_meminfo(5).
fn meminfo() -> Option<u64> {
    total(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// `memory.max` of the process's control group (cgroup v2), where that has a limit of its own.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.max")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn allowance(written: Option<u64>, memory: u64) -> Allowance {
        Allowance { written, memory: Some(memory) }
    }

    #[test]
    fn the_limit_follows_the_tables() {
        let plenty = allowance(None, 64 * GIB);
        assert_eq!(plenty.limit(Some(4_000_000)), 4_000_000 * AT_MOST);
        assert_eq!(plenty.limit(Some(262_144)), 262_144 * AT_MOST);
        assert_eq!(plenty.limit(Some(4_096)), LEAST);
        assert_eq!(plenty.limit(Some(u32::MAX)), 16 * GIB, "but no more than a share of the memory");
        assert_eq!(plenty.limit(Some(0)), 16 * GIB, "a table without a maximum");
        assert_eq!(plenty.limit(None), 16 * GIB);
        assert_eq!(Allowance { written: None, memory: None }.limit(None), UNKNOWN);
        assert_eq!(allowance(None, 1 << 20).limit(Some(1)), LEAST);
        assert_eq!(allowance(Some(7), 64 * GIB).limit(Some(4_000_000)), 7, "what is written holds");
    }

    #[test]
    fn a_copy_that_cannot_hold_a_full_table_is_told_before_the_table_is_full() {
        assert_eq!(allowance(None, 64 * GIB).warning(Some(4_000_000), 10, false), None);
        assert_eq!(allowance(Some(512 << 20), GIB).warning(Some(4_000_000), 10, false), None);
        let warning = allowance(Some(256 << 20), 64 * GIB).warning(Some(4_000_000), 10, false).unwrap();
        assert!(warning.text.contains("4000000 entries (nf_conntrack_max) need about 474MiB"), "{warning}");
        assert!(
            warning.text.contains("replica-memory = 256MiB") && warning.text.contains("replica-memory = \"733MiB\"")
        );
        let warning = allowance(None, GIB).warning(Some(4_000_000), 10, false).unwrap();
        assert!(warning.text.contains("a quarter of the memory, 256MiB"), "{warning}");
    }

    #[test]
    fn a_copy_that_is_full_is_told_whatever_the_table_may_hold() {
        let warning = allowance(Some(2 << 20), GIB).warning(Some(0), 100_000, true).unwrap();
        assert!(
            warning.text.contains("it lacks flows") && warning.text.contains("replica-memory = \"24MiB\""),
            "{warning}"
        );
    }

    #[test]
    fn the_memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(total("MemTotal:       24689764 kB\nMemFree: 1 kB\n"), Some(24_689_764 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(total("MemTotal: many kB\n"), None);
    }
}
