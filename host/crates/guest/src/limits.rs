//! The limits of one plugin, each with its unit and its reason.
//!
//! A plugin is third-party code in a privileged process. It takes any unlimited resource until it is stopped. So this
//! crate counts and limits every such resource.

use std::time::Duration;

/// Limits of one instance. "In one call" means one of `configure`, `judge`, `tick`, `message` or `stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of everything that the instance takes: its linear memories, its tables, and what the host needs for its
    /// core instances, their globals and functions, and for its declarations. Compiled code does not count; its limit
    /// is [`CODE_BYTES_MAX`](crate::CODE_BYTES_MAX). A Rust plugin begins with 1 MiB, most of it stack, and takes what
    /// its state needs. A JavaScript or Python plugin includes its interpreter's memory.
    pub memory_bytes: u64,
    /// Elements of all tables together. Each takes 8 bytes in the host, which count as memory too. Tables hold the
    /// functions that are called by pointer: about 100 in a small Rust plugin, and in an interpreter as many as it has
    /// built-in functions.
    pub table_elements: u64,
    /// Core instances within the component, memories and tables. A Rust plugin has 3 instances. Each memory reserves
    /// addresses, and each instance costs the host some KiB in addition to its contents.
    pub instances: usize,
    /// Resource handles (streams, pollables) that live at once. Each is an allocation in the host. A plugin that prints
    /// has one handle for each stream that it writes to.
    pub handles: usize,
    /// Processor time in one call, host calls included. A Rust plugin needs less than a millisecond for a batch of some
    /// hundred entries. Reading a configuration with a long list takes the most time. The host checks the time every
    /// [`TICK`](crate::TICK), once a call has lasted for up to five ticks. So a call may get two extra ticks, or six
    /// ticks in all if the limit is smaller.
    pub call_cpu: Duration,
    /// Wall-clock time in one call, waiting included. This limit only ends a plugin that sleeps for ever or waits on
    /// the host. It is far above `call_cpu`, because a healthy plugin may run much slower than the clock on a busy
    /// machine.
    pub call_wall: Duration,
    /// Verdicts in one answer. A sweep's batch has a few hundred entries. The answer to a message with a ban list may
    /// have one verdict for each network.
    pub verdicts_per_call: usize,
    /// Bytes of text and lists in all verdicts of one answer (and in a subscription or a reply). The host copies them,
    /// and they appear in records.
    pub output_bytes_per_call: usize,
    /// Bytes that the plugin may pass to the host's functions in one call: addresses to look up, values to store.
    pub host_call_bytes_per_call: usize,
    /// Lines on standard output and error in one call. Further lines are counted and dropped. A log that a packet can
    /// fill is useless.
    pub log_lines_per_call: usize,
    /// Bytes on standard output and error in one call. Further bytes are dropped.
    pub log_bytes_per_call: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            instances: 64,
            handles: 1_000,
            call_cpu: Duration::from_secs(1),
            call_wall: Duration::from_secs(30),
            verdicts_per_call: 10_000,
            output_bytes_per_call: 1 << 20,
            host_call_bytes_per_call: 4 << 20,
            log_lines_per_call: 100,
            log_bytes_per_call: 16 << 10,
        }
    }
}

impl Limits {
    /// Limits for `describe`, which computes nothing, so its limits are low. Memory and instances stay, because the
    /// plugin's start needs them.
    pub(crate) fn describing(self) -> Self {
        Self {
            call_cpu: self.call_cpu.min(Duration::from_secs(1)),
            call_wall: self.call_wall.min(Duration::from_secs(5)),
            verdicts_per_call: 0,
            output_bytes_per_call: 256 << 10,
            host_call_bytes_per_call: 64 << 10,
            ..self
        }
    }
}
