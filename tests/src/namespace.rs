//! A network namespace for one test: the calling thread moves into it and comes back when it is dropped.
//!
//! Tests run as threads of one process, and a network namespace belongs to a thread; whatever the test starts inherits it.
//! So tests neither see each other nor the machine's own network.

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

/// The thread's own namespace while this lives.
#[derive(Debug)]
pub struct Namespace {
    before: File,
}

impl Namespace {
    /// A new namespace with its loopback up; none where this process may not make one.
    ///
    /// # Errors
    /// The reason.
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
    /// Does something in the namespace that the thread was in before.
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

/// A namespace beside the thread's own, where something can be done now and then.
#[derive(Debug)]
pub struct Beside {
    namespace: File,
}

impl Beside {
    /// A new one, nothing in it but a loopback that is down.
    ///
    /// # Panics
    /// Where this process may not make one; whoever asks is in a namespace of its own already.
    #[must_use]
    pub fn new() -> Self {
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a second namespace can be made like the first");
            File::open("/proc/thread-self/ns/net").expect("a namespace has a file")
        });
        Self { namespace: namespace.join().expect("the namespace was made") }
    }

    /// Its name in the file system while this lives, as `ip` takes it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.namespace.as_raw_fd())
    }

    /// Does something there. Sockets that it opens stay there, wherever they are used.
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

/// Conntrack is off in a namespace until a rule there uses it.
pub(crate) fn switch_conntrack_on() {
    load("table inet watch { chain out { type filter hook output priority 0; ct state invalid counter; }; }");
}

/// Sets a switch of the thread's namespace; a path below `/proc/sys/net`.
pub(crate) fn set(switch: &str, value: u32) {
    let path = Path::new("/proc/sys/net").join(switch);
    fs::write(&path, value.to_string()).unwrap_or_else(|error| panic!("cannot set {}: {error}", path.display()));
}
