//! Bounds that are not configurable, each with its unit and its reason. Tests make them smaller.
//!
//! Every collection of the engine has its bound here or next to the collection. No plugin, kernel or peer can make it
//! grow without limit.

use core::time::Duration;

/// Bounds of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginBounds {
    /// Sweep rows that may wait in the queue of the plugin. If more wait, the sweep pauses. Rows are never dropped.
    /// Default 1,024: enough to keep a plugin busy while the kernel fills the next buffers, and few enough that an
    /// event or a message behind the rows waits only some milliseconds.
    pub queue_rows: usize,
    /// Messages that may wait in the queue of the plugin. A sender beyond the limit gets an error. Default 1,024: a
    /// list sent line by line.
    pub queue_messages: usize,
    /// Bytes of the texts of these messages. A sender beyond the limit gets an error, unless no message waits.
    /// Default 4 MiB.
    pub queue_message_bytes: usize,
    /// Bytes of the plugin's verdicts without an outcome. While they take more, the plugin is not called. Default 16
    /// MiB: some 30,000 verdicts without a long filter.
    pub open_bytes: usize,
    /// Flows that the plugin may protect at a time. Default 4,096: protections are looked up for each verdict and
    /// outlive the plugin's call.
    pub protections: usize,
    /// Verdicts over a selection, and requested sweeps, that may wait for a read of the table. Default 4,096.
    pub selections: usize,
}

impl Default for PluginBounds {
    fn default() -> Self {
        Self {
            queue_rows: 1_024,
            queue_messages: 1_024,
            queue_message_bytes: 4 << 20,
            open_bytes: 16 << 20,
            protections: 4_096,
            selections: 4_096,
        }
    }
}

/// Bounds of the engine as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineBounds {
    /// Entries in one call. Default 256: above 64 the cost of a call is negligible, and a fault voids the verdicts of
    /// at most 256 entries.
    pub batch_entries: usize,
    /// Keys of alerts remembered for each plugin ([`crate::EngineConfig::alert_window`]). The oldest is dropped first.
    /// Default 4,096.
    pub alert_keys: usize,
    pub breaker: BreakerLimits,
    pub restart: RestartLimits,
    /// How long the engine waits for the kernel's answer to an effect or a lookup. Default 5 s: the kernel answers in
    /// microseconds, so an answer that has not come by then will not come.
    pub answer_wait: Duration,
    /// How long a deletion of many flows that has used up its budget continues as the budget refills. Default ten
    /// minutes: at 10 % a minute this covers the whole table. After that, the remaining flows are over budget.
    pub resume_for: Duration,
    /// How long a reply to a message waits for the outcomes of its verdicts. Default 10 s: a sweep of a large table.
    pub message_wait: Duration,
    /// A reply does not wait for outcomes that need a sweep of about this length or longer. Default 500 ms: some
    /// 170,000 entries.
    pub long_sweep: Duration,
    /// Minimum rest between sweeps that carry out verdicts. Default 10 ms. Bans that arrive meanwhile share the next
    /// sweep.
    pub selection_rest: Duration,
    /// How long a sweep waits for a plugin that does not take its rows, if others wait for the sweep. Default 500 ms.
    /// Then the plugin's part is interrupted, and the plugin gets another sweep later.
    pub row_patience: Duration,
    /// Selections that one sweep serves. The others wait for the next sweep. Default 256: each row is compared with
    /// each selection.
    pub selections_per_sweep: usize,
    /// Effects and records that may wait to be taken or answered. If more wait, no plugin is called and sweeps pause.
    /// Default 65,536.
    pub backlog: usize,
    /// Bytes of the waiting records. Default 32 MiB.
    pub backlog_bytes: usize,
    /// Bytes of replies that wait for the outcomes of their verdicts. Beyond the limit, the oldest replies are sent
    /// without the outcomes. Default 8 MiB.
    pub reply_bytes: usize,
}

impl Default for EngineBounds {
    fn default() -> Self {
        Self {
            batch_entries: 256,
            alert_keys: 4_096,
            breaker: BreakerLimits::default(),
            restart: RestartLimits::default(),
            answer_wait: Duration::from_secs(5),
            resume_for: Duration::from_secs(600),
            message_wait: Duration::from_secs(10),
            long_sweep: Duration::from_millis(500),
            selection_rest: Duration::from_millis(10),
            row_patience: Duration::from_millis(500),
            selections_per_sweep: 256,
            backlog: 65_536,
            backlog_bytes: 32 << 20,
            reply_bytes: 8 << 20,
        }
    }
}

/// When the breaker switches a plugin to observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Number of different seconds with a change over the budget, within [`BreakerLimits::window`], that open the
    /// breaker. A second condition must also hold: the number of flows and verdicts over the budget within the window
    /// is at least the budget itself. For a change, this budget is [`crate::PluginLimits::verdict_burst`]. For a
    /// delete, and for a short timeout, it is the share of the table or the burst, whichever is smaller. For a block
    /// over the budget of address space it is 1,000. Default 5: a single storm does not open the breaker, a wrong
    /// policy does.
    pub exhaustions: u32,
    /// Time within which these seconds count. Default one minute.
    pub window: Duration,
    /// How long the plugin only observes. Default five minutes: long enough for the operator to look, short enough that
    /// an unattended host does not stay without its policy.
    pub observe_for: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { exhaustions: 5, window: Duration::from_secs(60), observe_for: Duration::from_secs(300) }
    }
}

/// When a failed plugin starts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartLimits {
    /// Wait after a first failure. Each further failure in the window doubles it. Default 100 ms: a single odd batch is
    /// hardly noticeable.
    pub backoff: Duration,
    /// Maximum of the wait between restarts. Default 30 s.
    pub backoff_max: Duration,
    /// Failures within [`RestartLimits::window`] that quarantine the plugin. Default 5.
    pub failures: u32,
    /// Time within which failures count. Default ten minutes.
    pub window: Duration,
    /// Length of a quarantine. Default ten minutes. Then the plugin starts again, so no plugin stays dead unnoticed.
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
