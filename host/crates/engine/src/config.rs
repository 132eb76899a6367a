//! What the operator sets, each with its unit, its default and the reason for it. What nobody sets is in [`crate::bounds`].

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Filter, Grants, Mode, PluginName, Subscription, VerdictKinds};

use crate::bounds::{EngineBounds, PluginBounds};

/// What happens when a plugin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// A fresh instance starts after a backoff; after many failures the plugin is quarantined for a time.
    #[default]
    Restart,
    /// The daemon ends ([`crate::Output::Exit`]), for those who would rather have no warden than half of one.
    Exit,
}

/// One plugin as the engine is to run it. Its instance is described, configured and ready to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSpec {
    /// Name in configuration and records; unique in a configuration.
    pub name: PluginName,
    /// Whether its verdicts are carried out.
    pub mode: Mode,
    /// Kinds it asked for (descriptor); what its configuration needs of them is in [`PluginSpec::subscription`].
    pub wants: VerdictKinds,
    /// What the operator grants.
    pub grants: Grants,
    /// What it is delivered.
    pub subscription: Subscription,
    pub limits: PluginLimits,
    /// What happens when it fails.
    pub on_failure: OnFailure,
}

/// Limits of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// Events that may wait in front of it; beyond, the oldest are dropped, counted as missed and swept later.
    /// Default 16,384: about a tenth of a second of the fastest event stream that was measured without loss, and about
    /// 5 MiB where no other plugin shares the entries.
    pub queue_entries: usize,
    /// Verdicts a second that change the kernel (delete, mark, labels, timeout, block, unblock). Default 20,000: at
    /// 1.5 µs for each in a batched send this is 3 % of one processor.
    pub verdicts_per_second: u32,
    /// How many of them may come at once after a quiet time. Default 40,000: two seconds' worth, so that a ban of a busy
    /// network is one stroke.
    pub verdict_burst: u32,
    /// Percent of the table's entries that its deletes may hit in any minute, and timeouts that are shorter than deletes would
    /// take for the whole table at that rate (ten minutes at 10 %). Default 10: a wrong policy costs a tenth of
    /// the connections before the breaker opens, not all of them. 100 and more do not limit.
    pub table_share_per_minute: u32,
    /// Deletes a minute that are always allowed, however small the table is. Default 1,000: below it a share would
    /// make small hosts and tests stumble.
    pub table_share_floor: u32,
    /// Shortest IPv4 prefix that it may block. Default 16: lists that people keep have hardly a wider one, a mistake has.
    pub shortest_block_ipv4: u8,
    /// Shortest IPv6 prefix that it may block. Default 32, what one provider is given, for the same reason.
    pub shortest_block_ipv6: u8,
    /// All that it blocks of IPv4 at a time is together as much as one network of this length at most. Default 8: 256
    /// networks of the widest kind, or a 256th of all addresses.
    pub block_space_ipv4: u8,
    /// The same of IPv6, where a network longer than /64 counts as a /64. Default 24: 256 networks of the widest kind.
    pub block_space_ipv6: u8,
    /// Alerts a second that are shown. Default 10: more is not read by people.
    pub alerts_per_second: u32,
    /// Alerts that may be shown at once after a quiet time. Default 100: a port scan of a whole network at once.
    pub alert_burst: u32,
    /// Verdicts a second that get a record of their own, one for each begun 512 bytes of text and lists; the others are folded
    /// into one record a second with their counts. Verdicts that have changed the kernel and alerts that are shown are bounded
    /// by their own budgets and do not count. Default 5,000: 2.5 MB a second of records at most.
    pub records_per_second: u32,
    /// How many of them may come at once after a quiet time. Default 20,000.
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

/// Figures of the engine as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Flows that no plugin may touch; any of them suffices. A network that overlaps an address part of one of these is
    /// never blocked either.
    pub protect: Vec<Filter>,
    /// How long verdicts on shared entries wait for the other plugins' after the first has answered. Default 2 ms: plugins
    /// answer a batch in microseconds; a slow one must not hold up a ban.
    pub merge_window: Duration,
    /// Time in which alerts of one plugin with the same key are one. Default one minute.
    pub alert_window: Duration,
    /// Least time between sweeps that only bring plugins up to date. Default 1 s: under lasting loss of events sweeps
    /// must not become the load that loses more.
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
