//! Mirrors address sets in the packet filter.
//!
//! A set belongs to the host, and the kernel's sets are copies of it. A thread of its own makes the changes, because a
//! change of a large set takes longer than the event loop may wait. The thread also listens to nftables: whatever
//! another program removes comes back.
//!
//! A set is mirrored in the table `inet ctwarden`, which ctwarden owns and keeps exactly equal, or in nftables sets of the
//! operator, to which ctwarden only adds its own elements. Networks that overlap an address that is never banned are held
//! back.

mod held;
mod managed_table;
mod members;
mod monitor;
mod operators_sets;
mod thread;

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use ctwarden_engine::Ack;
use ctwarden_model::{BlockRefusal, Family, KillRefusal, PerDirection, PrefixSet, SetName, Timestamp, Tuple};
use ctwarden_sets::Member;
use nix::errno::Errno;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;

use crate::kills::ForwardedBlock;
use crate::netlink::nftables::managed::FilterVerdict;
use crate::netlink::nftables::{ChangeError, CommitError, Nftables, Sets};
use crate::set_file::Networks;
use monitor::{Monitor, Touched};
use thread::Work;

pub(crate) use members::{HeldBack, LatestEnd};

/// Where a set is mirrored.
#[derive(Debug)]
pub(crate) enum Mirror {
    /// In the table that ctwarden owns.
    Managed(FilterVerdict),
    /// In sets of the operator.
    Operators(Box<Sets>),
}

/// A set to mirror, with its members.
#[derive(Debug)]
pub(crate) struct MirroredSet {
    pub(crate) name: SetName,
    pub(crate) mirror: Mirror,
    pub(crate) list: Option<Networks>,
    pub(crate) claims: Vec<(Member, Option<Timestamp>)>,
}

/// Identifies a change until the kernel has carried it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FirewallTicket(pub(crate) u64);

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum FirewallNews {
    /// The result of a change.
    Done(FirewallTicket, Result<(), FirewallError>),
    /// Another program had changed something, and the thread has repaired it. The text says where.
    Repaired(String),
}

/// Why the packet filter does not hold what a set has.
#[derive(Debug, Error)]
pub(crate) enum FirewallError {
    #[error("table inet ctwarden: {0}")]
    Managed(#[from] CommitError),
    #[error(transparent)]
    Operators(#[from] ChangeError),
}

impl FirewallError {
    /// What a verdict's outcome says.
    pub(crate) fn ack(&self) -> Ack {
        match self {
            Self::Managed(CommitError::Change { errno, .. } | CommitError::Transaction { errno }) => {
                Ack::Refused(*errno)
            }
            Self::Managed(CommitError::NotOurs) => Ack::NotBlocked(BlockRefusal::SetGone),
            Self::Managed(CommitError::Exchange(_)) | Self::Operators(ChangeError::Exchange(_)) => Ack::NoAnswer,
            Self::Operators(error) => Ack::NotBlocked(match error {
                ChangeError::NoSet(_) => BlockRefusal::NoSetForFamily,
                ChangeError::SetGone { .. } => BlockRefusal::SetGone,
                ChangeError::WrongKind { fault, .. } => BlockRefusal::WrongKind(fault),
                ChangeError::InPart { errno, .. } => BlockRefusal::InPart(*errno),
                ChangeError::Refused { errno, .. } if *errno == Errno::ENFILE as i32 => BlockRefusal::SetFull,
                ChangeError::Refused { errno, .. } if *errno == Errno::EAGAIN as i32 => BlockRefusal::Contended,
                ChangeError::Refused { errno, .. } => return Ack::Refused(*errno),
                ChangeError::NoTime(_) => return Ack::Refused(Errno::EINVAL as i32),
                ChangeError::Exchange(_) => return Ack::NoAnswer,
            }),
        }
    }
}

/// What the packet filter holds of a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct MirrorState {
    /// Ranges in the kernel.
    pub(crate) elements: usize,
    /// Networks of the set that are not in the kernel, because they overlap an address that is never banned.
    pub(crate) held_back: HeldBack,
    /// Why the last change or repair failed.
    pub(crate) error: Option<String>,
}

/// State of all mirrored sets, for the status.
#[derive(Debug, Default)]
pub(crate) struct FirewallState {
    pub(crate) sets: BTreeMap<SetName, MirrorState>,
    /// How often something had to be repaired.
    pub(crate) repairs: u64,
}

/// What the thread has to do.
enum Job {
    /// Answers with the result over the channel, because a start and a reload depend on it.
    Configure(Vec<MirroredSet>, bool, PrefixSet, Sender<Result<(), FirewallError>>),
    Change(SetName, Vec<(Member, LatestEnd)>, FirewallTicket),
    List(SetName, Networks, FirewallTicket),
    Never(PrefixSet),
    /// Creates what kills need, and answers with the result.
    PrepareKills(Sender<Result<(), FirewallError>>),
    /// Drops the packets of these flows, and answers whether they are dropped.
    Drop(Vec<PerDirection<Tuple>>, Sender<Result<bool, FirewallError>>),
    Touched(u32, Touched),
    Stop,
}

/// The loop's handle of the thread. The thread ends when the handle is dropped and all queued jobs are done.
pub(crate) struct Firewall {
    jobs: Sender<Job>,
    thread: Option<JoinHandle<()>>,
    /// Present while any set is mirrored.
    monitor: Option<Monitor>,
    state: Arc<Mutex<FirewallState>>,
    mirrored: BTreeMap<SetName, MirrorKind>,
    next: u64,
}

/// How a set is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MirrorKind {
    /// Whether the kernel's sets can hold single services.
    pub(crate) holds_services: bool,
    ipv4: bool,
    ipv6: bool,
}

impl MirrorKind {
    fn of(mirror: &Mirror) -> Self {
        match mirror {
            Mirror::Managed(_) => Self { holds_services: true, ipv4: true, ipv6: true },
            Mirror::Operators(sets) => {
                Self { holds_services: false, ipv4: sets.holds(Family::Ipv4), ipv6: sets.holds(Family::Ipv6) }
            }
        }
    }

    /// Whether there is a kernel set for addresses of that family.
    pub(crate) const fn holds(self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }
}

impl Firewall {
    /// Starts the thread in the network namespace of the calling thread.
    pub(crate) fn start(news: UnboundedSender<FirewallNews>) -> Result<Self> {
        let (jobs, inbox) = channel();
        let state = Arc::new(Mutex::new(FirewallState::default()));
        let work = Work::new(Nftables::open()?, Arc::clone(&state), news);
        let thread = std::thread::Builder::new()
            .name("firewall".to_owned())
            .spawn(move || work.run(&inbox))
            .context("cannot start the thread that changes the packet filter")?;
        Ok(Self { jobs, thread: Some(thread), monitor: None, state, mirrored: BTreeMap::new(), next: 0 })
    }

    /// Mirrors these sets and no others. With `kills`, the table of ctwarden exists in any case, to drop the packets of
    /// killed flows. Waits until the kernel holds them.
    ///
    /// # Errors
    /// The kernel refuses the table or an element. The sets of before stay in force.
    pub(crate) fn configure(&mut self, sets: Vec<MirroredSet>, kills: bool, never: PrefixSet) -> Result<()> {
        let is_needed = kills || !sets.is_empty();
        if is_needed {
            self.monitor()?;
        }
        let mirrored = sets.iter().map(|set| (set.name.clone(), MirrorKind::of(&set.mirror))).collect();
        let (answer, answered) = channel();
        self.give(Job::Configure(sets, kills, never, answer));
        answered.recv().context("the thread that changes the packet filter has died; start ctwarden again")??;
        self.mirrored = mirrored;
        if !is_needed {
            self.monitor = None;
        }
        Ok(())
    }

    /// Creates the table of ctwarden, if there is none, to drop the packets of killed flows. Waits for the kernel.
    ///
    /// # Errors
    /// The kernel refuses the table.
    pub(crate) fn prepare_kills(&mut self) -> Result<()> {
        self.monitor()?;
        let (answer, answered) = channel();
        self.give(Job::PrepareKills(answer));
        Ok(answered.recv().context("the thread that changes the packet filter has died; start ctwarden again")??)
    }

    /// Starts the thread that hears of changes, if it does not run.
    fn monitor(&mut self) -> Result<()> {
        if self.monitor.is_none() {
            let jobs = self.jobs.clone();
            // Without the thread nothing is left to repair.
            let told = move |port, what| drop(jobs.send(Job::Touched(port, what)));
            self.monitor = Some(Monitor::start(told).context("cannot listen to nftables")?);
        }
        Ok(())
    }

    /// Changes members of a set. The result arrives later.
    pub(crate) fn change(&mut self, set: SetName, members: Vec<(Member, LatestEnd)>) -> FirewallTicket {
        let ticket = self.ticket();
        self.give(Job::Change(set, members, ticket));
        ticket
    }

    /// Replaces the list of a set. The result arrives later.
    pub(crate) fn use_list(&mut self, set: SetName, list: Networks) -> FirewallTicket {
        let ticket = self.ticket();
        self.give(Job::List(set, list, ticket));
        ticket
    }

    const fn ticket(&mut self) -> FirewallTicket {
        let ticket = FirewallTicket(self.next);
        self.next += 1;
        ticket
    }

    /// Replaces the addresses that are never banned.
    pub(crate) fn use_never(&self, never: PrefixSet) {
        self.give(Job::Never(never));
    }

    /// Whether a set is mirrored.
    pub(crate) fn mirrors(&self, set: &SetName) -> bool {
        self.mirrored.contains_key(set)
    }

    /// How a set is mirrored.
    pub(crate) fn mirror(&self, set: &SetName) -> Option<MirrorKind> {
        self.mirrored.get(set).copied()
    }

    /// A handle for the thread that kills flows.
    pub(crate) fn flow_dropper(&self) -> FlowDropper {
        FlowDropper(self.jobs.clone())
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, FirewallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, job: Job) {
        // Without the thread no result arrives. The engine then reports each block as unanswered.
        let _ = self.jobs.send(job);
    }
}

/// Drops the packets of killed flows that no local socket ends.
pub(crate) struct FlowDropper(Sender<Job>);

impl ForwardedBlock for FlowDropper {
    fn block(&mut self, flows: &[PerDirection<Tuple>]) -> Result<(), KillRefusal> {
        let (answer, answered) = channel();
        self.0.send(Job::Drop(flows.to_vec(), answer)).map_err(|_| KillRefusal::NoAnswer)?;
        match answered.recv() {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(KillRefusal::NoSocket),
            Ok(Err(error)) => {
                crate::log::say(&format!("the packets of killed flows are not dropped: {error}"));
                Err(KillRefusal::NotDropped)
            }
            Err(_) => Err(KillRefusal::NoAnswer),
        }
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        self.monitor = None;
        self.give(Job::Stop);
        if let Some(thread) = self.thread.take() {
            // That thread has reported its own panic.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
