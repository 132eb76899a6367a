//! Processor time: of a running program with all its threads, of programs that have ended, of the calling thread.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What all threads of a running program have used, user and system, to the nanosecond (proc_pid_schedstat(5): the first
/// number). Threads that have ended are left out; the daemon's live as long as it.
pub(crate) fn of_running(id: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{id}/task")).context("the program has ended")? {
        // A thread may end while its folder is looked at.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
        sum += Duration::from_nanos(first.context("the kernel keeps no scheduler statistics")?);
    }
    Ok(sum)
}

/// What all programs have used that this one has started and that have ended.
pub(crate) fn of_ended() -> Result<Duration> {
    used(UsageWho::RUSAGE_CHILDREN)
}

/// What the calling thread has used.
pub(crate) fn of_thread() -> Result<Duration> {
    used(UsageWho::RUSAGE_THREAD)
}

fn used(who: UsageWho) -> Result<Duration> {
    let usage: Usage = getrusage(who).context("the kernel would not say how much processor time was used")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
}
