//! Limits and figures of the engine, each with its unit, its default and the reason for it. The operator's configuration sets
//! some of them.
//!
//! Every collection of the engine has its bound here or beside the collection, so that no plugin, kernel or peer can
//! make it grow without end.

use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Filter, Grants, Mode, PluginName, Subscription, VerdictKinds};

/// What happens when a plugin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// A fresh instance starts after a backoff; after many failures the plugin is quarantined for a time.
    #[default]
    Restart,
    /// The daemon ends ([`crate::Engine::poll_exit`]), for those who would rather have no warden than half of one.
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
    /// Sweep rows that may wait in front of it; beyond, the sweep pauses. Rows are never dropped. Default 1,024: enough
    /// to keep a plugin busy while the kernel fills the next buffers, and few enough that an event or a message behind
    /// them waits no longer than some milliseconds.
    pub queue_rows: usize,
    /// Messages that may wait in front of it; beyond, a sender is told so. Default 1,024: a list sent line by line.
    pub queue_messages: usize,
    /// Bytes of their texts; beyond, a sender is told so, unless none waits. Default 4 MiB.
    pub queue_message_bytes: usize,
    /// Bytes of its verdicts without an outcome; while they hold more it is not called. Default 16 MiB: some 30,000 verdicts
    /// without a long filter.
    pub open_bytes: usize,
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
    /// Flows it may have protected at a time. Default 4,096: protections are looked up for each verdict and outlive the
    /// plugin's call.
    pub protections: usize,
    /// Verdicts over a selection, and asked sweeps, that may wait for the table to be read. Default 4,096.
    pub selections: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            queue_entries: 16_384,
            queue_rows: 1_024,
            queue_messages: 1_024,
            queue_message_bytes: 4 << 20,
            open_bytes: 16 << 20,
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
            protections: 4_096,
            selections: 4_096,
        }
    }
}

/// When a plugin that spends its budget falls back to observing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Seconds with a used-up budget, within [`BreakerLimits::window`], that open the breaker if at least as much was over
    /// budget in them as the budget of the window is: for deletes the share of the table, for changes the burst. Default 5: one
    /// storm that passes does not, a policy that is wrong does.
    pub exhaustions: u32,
    /// Time in which they count. Default one minute.
    pub window: Duration,
    /// How long the plugin only observes. Default five minutes: long enough for a person to look, short enough that an
    /// unattended host is not left without its policy.
    pub observe_for: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { exhaustions: 5, window: Duration::from_secs(60), observe_for: Duration::from_secs(300) }
    }
}

/// When a failed plugin is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartLimits {
    /// Wait after a first failure; doubled with each further one in the window. Default 100 ms: one odd batch hardly
    /// shows.
    pub backoff: Duration,
    /// Longest such wait. Default 30 s.
    pub backoff_max: Duration,
    /// Failures within [`RestartLimits::window`] that quarantine it. Default 5.
    pub failures: u32,
    /// Time in which they count. Default ten minutes.
    pub window: Duration,
    /// How long it is quarantined. Default ten minutes; it is then tried again, so that nothing stays dead unseen.
    pub quarantine: Duration,
}

impl Default for RestartLimits {
    fn default() -> Self {
        Self {
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            failures: 5,
            window: Duration::from_secs(600),
            quarantine: Duration::from_secs(600),
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
    /// Entries in one call. Default 256: beyond 64 the cost of a call no longer shows, and a fault voids no more.
    pub batch_entries: usize,
    /// Time in which alerts of one plugin with the same key are one. Default one minute.
    pub alert_window: Duration,
    /// Keys remembered for that, for each plugin; the oldest is forgotten first. Default 4,096.
    pub alert_keys: usize,
    pub breaker: BreakerLimits,
    pub restart: RestartLimits,
    /// How long the kernel's answer to an effect or a lookup is awaited. Default 5 s: it answers in microseconds, so no
    /// answer by then is none.
    pub answer_wait: Duration,
    /// How long a deletion of many flows that ran out of budget goes on as the budget comes back. Default ten minutes, in which
    /// a share of 10 % a minute comes to the whole table; then what is left of it is over budget.
    pub resume_for: Duration,
    /// How long a reply to a message waits for the outcomes of its verdicts. Default 10 s: a sweep of a large table.
    pub message_wait: Duration,
    /// A reply does not wait for outcomes that only a sweep of about this length or longer tells. Default 500 ms: some 170,000
    /// entries.
    pub long_sweep: Duration,
    /// Least time between sweeps that only bring plugins up to date. Default 1 s: under lasting loss of events sweeps
    /// must not become the load that loses more.
    pub sweep_rest: Duration,
    /// Least time between sweeps that carry out verdicts. Default 10 ms; bans that come meanwhile share the next one.
    pub selection_rest: Duration,
    /// How long a sweep that others wait for waits for a plugin that does not take its rows. Default 500 ms; then this
    /// plugin's part is interrupted and comes again later.
    pub row_patience: Duration,
    /// Selections that one sweep serves; the rest wait for the next. Default 256: each row is matched against each.
    pub selections_per_sweep: usize,
    /// Effects and records that may wait to be taken or answered; beyond, no plugin is called and sweeps pause. Default
    /// 65,536.
    pub backlog: usize,
    /// Bytes of the records among them. Default 32 MiB.
    pub backlog_bytes: usize,
    /// Bytes of replies that wait for the outcomes of their verdicts; beyond, the oldest are given without. Default 8 MiB.
    pub reply_bytes: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            protect: Vec::new(),
            merge_window: Duration::from_millis(2),
            batch_entries: 256,
            alert_window: Duration::from_secs(60),
            alert_keys: 4_096,
            breaker: BreakerLimits::default(),
            restart: RestartLimits::default(),
            answer_wait: Duration::from_secs(5),
            resume_for: Duration::from_secs(600),
            message_wait: Duration::from_secs(10),
            long_sweep: Duration::from_millis(500),
            sweep_rest: Duration::from_secs(1),
            selection_rest: Duration::from_millis(10),
            row_patience: Duration::from_millis(500),
            selections_per_sweep: 256,
            backlog: 65_536,
            backlog_bytes: 32 << 20,
            reply_bytes: 8 << 20,
        }
    }
}
