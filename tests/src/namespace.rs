//! A network namespace for one test. The calling thread enters it, and leaves it when the value is dropped.
//!
//! Tests run as threads of one process. A network namespace belongs to a thread, and every program that the test starts
//! inherits it. Tests therefore see neither each other nor the machine's own network.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::process;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use crate::command::{Said, line};
use crate::nftables::load;

/// The thread's own namespace, for as long as this value lives.
#[derive(Debug)]
pub struct Namespace {
    before: File,
}

impl Namespace {
    /// Enters a new namespace whose loopback is up.
    ///
    /// # Errors
    /// The reason why this process cannot make a network namespace.
    pub fn enter() -> Result<Self, String> {
        let before =
            File::open("/proc/thread-self/ns/net").map_err(|error| format!("no network namespaces here: {error}"))?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| {
            if error == Errno::EPERM {
                "only root can make a network namespace; run the tests as root".to_owned()
            } else {
                format!("the kernel makes no network namespace: {error}")
            }
        })?;
        let namespace = Self { before };
        ip("link set lo up");
        Ok(namespace)
    }
}

impl Namespace {
    /// Runs `what` in the namespace that the thread was in before.
    pub(crate) fn outside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.before, CloneFlags::CLONE_NEWNET).expect("the way back is open");
                what()
            });
            there.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        setns(&self.before, CloneFlags::CLONE_NEWNET).expect("the way back is open");
    }
}

/// A second namespace, in which a test can run code from time to time.
#[derive(Debug)]
pub struct Beside {
    namespace: File,
}

impl Beside {
    /// Makes a new namespace that contains only a loopback, which is down.
    ///
    /// # Panics
    /// If this process may not make a network namespace. A caller in a namespace of its own can always make another
    /// one.
    #[must_use]
    pub fn new() -> Self {
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a second namespace can be made like the first");
            File::open("/proc/thread-self/ns/net").expect("a namespace has a file")
        });
        Self { namespace: namespace.join().expect("the namespace was made") }
    }

    /// The path of the namespace in the file system, as `ip` accepts it. The path is valid while this value lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.namespace.as_raw_fd())
    }

    /// Runs `what` in this namespace. Sockets that `what` opens stay in it, even if another thread uses them.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("the namespace is there");
                what()
            });
            there.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Default for Beside {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `ip` with these arguments in the thread's namespace.
pub fn ip(arguments: &str) {
    let _ = Said::of(line("ip", arguments), "").good();
}

/// Switches conntrack on: it is off in a namespace until a rule there uses it.
pub(crate) fn switch_conntrack_on() {
    load("table inet watch { chain out { type filter hook output priority 0; ct state invalid counter; }; }");
}

/// Sets a switch of the thread's namespace, named by its path below `/proc/sys/net`.
pub(crate) fn set(switch: &str, value: u32) {
    let path = Path::new("/proc/sys/net").join(switch);
    fs::write(&path, value.to_string()).unwrap_or_else(|error| panic!("cannot set {}: {error}", path.display()));
}
