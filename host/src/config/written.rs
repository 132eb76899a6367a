//! The configuration as a person wrote it: every key, with its unit, its default and its reason.
//!
//! This stage knows only the text of the file. The resolved stage checks what the words mean and whether the system
//! agrees. Keys are kebab-case. An unknown key is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Spanned, Table};

use super::filter::Protect;
use super::names::Names;
use super::quantity::{Period, Size};
use super::scalar::Scalar;
use super::scalars::Scalars;

#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The `[daemon]` section, or its defaults if the file has none.
    pub daemon: Daemon,
    /// The `[[protect]]` sections, in the order of the file.
    pub protect: Vec<Spanned<Protect>>,
    /// The `[sets.NAME]` sections. `None` if the section is wrong, so that a plugin that refers to it gets no second
    /// message.
    pub sets: BTreeMap<Spanned<String>, Option<Set>>,
    /// The `[block.NAME]` sections. `None` if the section is wrong, as for `sets`.
    pub block: BTreeMap<Spanned<String>, Option<Block>>,
    /// The `[[plugin]]` sections, in the order of the file.
    pub plugin: Vec<Spanned<Plugin>>,
}

/// The `[daemon]` section: settings of the daemon itself. Every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Daemon {
    /// Unix socket for `status` and `send`. Default: `/run/ctwarden/control.sock`.
    pub control: Option<Spanned<PathBuf>>,
    /// Group whose members may use the socket, in addition to root. Default: the daemon's own group.
    pub control_group: Option<Spanned<String>>,
    /// Directory of the data that outlives the daemon: memories of plugins and compiled plugins. Default:
    /// `/var/lib/ctwarden`.
    pub state: Option<Spanned<PathBuf>>,
    /// Destination of every record: `stdout`, `journal` or the path of a file. Default: `stdout`.
    pub records: Option<Spanned<String>>,
    /// Additional destination of alerts: a destination as for `records`, or `none`. Default: `none` (alerts are among
    /// the records).
    pub alerts: Option<Spanned<String>>,
    /// Receive buffer of the event socket. While the daemon is busy, events wait here, at about 1280 bytes each. Events
    /// that do not fit are lost, and a loss costs a sweep. Default: `64MiB` (52,000 events).
    pub receive_buffer: Option<Spanned<Size>>,
    /// Highest niceness of the threads that read events and carry out verdicts. From -20 (these threads run first when
    /// processors are short) to 19 (they keep the niceness of the start, as the threads of plugins always do). Default:
    /// `-10`.
    pub nice: Option<Spanned<i32>>,
    /// Whether the daemon keeps a replica of the table, so that verdicts over addresses need no read of the table:
    /// `auto` (if a plugin declares that its verdicts select flows by filters), `on` or `off`. Default: `auto`.
    #[serde(alias = "mirror")]
    pub replica: ReplicaUse,
    /// Memory limit of the replica. An IPv4 flow takes 64 to 90 bytes and an IPv6 flow 114 to 178; a translated flow
    /// takes more than others of its family. Default: what `nf_conntrack_max` entries of any kind need, but at most a
    /// quarter of the machine's memory.
    #[serde(alias = "mirror-memory")]
    pub replica_memory: Option<Spanned<Size>>,
    /// How long the daemon waits for verdicts of other plugins on the same flows before it acts. A longer wait merges
    /// more verdicts, a shorter wait acts sooner. Default: `2ms`.
    pub merge_window: Option<Spanned<Period>>,
    /// Time within which repetitions of an alert (same plugin, same key) are counted and not shown. Default: `60s`.
    pub alert_window: Option<Spanned<Period>>,
    /// Minimum time between two sweeps that lost events or plugins request, so that a storm of losses does not become a
    /// storm of sweeps. Default: `1s`.
    pub sweep_pause: Option<Spanned<Period>>,
}

/// When a replica of the table is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReplicaUse {
    /// The replica is kept if a plugin declares that its verdicts select flows by filters.
    #[default]
    Auto,
    On,
    Off,
}

/// A `[sets.NAME]` section: an address set that plugins can look up. It has exactly one of `file` and `entries`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Set {
    /// File with the list, in the form in which it is published: a plain list (one address, network or range a line,
    /// then a value), columns, JSON lines, the output of `ipset save` or `nft -j`, or a MaxMind database. A relative path
    /// starts at the configuration file's directory. A changed file is read again once it rests.
    pub file: Option<Spanned<PathBuf>>,
    /// The lines of the set, in the configuration itself.
    pub entries: Option<Spanned<Vec<Spanned<String>>>>,
    /// Shortest IPv4 prefix that the set accepts, so that a slip or half a line does not cover half of all addresses.
    /// Default for a file: 8; for entries: 0. A database may have any network, unless the key is written.
    pub shortest_ipv4_prefix: Option<Spanned<u8>>,
    /// Shortest IPv6 prefix that the set accepts. Default for a file: 16; for entries: 0.
    pub shortest_ipv6_prefix: Option<Spanned<u8>>,
    /// Format of the file. Default: what the first line of content looks like.
    pub format: Option<Spanned<WrittenFormat>>,
    /// Column of the addresses: its number from 1, or its name; for JSON lines, the name of the field. Default: the one
    /// whose name says so, such as `ip`, `dst_ip`, `cidr` or `network`.
    pub address_column: Option<Spanned<Scalar>>,
    /// Column of the values, written like `address-column`. Default for columns: no values; for JSON lines: `sblid`.
    pub value_column: Option<Spanned<Scalar>>,
    /// Names of the sets that are read of a file with several sets (ipset, nft). Default: all.
    pub list: Option<Spanned<Names>>,
    /// Field of the records of a database that is the value of a network: `country.iso_code`, or its steps as a list.
    /// Default: the country's code or the number of the autonomous system, by the type of the database.
    pub field: Option<Spanned<Scalars>>,
    /// Values of a database whose networks are in the set. Default: all.
    pub only: Option<Spanned<Scalars>>,
    /// What follows a bad line: `refuse` (default) refuses the whole list, `skip` skips the line and counts it.
    pub on_bad_line: Option<Spanned<WrittenOnBadLine>>,
    /// Whether a list without entries is valid. Default: false.
    pub allow_empty: Option<Spanned<bool>>,
    /// How long an entry stays in the set after it has vanished from the file. Default: not at all.
    pub lifetime: Option<Spanned<Period>>,
    /// Percentage of its networks that a list may lose from one version to the next, 0 to 100. A list that lost more is
    /// refused. Default: 100.
    pub largest_loss: Option<Spanned<u8>>,
    /// Whether packets from and to the networks are dropped: `true` or `"drop"`, or `"reject"` with an ICMP error.
    /// ctwarden then keeps the set in a table of its own, `inet ctwarden`. Default: false.
    pub firewall: Option<Spanned<WrittenFirewall>>,
    /// A table of yours, as `nft` writes it ("inet filter"): ctwarden keeps the networks in the sets of this table that
    /// `ipv4` and `ipv6` name. Your own rules decide what happens to the packets.
    pub table: Option<Spanned<String>>,
    /// Name of a set of type `ipv4_addr` with `flags interval, timeout`; `false` if there is none on purpose.
    pub ipv4: Option<Spanned<WrittenKernelSet>>,
    /// Name of a set of type `ipv6_addr` with the same flags; `false` if there is none on purpose.
    pub ipv6: Option<Spanned<WrittenKernelSet>>,
}

/// Whether packets are dropped, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected true, \"drop\" or \"reject\"")]
pub(crate) enum WrittenFirewall {
    Whether(bool),
    Verdict(String),
}

/// The name of a kernel set, or `false` for none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected the name of an nftables set, or false")]
pub(crate) enum WrittenKernelSet {
    Whether(bool),
    Name(String),
}

/// The format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WrittenFormat {
    Plain,
    Csv,
    JsonLines,
    Ipset,
    Nft,
    Mmdb,
}

/// What follows a bad line of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WrittenOnBadLine {
    Refuse,
    Skip,
}

/// A `[block.NAME]` section: short for a `[sets.NAME]` without a list that has `table`, `ipv4` and `ipv6`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Block {
    /// Family and name of the table, as `nft` writes them: "inet ctwarden".
    pub table: Spanned<String>,
    /// Name of a set of type `ipv4_addr` with `flags interval, timeout`; `false` if there is none on purpose.
    pub ipv4: Option<Spanned<WrittenKernelSet>>,
    /// Name of a set of type `ipv6_addr` with the same flags; `false` if there is none on purpose.
    pub ipv6: Option<Spanned<WrittenKernelSet>>,
}

/// A `[[plugin]]` section: one policy with its grants and limits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Plugin {
    /// Name of the plugin here, in records and for `send`: letters, digits, `-`.
    pub name: Spanned<String>,
    /// Path of the component, relative to the configuration file's directory. A plugin has either `path` or `use`.
    pub path: Option<Spanned<PathBuf>>,
    /// A policy that is in the program: "builtin:NAME". `ctwarden builtin list` prints the names.
    #[serde(rename = "use")]
    pub builtin: Option<Spanned<String>>,
    /// File of rules for `use = "builtin:rules"`, relative to the configuration file's directory.
    pub rules: Option<Spanned<PathBuf>>,
    /// `observe` (default): all checks, no effect. `enforce`: the daemon carries out the verdicts.
    #[serde(default)]
    pub mode: WrittenMode,
    /// Kinds of verdicts that are granted: delete, kill, mark, labels, timeout, alert, log, block, unblock, protect,
    /// sweep.
    /// Default: none.
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
    /// Mark bits that the plugin may change, as a number or "0xff". Needed with `mark`. No two plugins share a bit.
    pub mark_mask: Option<Spanned<Scalar>>,
    /// Label bits 0 to 127 that the plugin may change. Needed with `labels`. No two plugins share a bit.
    pub label_bits: Option<Spanned<Vec<Spanned<u8>>>>,
    /// Names of the sets that the plugin may fill: `[sets.NAME]` with `firewall` or `table`, or `[block.NAME]`. Needed
    /// with `block` and `unblock`.
    pub block_sets: Option<Spanned<Vec<Spanned<String>>>>,
    /// Names of the `[sets.NAME]` sections that the plugin may look up.
    #[serde(default)]
    pub read_sets: Vec<Spanned<String>>,
    /// What follows a failure: `restart` (default) starts a fresh instance after a pause, `exit` ends the daemon.
    #[serde(default)]
    pub on_failure: WrittenOnFailure,
    /// The `[plugin.budget]` section of the plugin.
    #[serde(default)]
    pub budget: Budget,
    /// The `[plugin.limits]` section of the plugin.
    #[serde(default)]
    pub limits: Limits,
    /// The `[plugin.config]` section, passed to the plugin as JSON. The plugin's schema says what it may contain.
    pub config: Option<Spanned<Table>>,
}

/// Whether the daemon carries out verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WrittenMode {
    #[default]
    Observe,
    Enforce,
}

/// What follows a failure of the plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WrittenOnFailure {
    #[default]
    Restart,
    Exit,
}

/// The `[plugin.budget]` section: how much the plugin may do to the network before the host stops it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Budget {
    /// Verdicts a second that change the kernel. Default: 20000.
    pub verdicts_per_second: Option<Spanned<u32>>,
    /// Percentage of the table's entries that the plugin may delete in a minute, 1 to 100. Default: 10. A timeout
    /// counts as a delete if it is shorter than the time in which deletes at that rate would empty the table: below 600
    /// seconds at 10 percent.
    pub table_share_per_minute: Option<Spanned<u8>>,
    /// Number of flows that the plugin may delete in a minute whatever their share, so that a small table does not stop
    /// a plugin. Default: 1000.
    pub table_share_floor: Option<Spanned<u32>>,
    /// Shortest IPv4 prefix that the plugin may block, 1 to 32. Default: 16.
    pub shortest_block_ipv4: Option<Spanned<u8>>,
    /// Shortest IPv6 prefix that the plugin may block, 1 to 128. Default: 32.
    pub shortest_block_ipv6: Option<Spanned<u8>>,
    /// Limit of all IPv4 addresses that the plugin blocks at one time: as many as one network of this prefix length
    /// has, 1 to 32. Default: 8.
    pub block_space_ipv4: Option<Spanned<u8>>,
    /// The same limit for IPv6, 1 to 64. A network longer than /64 counts as a /64. Default: 24.
    pub block_space_ipv6: Option<Spanned<u8>>,
    /// Alerts a second that are shown. Default: 10.
    pub alerts_per_second: Option<Spanned<u32>>,
    /// Verdicts a second that get individual records. Each started 512 bytes of text count as one verdict. One record a
    /// second counts the other verdicts. Verdicts that changed the kernel and shown alerts do not count. Default: 5000.
    pub records_per_second: Option<Spanned<u32>>,
}

/// The `[plugin.limits]` section: how much of the host the plugin may use.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Memory of everything that an instance takes: linear memories, tables, globals, core instances. Default: `64MiB`.
    pub memory: Option<Spanned<Size>>,
    /// Processor time of one call. Default: `1s`.
    pub call_cpu: Option<Spanned<Period>>,
    /// Wall-clock time of one call, including host calls and waiting. Default: `30s`.
    pub call_wall: Option<Spanned<Period>>,
    /// Entries that wait for the plugin before the oldest are dropped. Default: 16384.
    pub queue_entries: Option<Spanned<u32>>,
    /// Verdicts that one call may return. Default: 10000.
    pub verdicts_per_call: Option<Spanned<u32>>,
    /// Bytes of text that one call may return. Default: `1MiB`.
    pub text_per_call: Option<Spanned<Size>>,
    /// Keys that the plugin may store across restarts. Default: 10000.
    pub store_keys: Option<Spanned<u32>>,
    /// Bytes of keys and values that the plugin may store across restarts. Default: `16MiB`.
    pub store: Option<Spanned<Size>>,
    /// Memory of all counters that the host keeps for the plugin, at least `1MiB`. Each has an equal share. Default:
    /// `16MiB`.
    pub counters: Option<Spanned<Size>>,
    /// Processor time for compiling the component, in a separate process. Default: `20s`.
    pub load_cpu: Option<Spanned<Period>>,
    /// Memory for compiling the component in that process. Default: `1GiB`.
    pub load_memory: Option<Spanned<Size>>,
}
