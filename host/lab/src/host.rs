//! A host of the lab: one thread in its own network namespace.
//!
//! A socket stays in the namespace of the thread that made it, and a new thread starts in the namespace of its creator.
//! So one thread of each host makes the sockets and threads of that host, and no thread changes its namespace after its
//! start.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use thiserror::Error;

/// Why a host cannot start or do work.
#[derive(Debug, Error)]
pub enum HostError {
    #[error("the kernel refused a network namespace for host {host}")]
    Namespace {
        host: &'static str,
        #[source]
        errno: Errno,
    },
    /// The namespace has no file under /proc.
    #[error("cannot open /proc/thread-self/ns/net of host {host}; is /proc mounted?")]
    Proc {
        host: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot start a thread of host {host}")]
    Thread {
        host: &'static str,
        #[source]
        source: io::Error,
    },
    /// The thread of the host has ended.
    #[error("host {host} is gone")]
    Gone { host: &'static str },
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread in its own network namespace. Both end when the value is dropped.
pub struct Host {
    name: &'static str,
    jobs: mpsc::Sender<Job>,
    namespace: File,
}

impl Host {
    pub fn start(name: &'static str) -> Result<Self, HostError> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let (opened, opening) = mpsc::channel();
        let live = move || {
            let namespace = unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| HostError::Namespace { host: name, errno })
                .and_then(|()| {
                    File::open("/proc/thread-self/ns/net").map_err(|source| HostError::Proc { host: name, source })
                });
            if opened.send(namespace).is_ok() {
                waiting.into_iter().for_each(|job| job());
            }
        };
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(live).map_err(|source| HostError::Thread { host: name, source })?;
        let namespace = opening.recv().map_err(|_| HostError::Gone { host: name })??;
        Ok(Self { name, jobs, namespace })
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// A descriptor of the namespace, which identifies it to the kernel.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Runs short work on the thread of the host, and waits for the result.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HostError> {
        let gone = HostError::Gone { host: self.name };
        let (done, doing) = mpsc::channel();
        // If the receiver is gone, nobody needs the result.
        let job = move || drop(done.send(work()));
        match self.jobs.send(Box::new(job)) {
            Ok(()) => doing.recv().map_err(|_| gone),
            Err(_) => Err(gone),
        }
    }

    /// Starts a thread in the namespace of the host.
    pub fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<thread::JoinHandle<()>, HostError> {
        self.run(move || thread::Builder::new().name(name.to_owned()).spawn(work))?
            .map_err(|source| HostError::Thread { host: self.name, source })
    }
}
