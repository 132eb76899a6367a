//! Settings of the operator, each with its unit, its default and its reason. [`crate::bounds`] has the figures that are
//! not configurable.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Filter, Grants, Mode, PluginName, Subscription, VerdictKinds};

use crate::bounds::{EngineBounds, PluginBounds};

/// The reaction to a failure of a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// A fresh instance starts after a backoff; after many failures the plugin is quarantined for a time.
    #[default]
    Restart,
    /// The daemon exits ([`crate::Output::Exit`]). This is for operators who prefer no ctwarden to one that runs only
    /// in part.
    Exit,
}

/// One plugin and its settings. The instance is already described, configured and ready to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSpec {
    /// Name in the configuration and in records, unique in a configuration.
    pub name: PluginName,
    /// Whether the plugin's verdicts are carried out.
    pub mode: Mode,
    /// Kinds of verdicts that the component requests in its descriptor. [`PluginSpec::subscription`] has those of them
    /// that its configuration needs.
    pub wants: VerdictKinds,
    /// Codes of the descriptor and of the subscription. Verdicts are counted by them.
    pub codes: BTreeSet<String>,
    /// What the operator grants.
    pub grants: Grants,
    /// What the engine delivers to the plugin.
    pub subscription: Subscription,
    pub limits: PluginLimits,
    pub on_failure: OnFailure,
}

/// Limits of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// Events that may wait for the plugin. Beyond the limit, the oldest are dropped, counted as missed and swept
    /// later. Default 16,384: about a tenth of a second of the fastest event stream that was measured without loss, and
    /// about 5 MiB if no other plugin shares the entries.
    pub queue_entries: usize,
    /// Verdicts a second that change the kernel (delete, mark, labels, timeout, block, unblock). Default 20,000: at 1.5
    /// µs for each in a batched send, this is 3 % of one processor.
    pub verdicts_per_second: u32,
    /// How many of these verdicts may come at once after a quiet time. Default 40,000: the verdicts of two seconds, so
    /// a ban of a busy network happens in one step.
    pub verdict_burst: u32,
    /// Percent of the table's entries that the plugin may delete in any minute. Timeouts count too if they are shorter
    /// than the time that deletes would take for the whole table at that rate (ten minutes at 10 %). Default 10: a
    /// wrong policy costs a tenth of the connections before the breaker opens, not all of them. With 100 or more there
    /// is no limit.
    pub table_share_per_minute: u32,
    /// Deletes a minute that are always allowed, however small the table is. Default 1,000: with fewer, a share would
    /// be too strict on small hosts and in tests.
    pub table_share_floor: u32,
    /// Shortest IPv4 prefix that the plugin may block. Default 16: real block lists hardly contain a shorter prefix,
    /// but mistakes do.
    pub shortest_block_ipv4: u8,
    /// Shortest IPv6 prefix that the plugin may block. Default 32, the size that one provider gets, for the same
    /// reason.
    pub shortest_block_ipv6: u8,
    /// All IPv4 networks that the plugin blocks at a time may together be at most as large as one network of this
    /// prefix length. Default 8: 256 networks of the largest kind, or a 256th of all addresses.
    pub block_space_ipv4: u8,
    /// The same for IPv6. A network longer than /64 counts as a /64. Default 24: 256 networks of the largest kind.
    pub block_space_ipv6: u8,
    /// Alerts a second that are shown. Default 10: nobody reads more.
    pub alerts_per_second: u32,
    /// Alerts that may be shown at once after a quiet time. Default 100: enough for a port scan of a whole network.
    pub alert_burst: u32,
    /// Verdicts a second that get a record of their own. Each started 512 bytes of text and lists count as one verdict.
    /// The other verdicts are folded into one record a second with their counts. Verdicts that have changed the kernel
    /// and alerts that are shown have their own budgets and do not count. Default 5,000: at most 2.5 MB of records a
    /// second.
    pub records_per_second: u32,
    /// How many of these records may come at once after a quiet time. Default 20,000.
    pub record_burst: u32,
    pub bounds: PluginBounds,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            queue_entries: 16_384,
            verdicts_per_second: 20_000,
            verdict_burst: 40_000,
            table_share_per_minute: 10,
            table_share_floor: 1_000,
            shortest_block_ipv4: 16,
            shortest_block_ipv6: 32,
            block_space_ipv4: 8,
            block_space_ipv6: 24,
            alerts_per_second: 10,
            alert_burst: 100,
            records_per_second: 5_000,
            record_burst: 20_000,
            bounds: PluginBounds::default(),
        }
    }
}

/// Settings of the engine as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Flows that no plugin may touch. A flow is protected if it matches any of these filters. A network that overlaps
    /// an address part of one of these filters is never blocked either.
    pub protect: Vec<Filter>,
    /// How long verdicts on shared entries wait for those of the other plugins after the first plugin has answered.
    /// Default 2 ms: plugins answer a batch in microseconds, and a slow plugin must not delay a ban.
    pub merge_window: Duration,
    /// Time within which alerts of one plugin with the same key count as one alert. Default one minute.
    pub alert_window: Duration,
    /// Minimum rest between sweeps that only bring plugins up to date. Default 1 s: under sustained event loss, sweeps
    /// must not add load that causes more loss.
    pub sweep_rest: Duration,
    pub bounds: EngineBounds,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            protect: Vec::new(),
            merge_window: Duration::from_millis(2),
            alert_window: Duration::from_secs(60),
            sweep_rest: Duration::from_secs(1),
            bounds: EngineBounds::default(),
        }
    }
}
