//! Figures that nobody configures, each with its unit and the reason for it. Tests make them smaller.
//!
//! Every collection of the engine has its bound here or beside the collection, so that no plugin, kernel or peer can
//! make it grow without end.

use core::time::Duration;

/// Bounds of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginBounds {
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
    /// Flows it may have protected at a time. Default 4,096: protections are looked up for each verdict and outlive the
    /// plugin's call.
    pub protections: usize,
    /// Verdicts over a selection, and asked sweeps, that may wait for the table to be read. Default 4,096.
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
    /// Entries in one call. Default 256: beyond 64 the cost of a call no longer shows, and a fault voids no more.
    pub batch_entries: usize,
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
