//! What one plugin may use, each limit with its unit and its reason.
//!
//! A plugin is someone else's code in a privileged process: whatever it can take more of, it takes until it is stopped,
//! so every such thing is counted somewhere in this crate and bounded here.

use std::time::Duration;

/// Limits of one instance. "In one call" is one of `configure`, `judge`, `tick`, `message` or `stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all that it takes: its linear memories, its tables, and what the host has for its core instances, their globals
    /// and functions, and for what it declares. Compiled code is not among them; that is limited by
    /// [`CODE_BYTES_MAX`](crate::CODE_BYTES_MAX). A Rust plugin begins with 1 MiB, most of it stack, and takes what its
    /// state needs; a JavaScript or Python plugin carries its interpreter's memory with it.
    pub memory_bytes: u64,
    /// Elements of all its tables together: 8 bytes each in the host, which count as memory too. Tables hold the functions that are called by
    /// pointer: about 100 in a small Rust plugin, and as many as it has built-in functions in an interpreter.
    pub table_elements: u64,
    /// Core instances within the component, memories and tables. A Rust plugin has 3 instances. Each memory reserves
    /// addresses, and each instance costs the host some KiB beside what it holds.
    pub instances: usize,
    /// Resource handles (streams, pollables) that live at once. Each is an allocation in the host; a plugin that prints
    /// has one for each stream that it writes to.
    pub handles: usize,
    /// Processor time in one call, host calls included. A batch of some hundred entries takes a Rust plugin less than a
    /// millisecond; reading a configuration with a long list takes most. It is looked at every [`TICK`](crate::TICK) once
    /// a call has lasted for up to five of them, so that a call may get two ticks more, and six in all where less is set.
    pub call_cpu: Duration,
    /// Time in one call, waiting included. Only there to end a plugin that sleeps for ever or waits on the host: far
    /// above `call_cpu`, as a busy machine may run a healthy plugin much slower than the clock.
    pub call_wall: Duration,
    /// Verdicts in one answer. A sweep's batch holds a few hundred entries; a message with a ban list may answer with
    /// one for each network.
    pub verdicts_per_call: usize,
    /// Bytes of text and lists in all verdicts of one answer (and in a subscription or a reply). They are copied into
    /// the host and end up in records.
    pub output_bytes_per_call: usize,
    /// Bytes that the plugin may pass to the host's functions in one call: addresses to look up, values to keep.
    pub host_call_bytes_per_call: usize,
    /// Lines on standard output and error in one call; more are counted and left out. A log that a packet can fill is
    /// of no use.
    pub log_lines_per_call: usize,
    /// Bytes on standard output and error in one call; more are left out.
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
    /// For `describe`: it computes nothing, so it gets little; memory and instances stay, as the plugin's start needs
    /// them.
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
