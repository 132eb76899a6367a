//! The network namespace of a line: its own table, with conntrack switched on, accounting, and events for every entry.
//!
//! The hash table belongs to the machine, so entries of other namespaces slow down every dump. Comparisons are valid
//! within one run.

use std::fs;

use anyhow::{Context, Result, ensure};
use ctwarden_tests::{Namespace, load};

use crate::kernel::{Groups, Kernel};
use crate::population::{Group, flows};

/// A namespace with its own table. Dropping this value leaves the namespace.
#[derive(Debug)]
pub(crate) struct World {
    /// The benchmark's own socket in the namespace.
    pub(crate) kernel: Kernel,
    _namespace: Namespace,
}

impl World {
    /// An empty namespace for the calling thread and the programs that it starts.
    pub(crate) fn new() -> Result<Self> {
        let namespace = Namespace::enter().map_err(anyhow::Error::msg)?;
        load("table inet bench { chain out { type filter hook output priority 0; ct state invalid counter; }; }");
        // With 2, the default, the kernel sends no event for the end of an entry that is older than the first listener.
        for (switch, value) in [("acct", 1), ("events", 1), ("udp_timeout", 600), ("udp_timeout_stream", 600)] {
            let path = format!("/proc/sys/net/netfilter/nf_conntrack_{switch}");
            fs::write(&path, value.to_string()).with_context(|| format!("cannot set {path}"))?;
        }
        Ok(Self { kernel: Kernel::open(Groups::None)?, _namespace: namespace })
    }

    /// A namespace with these flows in its table.
    pub(crate) fn with(groups: &[Group]) -> Result<Self> {
        let mut world = Self::new()?;
        world.fill(groups)?;
        Ok(world)
    }

    pub(crate) fn fill(&mut self, groups: &[Group]) -> Result<()> {
        let before = self.kernel.entries()?;
        self.kernel.create(flows(groups))?;
        let wanted = before + groups.iter().map(|group| group.count).sum::<u64>();
        let entries = self.kernel.entries()?;
        ensure!(entries == wanted, "the table has {entries} entries instead of {wanted}");
        Ok(())
    }
}
