//! Gives this process its own network, as root or, if user namespaces are allowed, without root.
//!
//! This must happen before the process starts its first thread. The kernel gives a user namespace only to a process
//! with one thread, and earlier threads would stay in the old network.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid};
use thiserror::Error;

/// Proof that the calling thread, and every thread that it starts later, has its own network.
#[derive(Debug)]
pub struct Isolated {
    user_namespace: bool,
}

impl Isolated {
    pub(super) const fn user_namespace(&self) -> bool {
        self.user_namespace
    }
}

/// Why the process did not get its own network.
#[derive(Debug, Error)]
pub enum IsolateError {
    #[error("the kernel refused a network namespace: {reason}")]
    Refused {
        /// The cause, and the command or setting that removes it.
        reason: String,
        #[source]
        errno: Errno,
    },
    /// The user namespace exists, but the kernel refused the id mapping.
    #[error("cannot write {file} of the new user namespace; run as root instead")]
    Ids {
        file: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Moves this process into its own network namespace. Without root, the process also gets a user namespace in which it
/// is root.
///
/// # Errors
/// [`IsolateError`] names the setting of the machine that forbids namespaces.
pub fn isolate() -> Result<Isolated, IsolateError> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => return Ok(Isolated { user_namespace: false }),
        Err(Errno::EPERM) => {}
        Err(errno) => return Err(refused(errno)),
    }
    let (uid, gid) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(refused)?;
    // If a program has file capabilities, root owns the /proc files of its process until the process becomes dumpable.
    let _ = prctl::set_dumpable(true);
    // Without this, the kernel refuses the group mapping (user_namespaces(7)).
    write_ids("/proc/self/setgroups", "deny")?;
    write_ids("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write_ids("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    Ok(Isolated { user_namespace: true })
}

fn write_ids(file: &'static str, text: &str) -> Result<(), IsolateError> {
    fs::write(file, text).map_err(|source| IsolateError::Ids { file, source })
}

fn refused(errno: Errno) -> IsolateError {
    IsolateError::Refused { reason: reason(errno, &Machine::read()), errno }
}

/// Settings of the machine that forbid namespaces. `None` means that the machine has no such setting.
#[derive(Clone, Debug, Default)]
struct Machine {
    most_user_namespaces: Option<u64>,
    most_network_namespaces: Option<u64>,
    userns_clone: Option<u64>,
    apparmor_restricts: Option<u64>,
    threads: Option<u64>,
}

impl Machine {
    fn read() -> Self {
        let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse().ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            most_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            most_network_namespaces: number("/proc/sys/user/max_net_namespaces"),
            userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            threads: status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok()),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "error numbers are the system's, and most of them say nothing here")]
fn reason(errno: Errno, machine: &Machine) -> String {
    let switch = |why: &str, setting: &str| format!("{why}; run as root, or allow it: sysctl -w {setting}");
    match errno {
        _ if machine.most_network_namespaces == Some(0) => {
            "network namespaces are switched off; allow them: sysctl -w user.max_net_namespaces=1000".to_owned()
        }
        _ if machine.most_user_namespaces == Some(0) => {
            switch("user namespaces are switched off", "user.max_user_namespaces=1000")
        }
        Errno::ENOSPC => "there are too many namespaces already; raise user.max_user_namespaces and \
                          user.max_net_namespaces with sysctl"
            .to_owned(),
        Errno::EINVAL if machine.threads.is_some_and(|threads| threads > 1) => {
            "this process has threads already, and only one with a single thread may have a user namespace".to_owned()
        }
        Errno::EINVAL => "this kernel has no user namespaces (CONFIG_USER_NS); run as root".to_owned(),
        _ if machine.userns_clone == Some(0) => {
            switch("user namespaces are for root only", "kernel.unprivileged_userns_clone=1")
        }
        _ if machine.apparmor_restricts.is_some_and(|value| value != 0) => {
            switch("AppArmor keeps user namespaces from this program", "kernel.apparmor_restrict_unprivileged_userns=0")
        }
        _ => {
            "something here forbids namespaces, perhaps a container's system call filter; run as root, in a container \
              with all privileges (docker run --privileged)"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_way_out() {
        let machine = Machine { threads: Some(1), ..Machine::default() };
        let says = |errno, machine: &Machine, word: &str| {
            let reason = reason(errno, machine);
            assert!(reason.contains(word), "{reason}");
        };
        says(Errno::EPERM, &machine, "--privileged");
        says(Errno::EINVAL, &machine, "CONFIG_USER_NS");
        says(Errno::EINVAL, &Machine { threads: Some(2), ..machine.clone() }, "threads already");
        says(Errno::ENOSPC, &machine, "too many namespaces");
        says(Errno::ENOSPC, &Machine { most_user_namespaces: Some(0), ..machine.clone() }, "user.max_user_namespaces=");
        says(
            Errno::ENOSPC,
            &Machine { most_network_namespaces: Some(0), ..machine.clone() },
            "user.max_net_namespaces=",
        );
        says(Errno::EPERM, &Machine { userns_clone: Some(0), ..machine.clone() }, "unprivileged_userns_clone=1");
        says(Errno::EPERM, &Machine { apparmor_restricts: Some(1), ..machine }, "AppArmor");
    }
}
