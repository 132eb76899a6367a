//! Carries out granted effects in the kernel, in order, and reports the outcome of each.
//!
//! A separate thread does this, because a send returns only when the kernel has executed the request, and the loop
//! would block. The loop itself sends a few effects if none is queued before them: that takes less time than waking the
//! thread and being woken by it. Effects keep their order, so a network is in its set before the flows of the same
//! answer are deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use ctwarden_engine::{Ack, Granted, Looked, Lookup, LookupId};
use ctwarden_model::{Block, BlockRefusal, Effect, EffectId, FlowKey, SetName, Unblock};
use rustix::io::Errno;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock;
use crate::kills::{Kills, NoTable};
use crate::netlink::Requests;
use crate::netlink::nftables::{ChangeError, Sets};

/// Most effects or lookups that the loop sends itself. They take about forty microseconds of its time.
const AT_ONCE: usize = 8;

/// The age up to which a flow is updated without another lookup. It is longer than an event usually waits, and shorter
/// than a slow plugin takes.
const FRESH: Duration = Duration::from_millis(100);

/// nftables sets by the name that the operator gave them.
pub(crate) type BlockSets = BTreeMap<SetName, Sets>;

/// Results that the thread returns.
pub(crate) enum EffectResults {
    /// Outcomes of effects, in the order in which the effects were carried out.
    Effects(Vec<(EffectId, Ack)>),
    /// The kernel's entries for lookups.
    Lookups(Vec<(LookupId, Looked)>),
}

enum EffectJob {
    Apply(Vec<(EffectId, Granted<Effect>)>),
    LookUp(Vec<Lookup>),
    Sets(BlockSets),
}

/// The loop's handle of the thread. The thread ends when the handle is dropped and all queued jobs are done.
pub(crate) struct Effects {
    jobs: Sender<EffectJob>,
    /// Number of jobs that the thread has not finished. Only this handle queues jobs, so 0 means that none runs or
    /// waits.
    open: Arc<AtomicUsize>,
    requests: Arc<Mutex<Requests>>,
    port: u32,
}

impl Effects {
    /// Opens the request socket and starts the thread.
    pub(crate) fn start(outcomes: UnboundedSender<EffectResults>) -> Result<Self> {
        let requests = Requests::open()?;
        let port = requests.port();
        let requests = Arc::new(Mutex::new(requests));
        let open = Arc::new(AtomicUsize::new(0));
        let (jobs, inbox) = channel();
        let kills = Kills::new(Box::new(NoTable));
        let work = Work { requests: Arc::clone(&requests), open: Arc::clone(&open), sets: BlockSets::new(), kills };
        thread::Builder::new()
            .name("effects".to_owned())
            .spawn(move || work.carry_out(&inbox, &outcomes))
            .context("cannot start the thread that carries out verdicts")?;
        Ok(Self { jobs, open, requests, port })
    }

    /// `nlmsg_pid` of the events that ctwarden's own changes cause.
    pub(crate) const fn port(&self) -> u32 {
        self.port
    }

    /// Carries out effects and returns their outcomes, or queues them for the thread and returns nothing.
    pub(crate) fn apply(&self, effects: Vec<(EffectId, Granted<Effect>)>) -> Vec<(EffectId, Ack)> {
        let few =
            effects.len() <= AT_ONCE && effects.iter().all(|(_, effect)| Target::of(effect.get()) == Target::Table);
        if few
            && self.open.load(Ordering::Acquire) == 0
            && let Ok(mut requests) = self.requests.try_lock()
        {
            return change_table(&effects, &mut requests);
        }
        self.give(EffectJob::Apply(effects));
        Vec::new()
    }

    /// Looks up the whole entries of flows and returns them, or queues the lookups for the thread and returns nothing.
    pub(crate) fn look_up(&self, lookups: Vec<Lookup>) -> Vec<(LookupId, Looked)> {
        if lookups.len() <= AT_ONCE
            && self.open.load(Ordering::Acquire) == 0
            && let Ok(mut requests) = self.requests.try_lock()
        {
            return requests.look_up(&lookups);
        }
        self.give(EffectJob::LookUp(lookups));
        Vec::new()
    }

    /// Replaces the block sets for all later effects.
    pub(crate) fn use_sets(&self, sets: BlockSets) {
        self.give(EffectJob::Sets(sets));
    }

    fn give(&self, job: EffectJob) {
        self.open.fetch_add(1, Ordering::AcqRel);
        // Without the thread no outcome arrives. The engine then reports each effect as unanswered.
        let _ = self.jobs.send(job);
    }
}

/// The state of the thread.
struct Work {
    requests: Arc<Mutex<Requests>>,
    open: Arc<AtomicUsize>,
    sets: BlockSets,
    kills: Kills,
}

impl Work {
    fn carry_out(mut self, inbox: &Receiver<EffectJob>, outcomes: &UnboundedSender<EffectResults>) {
        while let Ok(job) = inbox.recv() {
            // The loop holds the lock only while this thread is idle, and a panic there has ended the program.
            let shared = Arc::clone(&self.requests);
            let Ok(mut requests) = shared.lock() else { return };
            let heard = match job {
                EffectJob::Sets(new) => {
                    self.sets = new;
                    true
                }
                // Without an answer, the engine does nothing to the flow.
                EffectJob::LookUp(lookups) => outcomes.send(EffectResults::Lookups(requests.look_up(&lookups))).is_ok(),
                EffectJob::Apply(effects) => parts(&effects).all(|part| {
                    let acks = self.apply(part, &mut requests);
                    outcomes.send(EffectResults::Effects(acks)).is_ok()
                }),
            };
            drop(requests);
            self.open.fetch_sub(1, Ordering::AcqRel);
            if !heard {
                return;
            }
        }
    }

    /// Carries out the effects of one part.
    fn apply(&mut self, part: &[(EffectId, Granted<Effect>)], requests: &mut Requests) -> Vec<(EffectId, Ack)> {
        let mut acks = Vec::with_capacity(part.len());
        let sets = &mut self.sets;
        acks.extend(part.iter().filter_map(|(id, effect)| Some((*id, change_set(sets, effect.get())?))));
        acks.extend(self.kills.carry_out(part, requests));
        acks.extend(change_table(part, requests));
        acks
    }
}

/// Splits effects into parts that are sent together: effects of the same kind of target, up to the limit of one send. The
/// outcomes of one part are reported before the next part begins, so the loop and the kernel work at the same time.
fn parts(effects: &[(EffectId, Granted<Effect>)]) -> impl Iterator<Item = &[(EffectId, Granted<Effect>)]> {
    effects
        .chunk_by(|(_, a), (_, b)| Target::of(a.get()) == Target::of(b.get()))
        .flat_map(|run| run.chunks(Requests::IN_ONE_SEND))
}

/// Changes the table. The kernel does not compare the id in an update, so a flow that was last seen long ago is looked
/// up first. If that flow has ended or was replaced, nothing is sent.
fn change_table(part: &[(EffectId, Granted<Effect>)], requests: &mut Requests) -> Vec<(EffectId, Ack)> {
    let now = clock::now().steady;
    let stale = |effect: &Granted<Effect>| effect.seen().is_some_and(|seen| now.since(seen) >= FRESH);
    let doubtful: Vec<(EffectId, FlowKey)> = part
        .iter()
        .filter(|(_, effect)| stale(effect))
        .filter_map(|(id, effect)| Some((*id, updated(effect.get())?)))
        .collect();
    let mut acks = requests.absent(&doubtful);
    let absent: BTreeSet<EffectId> = acks.iter().map(|(id, _)| *id).collect();
    let there = part.iter().filter(|(id, _)| !absent.contains(id));
    acks.extend(requests.apply(there.map(|(id, effect)| (*id, effect.get()))));
    acks
}

/// Returns the flow that an update changes.
const fn updated(effect: &Effect) -> Option<FlowKey> {
    match effect {
        Effect::Update(update) => Some(update.key),
        Effect::Delete(_) | Effect::Kill(_) | Effect::DeleteExpectation(_) | Effect::Block(_) | Effect::Unblock(_) => {
            None
        }
    }
}

/// What carries out an effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// One request to the tables of conntrack.
    Table,
    /// Changes of nftables sets.
    Set,
    /// The sockets of programs, and then the table.
    Connection,
}

impl Target {
    const fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Block(_) | Effect::Unblock(_) => Self::Set,
            Effect::Delete(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => Self::Table,
            Effect::Kill(_) => Self::Connection,
        }
    }
}

/// Changes a set. Returns `None` if the effect is not about a set.
fn change_set(sets: &mut BlockSets, effect: &Effect) -> Option<Ack> {
    let changed = match effect {
        Effect::Block(Block { set, network, seconds }) => {
            sets.get_mut(set).map(|set| set.add(*network, *seconds).map(drop))
        }
        Effect::Unblock(Unblock { set, network }) => sets.get_mut(set).map(|set| set.remove(*network).map(drop)),
        Effect::Delete(_) | Effect::Kill(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => return None,
    };
    Some(match changed {
        Some(Ok(())) => Ack::Done,
        // A reload removed the set after the verdict was granted.
        None => Ack::NotBlocked(BlockRefusal::NotConfigured),
        Some(Err(error)) => {
            let ack = refusal(&error);
            // The record has no field for the names of the table and the set.
            crate::log::say(&format!("{:#}", anyhow::Error::from(error)));
            ack
        }
    })
}

fn refusal(error: &ChangeError) -> Ack {
    Ack::NotBlocked(match error {
        ChangeError::NoSet(_) => BlockRefusal::NoSetForFamily,
        ChangeError::NoNetworks { .. } => BlockRefusal::SingleAddresses,
        ChangeError::SetGone { .. } => BlockRefusal::SetGone,
        ChangeError::WrongKind { fault, .. } => BlockRefusal::WrongKind(fault),
        ChangeError::InPart { errno, .. } => BlockRefusal::InPart(*errno),
        ChangeError::Refused { errno, .. } if *errno == Errno::NFILE.raw_os_error() => BlockRefusal::SetFull,
        ChangeError::Refused { errno, .. } if *errno == Errno::AGAIN.raw_os_error() => BlockRefusal::Contended,
        ChangeError::Refused { errno, .. } => return Ack::Refused(*errno),
        ChangeError::NoTime(_) => return Ack::Refused(Errno::INVAL.raw_os_error()),
        ChangeError::Exchange(_) => return Ack::NoAnswer,
    })
}
