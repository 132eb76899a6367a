//! What changes the kernel: takes granted effects in order, answers with what came of each.
//!
//! A thread of its own carries them out, because a request is over when its send returns: the loop would stand still meanwhile.
//! Few of them, with nothing before them, take less time than to wake that thread and be woken by it; those go out at once.
//! Order is kept, so a network is in its set before the flows of the same answer are deleted.

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
use crate::netlink::Requests;
use crate::netlink::nftables::{ChangeError, Sets};

/// Effects, or lookups, that go out at once: some forty microseconds of the loop's time.
const AT_ONCE: usize = 8;

/// How long a flow may have been seen before it is changed without another look. Longer than an event waits as a rule, and shorter
/// than a slow plugin takes.
const FRESH: Duration = Duration::from_millis(100);

/// nftables sets by the name that the operator gave them.
pub(crate) type BlockSets = BTreeMap<SetName, Sets>;

/// What comes back from the thread.
pub(crate) enum Outcomes {
    /// What came of effects, in the order in which they were carried out.
    Effects(Vec<(EffectId, Ack)>),
    /// What the kernel has at places that were asked for.
    Lookups(Vec<(LookupId, Looked)>),
}

enum Job {
    Apply(Vec<(EffectId, Granted<Effect>)>),
    LookUp(Vec<Lookup>),
    Sets(BlockSets),
}

/// The loop's end of the thread; the thread ends when it is dropped and what was given before is carried out.
pub(crate) struct Effects {
    jobs: Sender<Job>,
    /// Jobs that the thread has not ended. Only this end gives it any, so that none is under way or waits where it is 0.
    open: Arc<AtomicUsize>,
    requests: Arc<Mutex<Requests>>,
    port: u32,
}

impl Effects {
    /// Opens the request socket and starts the thread.
    pub(crate) fn start(outcomes: UnboundedSender<Outcomes>) -> Result<Self> {
        let requests = Requests::open()?;
        let port = requests.port();
        let requests = Arc::new(Mutex::new(requests));
        let open = Arc::new(AtomicUsize::new(0));
        let (jobs, inbox) = channel();
        let work = Work { requests: Arc::clone(&requests), open: Arc::clone(&open), sets: BlockSets::new() };
        thread::Builder::new()
            .name("effects".to_owned())
            .spawn(move || work.carry_out(&inbox, &outcomes))
            .context("cannot start the thread that carries out verdicts")?;
        Ok(Self { jobs, open, requests, port })
    }

    /// `nlmsg_pid` of the events that our own changes cause.
    pub(crate) const fn port(&self) -> u32 {
        self.port
    }

    /// Carries effects out and gives what came of them, or hands them over: then it comes back.
    pub(crate) fn apply(&self, effects: Vec<(EffectId, Granted<Effect>)>) -> Vec<(EffectId, Ack)> {
        let few = effects.len() <= AT_ONCE && !effects.iter().any(|(_, effect)| on_set(effect.get()));
        if few
            && self.open.load(Ordering::Acquire) == 0
            && let Ok(mut requests) = self.requests.try_lock()
        {
            return change_table(&effects, &mut requests);
        }
        self.give(Job::Apply(effects));
        Vec::new()
    }

    /// Asks for the whole entries of flows and gives what was found, or hands the questions over: then it comes back.
    pub(crate) fn look_up(&self, lookups: Vec<Lookup>) -> Vec<(LookupId, Looked)> {
        if lookups.len() <= AT_ONCE
            && self.open.load(Ordering::Acquire) == 0
            && let Ok(mut requests) = self.requests.try_lock()
        {
            return requests.look_up(&lookups);
        }
        self.give(Job::LookUp(lookups));
        Vec::new()
    }

    /// Takes other sets from here on.
    pub(crate) fn use_sets(&self, sets: BlockSets) {
        self.give(Job::Sets(sets));
    }

    fn give(&self, job: Job) {
        self.open.fetch_add(1, Ordering::AcqRel);
        // Without the thread no outcome comes, and the engine then says so of each.
        let _ = self.jobs.send(job);
    }
}

/// What the thread has.
struct Work {
    requests: Arc<Mutex<Requests>>,
    open: Arc<AtomicUsize>,
    sets: BlockSets,
}

impl Work {
    fn carry_out(mut self, inbox: &Receiver<Job>, outcomes: &UnboundedSender<Outcomes>) {
        while let Ok(job) = inbox.recv() {
            // The loop holds it only while this thread has nothing to do, and a panic there has ended the program.
            let Ok(mut requests) = self.requests.lock() else { return };
            let heard = match job {
                Job::Sets(new) => {
                    self.sets = new;
                    true
                }
                // Where no answer came, the engine does nothing to the flow.
                Job::LookUp(lookups) => outcomes.send(Outcomes::Lookups(requests.look_up(&lookups))).is_ok(),
                Job::Apply(effects) => parts(&effects).all(|part| {
                    let acks = apply(part, &mut requests, &mut self.sets);
                    outcomes.send(Outcomes::Effects(acks)).is_ok()
                }),
            };
            drop(requests);
            self.open.fetch_sub(1, Ordering::AcqRel);
            if !heard {
                return;
            }
        }
    }
}

/// Effects as they go out together: those for the same socket, as many as are sent at once. What came of one part is told
/// before the next is begun, so that the loop has its work while the kernel has its own.
fn parts(effects: &[(EffectId, Granted<Effect>)]) -> impl Iterator<Item = &[(EffectId, Granted<Effect>)]> {
    effects
        .chunk_by(|(_, a), (_, b)| on_set(a.get()) == on_set(b.get()))
        .flat_map(|run| run.chunks(Requests::IN_ONE_SEND))
}

fn apply(part: &[(EffectId, Granted<Effect>)], requests: &mut Requests, sets: &mut BlockSets) -> Vec<(EffectId, Ack)> {
    let mut acks = Vec::with_capacity(part.len());
    acks.extend(part.iter().filter_map(|(id, effect)| Some((*id, change_set(sets, effect.get())?))));
    acks.extend(change_table(part, requests));
    acks
}

/// Changes the table. The kernel does not compare the id in an update, so that a flow that was seen long ago is looked at right
/// before: where it has ended or was replaced, nothing is sent.
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

/// Which flow is updated.
const fn updated(effect: &Effect) -> Option<FlowKey> {
    match effect {
        Effect::Update(update) => Some(update.key),
        Effect::Delete(_) | Effect::DeleteExpectation(_) | Effect::Block(_) | Effect::Unblock(_) => None,
    }
}

const fn on_set(effect: &Effect) -> bool {
    match effect {
        Effect::Block(_) | Effect::Unblock(_) => true,
        Effect::Delete(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => false,
    }
}

/// Changes a set; nothing where the effect is not about one.
fn change_set(sets: &mut BlockSets, effect: &Effect) -> Option<Ack> {
    let changed = match effect {
        Effect::Block(Block { set, network, seconds }) => {
            sets.get_mut(set).map(|set| set.add(*network, *seconds).map(drop))
        }
        Effect::Unblock(Unblock { set, network }) => sets.get_mut(set).map(|set| set.remove(*network).map(drop)),
        Effect::Delete(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => return None,
    };
    Some(match changed {
        Some(Ok(())) => Ack::Done,
        // A reload took the set away after the verdict was granted.
        None => Ack::NotBlocked(BlockRefusal::NotConfigured),
        Some(Err(error)) => {
            let ack = refusal(&error);
            // The record has no room for the table's and the set's name.
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
