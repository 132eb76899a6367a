//! Processor time of a running program with all its threads, of ended programs, and of the calling thread.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::ClockId;
use nix::unistd::Pid;

/// The user and system time that a running program has used, in nanoseconds. The sum includes threads that have ended
/// (clock_getcpuclockid(3)): a sweep's own thread ends with the sweep.
pub(crate) fn of_running(id: u32) -> Result<Duration> {
    let id = Pid::from_raw(id.try_into().context("not a process id")?);
    let now = ClockId::pid_cpu_clock_id(id).and_then(ClockId::now).context("the program has ended")?;
    Ok(now.into())
}

/// The processor time of all programs that this process started and that have ended.
pub(crate) fn of_ended() -> Result<Duration> {
    used(UsageWho::RUSAGE_CHILDREN)
}

/// The processor time of the calling thread.
pub(crate) fn of_thread() -> Result<Duration> {
    used(UsageWho::RUSAGE_THREAD)
}

fn used(who: UsageWho) -> Result<Duration> {
    let usage: Usage = getrusage(who).context("the kernel did not report the used processor time")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
}
