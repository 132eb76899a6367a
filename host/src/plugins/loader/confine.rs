//! Confines the process that loads a component before it reads any of it.
//!
//! The process parses and compiles untrusted input. Whatever that input makes it do, it does without privileges and
//! within the kernel's limits, and the kernel kills it first if memory is short.

use std::fs;
use std::io;
use std::time::Duration;

use ctwarden_guest::CODE_BYTES_MAX;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// A user without any rights (`overflowuid`, nobody).
const NOBODY: u32 = 65_534;
/// Three descriptors, and what the runtime opens.
const DESCRIPTORS: u64 = 64;

/// Call this once, before anything is read.
pub(super) fn confine() -> io::Result<()> {
    // The file belongs to root once the process runs as nobody.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    // Memory files count as files here. Twice the limit, so that code that is too large is reported as such.
    limit(Resource::Fsize, CODE_BYTES_MAX.saturating_mul(2))?;
    prctl::set_no_new_privs()?;
    if Uid::effective().is_root() {
        become_nobody();
    }
    // Kernels before 4.3 have no ambient capabilities to give up.
    let _ = caps::clear(None, caps::CapSet::Ambient);
    for set in [caps::CapSet::Effective, caps::CapSet::Permitted, caps::CapSet::Inheritable] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    // Last, because a change of the user resets it.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}

/// A user namespace may have no such user: root there has no more rights than the namespace, and the capabilities are
/// dropped in any case.
fn become_nobody() {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let _ = setgroups(&[]);
    let _ = setresgid(group, group, group);
    let _ = setresuid(user, user, user);
}

/// Limits processor time and memory from here on. Memory in use counts towards its limit; processor time already used
/// does not.
pub(super) fn allow(cpu: Duration, memory: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0));
    // The kernel counts whole seconds.
    let until = used.saturating_add(cpu).as_secs().saturating_add(1);
    set_soft(Resource::Cpu, until)?;
    set_soft(Resource::Data, memory)
}

/// Returns the memory in use of the kind that [`allow`] limits (`VmData`, proc_pid_status(5)).
pub(super) fn used_memory() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
    kib.map(|kib| kib.saturating_mul(1024)).ok_or_else(|| io::Error::other("/proc/self/status has no VmData"))
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Sets a limit that may be changed again later.
fn set_soft(resource: Resource, most: u64) -> io::Result<()> {
    let maximum = rustix::process::getrlimit(resource).maximum;
    let current = Some(maximum.map_or(most, |allowed| allowed.min(most)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}
