//! The share of the machine's memory that the replica may use, and the warning if it does not suffice.

use std::fs;

use ctwarden_reader::{MemoryShortfall, ReplicaMemory};

use crate::control::Warning;

/// The limit of the replica, from the configuration and the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance(ReplicaMemory);

impl Allowance {
    /// `configured` is `replica-memory`, if the configuration has it.
    pub(crate) fn new(configured: Option<u64>) -> Self {
        Self(ReplicaMemory { configured, available: [meminfo(), control_group()].into_iter().flatten().min() })
    }

    /// The limit in bytes for a table of at most `maximum` entries. 0 means no maximum.
    pub(crate) fn limit(self, maximum: Option<u32>) -> u64 {
        self.0.limit(maximum)
    }

    /// Returns a warning if the replica lacks flows because of its memory limit, or would lack some of a full table.
    pub(crate) fn warning(self, maximum: Option<u32>, entries: u32, is_full: bool) -> Option<Warning> {
        let MemoryShortfall { is_full, limit, entries, needed, sufficient } =
            self.0.shortfall(maximum, entries, is_full)?;
        let limit_is = match self.0.configured {
            Some(_) => format!("replica-memory = {}", Bytes(limit)),
            None => format!("a quarter of the memory, {}", Bytes(limit)),
        };
        let sufficient = Bytes(sufficient);
        let text = if is_full {
            format!(
                "the replica is full ({limit_is}) and lacks flows, so every ban waits for a dump of the table; write \
                 replica-memory = \"{sufficient}\" in [daemon], which suffices for {entries} entries of any kind"
            )
        } else {
            format!(
                "the replica cannot hold a full table: {entries} entries (nf_conntrack_max) need about {}, its limit is \
                 {limit_is}; when it is full, every ban waits for a dump of the table; write replica-memory = \
                 \"{sufficient}\" in [daemon]",
                Bytes(needed)
            )
        };
        Some(Warning { about: "replica".to_owned(), text, change: None })
    }
}

/// A number of bytes, displayed as the configuration accepts it.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}MiB", self.0.div_ceil(1 << 20))
    }
}

/// The machine's memory in bytes: `MemTotal` of proc_meminfo(5).
fn meminfo() -> Option<u64> {
    total(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// `memory.max` of the process's control group (cgroup v2), if the group has its own limit.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.max")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn allowance(configured: Option<u64>, available: u64) -> Allowance {
        Allowance(ReplicaMemory { configured, available: Some(available) })
    }

    #[test]
    fn a_replica_that_cannot_hold_a_full_table_is_told_before_the_table_is_full() {
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
    fn a_replica_that_is_full_is_told_whatever_the_table_may_hold() {
        let warning = allowance(Some(2 << 20), GIB).warning(Some(0), 100_000, true).unwrap();
        assert!(
            warning.text.contains("and lacks flows") && warning.text.contains("replica-memory = \"24MiB\""),
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
