//! Converts the limits of a configuration to those of the guest crate.

use ctwarden_guest::Limits;

use crate::config;

pub(crate) fn guest_limits(limits: &config::Limits) -> Limits {
    Limits {
        memory_bytes: limits.memory,
        call_cpu: limits.call_cpu,
        call_wall: limits.call_wall,
        verdicts_per_call: saturate(limits.verdicts_per_call),
        output_bytes_per_call: usize::try_from(limits.text_per_call).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

pub(super) fn saturate(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
