//! The configuration as a person wrote it: every key, with its unit, its default and its reason.
//!
//! This stage knows the file's text only. What the words mean, and whether the system agrees, is up to the resolved stage.
//! Keys are kebab-case, an unknown key is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Spanned, Table};

use super::filter::Protect;
use super::quantity::{Period, Size};
use super::scalar::Scalar;

#[derive(Debug, Default)]
pub(crate) struct Written {
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[[protect]]`.
    pub protect: Vec<Spanned<Protect>>,
    /// `[sets.NAME]`; none where the section is wrong, so that whoever names it is not blamed.
    pub sets: BTreeMap<Spanned<String>, Option<Set>>,
    /// `[block.NAME]`; none likewise.
    pub block: BTreeMap<Spanned<String>, Option<Block>>,
    /// `[[plugin]]`.
    pub plugin: Vec<Spanned<Plugin>>,
}

/// `[daemon]`: the host itself. Every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Daemon {
    /// Unix socket for `status` and `send`. Default: `/run/ctwarden/control.sock`.
    pub control: Option<Spanned<PathBuf>>,
    /// Group whose members may use the socket, beside root. Default: the daemon's own group.
    pub control_group: Option<Spanned<String>>,
    /// Directory of what outlives the daemon: plugins' memory, compiled plugins. Default: `/var/lib/ctwarden`.
    pub state: Option<Spanned<PathBuf>>,
    /// Where every record goes: `stdout`, `journal` or the path of a file. Default: `stdout`.
    pub records: Option<Spanned<String>>,
    /// Where alerts go as well; the same choices, or `none`. Default: `none` (they are among the records).
    pub alerts: Option<Spanned<String>>,
    /// Receive buffer of the event socket: about 1280 bytes an event wait in it while the daemon is busy, what does not
    /// fit is lost and costs a sweep. Default: `64MiB` (52,000 events).
    pub receive_buffer: Option<Spanned<Size>>,
    /// Niceness, at most, of the threads that read events and carry verdicts out: from -20 (they go before all others where the
    /// processors are short) to 19 (they stay as they were started, as plugins' threads always do). Default: `-10`.
    pub nice: Option<Spanned<i32>>,
    /// Whether the daemon keeps a replica of the table, so that verdicts over addresses need no reading of it: `auto` (where a
    /// plugin says that it names flows so), `on`, `off`. Default: `auto`.
    #[serde(alias = "mirror")]
    pub replica: ReplicaUse,
    /// Memory of the replica at most; 64 to 90 bytes an IPv4 flow and 114 to 178 an IPv6 flow, the more where it is translated. Default:
    /// what `nf_conntrack_max` entries of any kind need, but no more than a quarter of the machine's memory.
    #[serde(alias = "mirror-memory")]
    pub replica_memory: Option<Spanned<Size>>,
    /// How long the daemon waits for the other plugins' verdicts on the same flows before it acts: longer merges more,
    /// sooner acts faster. Default: `2ms`.
    pub merge_window: Option<Spanned<Period>>,
    /// Repetitions of an alert (same plugin, same key) within this time are counted, not shown. Default: `60s`.
    pub alert_window: Option<Spanned<Period>>,
    /// Least time between two sweeps of the table that lost events or plugins ask for, so that a storm of losses does not
    /// become a storm of sweeps. Default: `1s`.
    pub sweep_pause: Option<Spanned<Period>>,
}

/// When a replica of the table is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReplicaUse {
    /// Where a plugin says that its verdicts name flows by filters.
    #[default]
    Auto,
    On,
    Off,
}

/// `[sets.NAME]`: an address set that plugins can look into. Exactly one of `file` and `entries`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Set {
    /// File with one address, network or range (`a-b`) a line, a value behind white space if wanted; `#`, `;` and `//` begin
    /// comments. Relative to the configuration file. Read again when it changes and rests.
    pub file: Option<Spanned<PathBuf>>,
    /// The same lines, here.
    pub entries: Option<Spanned<Vec<Spanned<String>>>>,
    /// Shortest IPv4 prefix that may stand in it, so that a slip or half a line does not mean half the world. Default of a
    /// file: 8; of entries: 0.
    pub shortest_ipv4_prefix: Option<Spanned<u8>>,
    /// The same for IPv6. Default of a file: 16; of entries: 0.
    pub shortest_ipv6_prefix: Option<Spanned<u8>>,
}

/// `[block.NAME]`: the nftables sets that a `block` verdict puts networks into. One of the two sets may be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Block {
    /// Family and name of the table, as `nft` writes them: "inet ctwarden".
    pub table: Spanned<String>,
    /// Set of type `ipv4_addr`; with `flags interval` it takes networks, with `flags timeout` lifetimes.
    pub ipv4: Option<Spanned<String>>,
    /// Set of type `ipv6_addr`.
    pub ipv6: Option<Spanned<String>>,
}

/// `[[plugin]]`: one policy.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Plugin {
    /// Its name here, in records and for `send`: letters, digits, `-`.
    pub name: Spanned<String>,
    /// The component, relative to the configuration file.
    pub path: Spanned<PathBuf>,
    /// `observe` (default): all checks, no effect. `enforce`: verdicts are carried out.
    #[serde(default)]
    pub mode: WrittenMode,
    /// Kinds of verdicts that are granted: delete, mark, labels, timeout, alert, log, block, unblock, protect, sweep.
    /// Default: none.
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
    /// Mark bits that it may change, number or "0xff". Needed with `mark`; no two plugins share a bit.
    pub mark_mask: Option<Spanned<Scalar>>,
    /// Label bits 0 to 127 that it may change. Needed with `labels`; no two plugins share a bit.
    pub label_bits: Option<Spanned<Vec<Spanned<u8>>>>,
    /// Names of `[block.NAME]` that it may use. Needed with `block` and `unblock`.
    pub block_sets: Option<Spanned<Vec<Spanned<String>>>>,
    /// Names of `[sets.NAME]` that it may look into.
    #[serde(default)]
    pub read_sets: Vec<Spanned<String>>,
    /// When it fails: `restart` (default) a fresh instance after a pause, or `exit` the daemon.
    #[serde(default)]
    pub on_failure: WrittenOnFailure,
    /// `[plugin.budget]`.
    #[serde(default)]
    pub budget: Budget,
    /// `[plugin.limits]`.
    #[serde(default)]
    pub limits: Limits,
    /// `[plugin.config]`: handed to the plugin as JSON; what may be in it is up to the plugin's schema.
    pub config: Option<Spanned<Table>>,
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WrittenMode {
    #[default]
    Observe,
    Enforce,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WrittenOnFailure {
    #[default]
    Restart,
    Exit,
}

/// `[plugin.budget]`: how much it may do to the network before the host stops it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Budget {
    /// Verdicts a second that change the kernel. Default: 20000.
    pub verdicts_per_second: Option<Spanned<u32>>,
    /// Percent of the table's entries that it may delete in a minute, 1 to 100. Default: 10. A timeout counts as a delete where it is
    /// shorter than deletes would take for the whole table at that rate: below 600 seconds at 10 percent.
    pub table_share_per_minute: Option<Spanned<u8>>,
    /// Flows a minute that it may delete whatever their share is, so that a small table does not stop a plugin.
    /// Default: 1000.
    pub table_share_floor: Option<Spanned<u32>>,
    /// Shortest IPv4 prefix that it may block, 1 to 32. Default: 16.
    pub shortest_block_ipv4: Option<Spanned<u8>>,
    /// Shortest IPv6 prefix that it may block, 1 to 128. Default: 32.
    pub shortest_block_ipv6: Option<Spanned<u8>>,
    /// All that it blocks of IPv4 at a time is together as much as one network of this length at most, 1 to 32. Default: 8.
    pub block_space_ipv4: Option<Spanned<u8>>,
    /// The same of IPv6, where a network longer than /64 counts as a /64; 1 to 64. Default: 24.
    pub block_space_ipv6: Option<Spanned<u8>>,
    /// Alerts a second. Default: 10.
    pub alerts_per_second: Option<Spanned<u32>>,
    /// Verdicts a second that get a record of their own, one for each begun 512 bytes of text; the others are counted in one
    /// record a second. Verdicts that changed the kernel and shown alerts do not count. Default: 5000.
    pub records_per_second: Option<Spanned<u32>>,
}

/// `[plugin.limits]`: how much of the host it may use.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// All that an instance takes: linear memories, tables, globals, core instances. Default: `64MiB`.
    pub memory: Option<Spanned<Size>>,
    /// Processor time of one call. Default: `1s`.
    pub call_cpu: Option<Spanned<Period>>,
    /// Time of one call on the wall clock, host calls and waiting included. Default: `30s`.
    pub call_wall: Option<Spanned<Period>>,
    /// Entries that wait for it before the oldest are dropped. Default: 16384.
    pub queue_entries: Option<Spanned<u32>>,
    /// Verdicts that one call may return. Default: 10000.
    pub verdicts_per_call: Option<Spanned<u32>>,
    /// Bytes of text that one call may return. Default: `1MiB`.
    pub text_per_call: Option<Spanned<Size>>,
    /// Keys that it may keep over restarts. Default: 10000.
    pub store_keys: Option<Spanned<u32>>,
    /// Bytes that it may keep over restarts, keys and values. Default: `16MiB`.
    pub store: Option<Spanned<Size>>,
    /// Processor time that compiling it may take, in a process of its own. Default: `20s`.
    pub load_cpu: Option<Spanned<Period>>,
    /// Memory that compiling it may take there. Default: `1GiB`.
    pub load_memory: Option<Spanned<Size>>,
}
