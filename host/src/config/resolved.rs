//! The configuration as the daemon uses it: checked, with every default filled in, in the types of `model`.
//!
//! Nothing in a [`Configuration`] contradicts itself or names something that does not exist. Its users need not check
//! again.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ctwarden_model::{Filter, Grants, Mode, PluginName, SetName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::Problem;
pub(crate) use super::written::ReplicaUse;
use crate::address_sets::AddressSet;
use crate::netlink::nftables::managed::FilterVerdict;
use crate::niceness::Niceness;
use crate::set_file::SetFiles;
use crate::table_name::TableName;

#[derive(Debug)]
pub(crate) struct Configuration {
    /// The file that the configuration was read from.
    pub file: PathBuf,
    pub daemon: Daemon,
    /// Flows that no plugin may touch.
    pub protected: Vec<Protected>,
    /// Address sets that plugins look up.
    pub sets: BTreeMap<SetName, AddressSet>,
    /// The files of those sets that come from files, to be watched.
    pub set_files: SetFiles,
    /// Lists that were refused. The daemon starts without them: one list must not stop all policies.
    pub refused: Vec<Problem>,
    /// Where sets are mirrored in the packet filter. `block` verdicts name these sets.
    pub mirrors: BTreeMap<SetName, Mirror>,
    /// Policies, in the order of the file.
    pub plugins: Vec<Plugin>,
}

/// The `[daemon]` section: settings of the daemon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Daemon {
    pub control: PathBuf,
    /// Group of the socket. `None` means the daemon's own group.
    pub control_group: Option<ControlGroup>,
    /// Directory of the data that outlives the daemon.
    pub state: PathBuf,
    /// Destination of every record.
    pub records: Destination,
    /// Additional destination of alerts.
    pub alerts: Option<Destination>,
    /// Receive buffer of the event socket, in bytes.
    pub receive_buffer: u64,
    /// Highest niceness of the threads that read events and apply verdicts.
    pub nice: Niceness,
    /// When the daemon keeps a replica of the table.
    pub replica: ReplicaUse,
    /// Memory limit of the replica, in bytes.
    pub replica_memory: Option<u64>,
    /// How long verdicts wait for those of other plugins.
    pub merge_window: Duration,
    /// How long repetitions of an alert are counted and not shown.
    pub alert_window: Duration,
    /// Least time between two unplanned sweeps.
    pub sweep_pause: Duration,
}

impl Daemon {
    /// Keys that differ in the other version and that a reload does not apply, because they are used only at start.
    #[must_use]
    pub(crate) fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        let changes = [
            ("control", self.control != other.control),
            ("control-group", self.control_group != other.control_group),
            ("state", self.state != other.state),
            ("records", self.records != other.records),
            ("alerts", self.alerts != other.alerts),
            ("receive-buffer", self.receive_buffer != other.receive_buffer),
            ("nice", self.nice != other.nice),
            ("replica", self.replica != other.replica),
            ("replica-memory", self.replica_memory != other.replica_memory),
        ];
        changes.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }
}

impl ReplicaUse {
    /// Whether the replica is kept. `selects`: a plugin declares that its verdicts select flows by filters.
    pub(crate) const fn is_wanted(self, selects: bool) -> bool {
        match self {
            Self::Auto => selects,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// A group by name and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlGroup {
    pub name: String,
    pub gid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Stdout,
    Journal,
    /// The destination is a file, to which records are appended.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Journal => f.write_str("journal"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A `[[protect]]` section: flows that no plugin may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protected {
    /// The reason, for people; may be empty.
    pub comment: String,
    pub filter: Filter,
}

/// Where a set is mirrored in the packet filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    /// In the table that ctwarden owns.
    Managed(FilterVerdict),
    /// In sets of the operator.
    Operators(OperatorsTable),
}

/// The nftables sets of the operator that mirror one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OperatorsTable {
    pub table: TableName,
    /// Name of the set of IPv4 networks. `None` means that IPv4 cannot be blocked.
    pub ipv4: Option<String>,
    /// Name of the set of IPv6 networks. `None` means that IPv6 cannot be blocked.
    pub ipv6: Option<String>,
}

/// A `[[plugin]]` section: one policy, with its grants, budget, limits and configuration.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub name: PluginName,
    /// Where the component is from.
    pub origin: ComponentOrigin,
    /// The component. If it is a file, it was read through the handle that was checked.
    pub component: Arc<[u8]>,
    /// Whether the verdicts of the plugin are applied.
    pub mode: Mode,
    /// What the plugin may do.
    pub grants: Grants,
    /// What happens after a failure.
    pub on_failure: OnFailure,
    /// How much the plugin may change.
    pub budget: Budget,
    /// How much the plugin may use.
    pub limits: Limits,
    /// The configuration that the plugin receives; an empty object if none is written.
    pub config: Value,
    /// Line of the plugin's `[[plugin]]`, for messages about it.
    pub line: usize,
}

/// Where a component is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ComponentOrigin {
    File(PathBuf),
    /// The component is in the program.
    Builtin(&'static str),
}

impl fmt::Display for ComponentOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Builtin(name) => write!(f, "builtin:{name}"),
        }
    }
}

/// What happens after a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// A fresh instance starts after a pause.
    #[default]
    Restart,
    Exit,
}

/// The `[plugin.budget]` section: how much one plugin may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Verdicts a second that change the kernel.
    pub verdicts_per_second: u32,
    /// Percent of the table that the plugin may delete in a minute, 1 to 100.
    pub table_share_per_minute: u8,
    /// Flows a minute that the plugin may delete whatever their share.
    pub table_share_floor: u32,
    /// Shortest IPv4 prefix that the plugin may block.
    pub shortest_block_ipv4: u8,
    /// Shortest IPv6 prefix that the plugin may block.
    pub shortest_block_ipv6: u8,
    /// Prefix length of the one network whose size bounds all IPv4 blocks of the plugin together.
    pub block_space_ipv4: u8,
    /// Prefix length of the one network whose size bounds all IPv6 blocks of the plugin together.
    pub block_space_ipv6: u8,
    pub alerts_per_second: u32,
    /// Verdicts a second that get individual records.
    pub records_per_second: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            // At 1.5 µs for each in a batched send this is 3 % of one processor.
            verdicts_per_second: 20_000,
            // A wrong policy costs a tenth of the connections before it is stopped, not all of them.
            table_share_per_minute: 10,
            table_share_floor: 1_000,
            // Real lists hardly contain a wider network; a mistake does.
            shortest_block_ipv4: 16,
            shortest_block_ipv6: 32,
            // 256 networks of the shortest prefix: a 256th of all IPv4 addresses.
            block_space_ipv4: 8,
            block_space_ipv6: 24,
            // Nobody reads more.
            alerts_per_second: 10,
            // At most 2.5 MB of records a second. Operators who log every session of a large network raise it.
            records_per_second: 5_000,
        }
    }
}

/// The `[plugin.limits]` section: how much one plugin may use. It is also sent to the process that loads a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Bytes of everything that an instance allocates.
    pub memory: u64,
    /// Processor time of one call.
    pub call_cpu: Duration,
    /// Wall time of one call.
    pub call_wall: Duration,
    /// Entries that wait for the plugin.
    pub queue_entries: u32,
    /// Verdicts that one call may return.
    pub verdicts_per_call: u32,
    /// Bytes of text that one call may return.
    pub text_per_call: u64,
    /// Keys that the plugin may store.
    pub store_keys: u32,
    /// Bytes that the plugin may store.
    pub store_bytes: u64,
    /// Bytes of all counters that the host keeps for the plugin.
    pub counters: u64,
    /// Processor time for compiling the component.
    pub load_cpu: Duration,
    /// Memory for compiling the component.
    pub load_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // State for some 500,000 sources, as a per-source cap keeps it.
            memory: 64 << 20,
            // A batch takes milliseconds; reading a configuration of 100,000 networks takes some 100 ms.
            call_cpu: Duration::from_secs(1),
            // Ends only plugins that sleep for ever: a busy host must not make a plugin look stuck.
            call_wall: Duration::from_secs(30),
            // About 5 MiB: a tenth of a second of the fastest event stream that was measured without loss.
            queue_entries: 16_384,
            // The answer to a message with a ban list may contain one verdict for each network.
            verdicts_per_call: 10_000,
            text_per_call: 1 << 20,
            store_keys: 10_000,
            store_bytes: 16 << 20,
            // 200,000 sources that occur once, or 70,000 that occur again and again.
            counters: 16 << 20,
            // A policy in Rust takes a tenth of a second and some 50 MiB, an interpreter of 18 MB fifty times as long.
            load_cpu: Duration::from_secs(20),
            load_memory: 1 << 30,
        }
    }
}
