//! Carries out granted effects in the kernel, in order, and reports the outcome of each.
//!
//! A separate thread does this, because a send returns only when the kernel has executed the request, and the loop
//! would block. The loop itself sends a few effects if none is queued before them: that takes less time than waking the
//! thread and being woken by it. Blocks do not come here: they are claims on address sets.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use ctwarden_engine::{Ack, Granted, Looked, Lookup, LookupId};
use ctwarden_model::{Effect, EffectId, FlowKey};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock;
use crate::kills::{ForwardedBlock, Kills};
use crate::netlink::Requests;

/// Most effects or lookups that the loop sends itself. They take about forty microseconds of its time.
const AT_ONCE: usize = 8;

/// The age up to which a flow is updated without another lookup. It is longer than an event usually waits, and shorter
/// than a slow plugin takes.
const FRESH: Duration = Duration::from_millis(100);

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
    /// Opens the request socket and starts the thread. `forwarded` drops the packets of killed flows.
    pub(crate) fn start(outcomes: UnboundedSender<EffectResults>, forwarded: Box<dyn ForwardedBlock>) -> Result<Self> {
        let requests = Requests::open()?;
        let port = requests.port();
        let requests = Arc::new(Mutex::new(requests));
        let open = Arc::new(AtomicUsize::new(0));
        let (jobs, inbox) = channel();
        let kills = Kills::new(forwarded);
        let work = Work { requests: Arc::clone(&requests), open: Arc::clone(&open), kills };
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
        if effects.len() <= AT_ONCE
            && !effects.iter().any(|(_, effect)| is_kill(effect.get()))
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
    kills: Kills,
}

impl Work {
    fn carry_out(mut self, inbox: &Receiver<EffectJob>, outcomes: &UnboundedSender<EffectResults>) {
        while let Ok(job) = inbox.recv() {
            // The loop holds the lock only while this thread is idle, and a panic there has ended the program.
            let shared = Arc::clone(&self.requests);
            let Ok(mut requests) = shared.lock() else { return };
            let heard = match job {
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
        let mut acks = self.kills.carry_out(part, requests);
        acks.extend(change_table(part, requests));
        acks
    }
}

/// Splits effects into parts that are sent together: kills or other effects, up to the limit of one send. The outcomes of
/// one part are reported before the next part begins, so the loop and the kernel work at the same time.
fn parts(effects: &[(EffectId, Granted<Effect>)]) -> impl Iterator<Item = &[(EffectId, Granted<Effect>)]> {
    effects
        .chunk_by(|(_, a), (_, b)| is_kill(a.get()) == is_kill(b.get()))
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

/// Whether an effect closes sockets before it changes the table.
const fn is_kill(effect: &Effect) -> bool {
    matches!(effect, Effect::Kill(_))
}
