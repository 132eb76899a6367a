//! Kills: the end of a connection at this host, and the delete of its entry.
//!
//! The sockets are closed before the entry is deleted. The reset that the kernel then sends to the peer still passes the
//! entry, so NAT applies to it.
//!
//! The entry is read twice: first for the two tuples of the flow, and again after its sockets were found. If both reads
//! show the flow that the verdict names, the sockets are its ends.

use std::collections::BTreeSet;

use ctwarden_engine::{Ack, Granted, Looked, Lookup, LookupId};
use ctwarden_model::{
    Effect, EffectId, Flow, FlowKey, KillRefusal, PerDirection, Protocol, ProtocolInfo, TcpState, Tuple,
};

use crate::netlink::sockets::{Closed, ConnectedSocket, SocketEnd, Sockets};
use crate::netlink::{ExchangeError, Requests};

/// Drops the packets of flows that no local socket ends.
pub(crate) trait ForwardedBlock: Send {
    /// Drops the packets of these flows in both directions, for long enough that both ends give up. Each flow has the
    /// tuples of its entry.
    ///
    /// # Errors
    /// Nothing drops the packets of these flows, for this reason.
    fn block(&mut self, flows: &[PerDirection<Tuple>]) -> Result<(), KillRefusal>;
}

/// Ends connections. It belongs to the thread that carries out effects.
pub(crate) struct Kills {
    /// Opened by the first kill.
    sockets: Option<Sockets>,
    forwarded: Box<dyn ForwardedBlock>,
}

/// How far a kill has come.
#[derive(Clone, Debug)]
enum Progress {
    /// The flow is as the verdict names it, and its connection lives.
    Alive(Box<Flow>),
    /// The connection has ended, the entry exists.
    Ended { by_us: bool },
    /// The connection was not ended.
    Failed(KillRefusal),
    /// Nothing is to be done to the entry.
    Over(Ack),
}

impl Kills {
    pub(crate) fn new(forwarded: Box<dyn ForwardedBlock>) -> Self {
        Self { sockets: None, forwarded }
    }

    /// Ends the connections of the kills among these effects, deletes their entries, and returns the outcomes.
    pub(crate) fn carry_out(
        &mut self,
        part: &[(EffectId, Granted<Effect>)],
        requests: &mut Requests,
    ) -> Vec<(EffectId, Ack)> {
        let kills: Vec<(EffectId, FlowKey)> =
            part.iter().filter_map(|(id, effect)| Some((*id, killed(effect.get())?))).collect();
        if kills.is_empty() { Vec::new() } else { self.end(&kills, requests) }
    }

    fn end(&mut self, kills: &[(EffectId, FlowKey)], requests: &mut Requests) -> Vec<(EffectId, Ack)> {
        let keys: Vec<FlowKey> = kills.iter().map(|(_, key)| *key).collect();
        let mut progress = alive(&keys, requests);
        self.close_sockets(&keys, &mut progress, requests);
        self.block_the_rest(&mut progress);
        delete(kills, &progress, requests)
    }

    /// Closes the sockets of the living connections.
    fn close_sockets(&mut self, keys: &[FlowKey], progress: &mut [Progress], requests: &mut Requests) {
        let mut wanted = Vec::new();
        for (index, progress) in progress.iter().enumerate() {
            if let Progress::Alive(flow) = progress
                && let Some(ends) = SocketEnd::of(&flow.tuples)
            {
                wanted.push((index, flow.tuples.original.protocol, ends));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let found = match self.found(&wanted) {
            Ok(found) => found,
            Err(why) => {
                wanted.iter().for_each(|(index, ..)| set(progress, *index, Progress::Failed(why)));
                return;
            }
        };
        let (named, sockets): (Vec<usize>, Vec<Vec<ConnectedSocket>>) =
            found.into_iter().filter(|(_, sockets)| !sockets.is_empty()).unzip();
        // A flow that took the tuples since the first read has another id.
        let still: Vec<FlowKey> = named.iter().filter_map(|index| keys.get(*index).copied()).collect();
        let again = alive(&still, requests);
        let mut closing = Vec::new();
        for ((index, sockets), again) in named.into_iter().zip(sockets).zip(again) {
            if matches!(again, Progress::Over(_)) {
                set(progress, index, again);
            } else {
                closing.extend(sockets.into_iter().map(|socket| (index, socket)));
            }
        }
        let (indices, sockets): (Vec<usize>, Vec<ConnectedSocket>) = closing.into_iter().unzip();
        let closed = self.sockets.as_mut().map(|open| open.close(&sockets));
        let Some(Ok(closed)) = closed else {
            self.sockets = None;
            indices.iter().for_each(|index| set(progress, *index, Progress::Failed(KillRefusal::NoAnswer)));
            return;
        };
        for (index, closed) in indices.into_iter().zip(closed) {
            let ended = match closed {
                Closed::Yes => Progress::Ended { by_us: true },
                Closed::Unsupported => Progress::Failed(KillRefusal::NoDestroy),
                Closed::Refused(errno) => Progress::Failed(KillRefusal::Socket(errno)),
            };
            // Of two sockets, the one that lives on decides.
            if !matches!(progress.get(index), Some(Progress::Failed(_))) {
                set(progress, index, ended);
            }
        }
    }

    /// The connected sockets of each connection.
    fn found(
        &mut self,
        wanted: &[(usize, Protocol, [SocketEnd; 2])],
    ) -> Result<Vec<(usize, Vec<ConnectedSocket>)>, KillRefusal> {
        let ends: Vec<[SocketEnd; 2]> = wanted.iter().map(|(_, _, ends)| *ends).collect();
        let protocols: BTreeSet<Protocol> = wanted.iter().map(|(_, protocol, _)| *protocol).collect();
        let found = self.ask(|sockets| {
            for protocol in protocols {
                if !sockets.knows(protocol)? {
                    return Ok(Err(KillRefusal::NoDiagnostics));
                }
            }
            sockets.find(&ends).map(Ok)
        })??;
        Ok(wanted.iter().map(|(index, ..)| *index).zip(found).collect())
    }

    /// Asks the kernel about sockets. After a failure, the next question opens the connection again.
    fn ask<T>(&mut self, question: impl FnOnce(&mut Sockets) -> Result<T, ExchangeError>) -> Result<T, KillRefusal> {
        let mut sockets = match self.sockets.take() {
            Some(sockets) => sockets,
            None => Sockets::open().map_err(|error| refusal(error, KillRefusal::NoDiagnostics))?,
        };
        let answer = question(&mut sockets).map_err(|error| refusal(error, KillRefusal::NoAnswer))?;
        self.sockets = Some(sockets);
        Ok(answer)
    }

    /// Blocks the packets of the flows that have no socket here.
    fn block_the_rest(&mut self, progress: &mut [Progress]) {
        let tuples: Vec<PerDirection<Tuple>> = progress.iter().filter_map(Progress::alive).collect();
        if tuples.is_empty() {
            return;
        }
        let after = match self.forwarded.block(&tuples) {
            Ok(()) => Progress::Ended { by_us: true },
            Err(why) => Progress::Failed(why),
        };
        for progress in progress.iter_mut().filter(|progress| progress.alive().is_some()) {
            *progress = after.clone();
        }
    }
}

impl Progress {
    fn alive(&self) -> Option<PerDirection<Tuple>> {
        match self {
            Self::Alive(flow) => Some(flow.tuples),
            Self::Ended { .. } | Self::Failed(_) | Self::Over(_) => None,
        }
    }
}

fn set(progress: &mut [Progress], index: usize, to: Progress) {
    if let Some(progress) = progress.get_mut(index) {
        *progress = to;
    }
}

/// The flow that a kill ends.
const fn killed(effect: &Effect) -> Option<FlowKey> {
    match effect {
        Effect::Kill(key) => Some(*key),
        Effect::Delete(_)
        | Effect::Update(_)
        | Effect::DeleteExpectation(_)
        | Effect::Block(_)
        | Effect::Unblock(_) => None,
    }
}

/// Reads the entries of flows.
fn alive(keys: &[FlowKey], requests: &mut Requests) -> Vec<Progress> {
    let mut progress = vec![Progress::Over(Ack::NoAnswer); keys.len()];
    let lookups: Vec<Lookup> = (0..).map(LookupId).zip(keys).map(|(id, key)| Lookup { id, key: *key }).collect();
    for (id, looked) in requests.look_up(&lookups) {
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let Some(key) = keys.get(index) else { continue };
        let found = match looked {
            Looked::Found(flow) if flow.key() != *key => Progress::Over(Ack::Replaced),
            Looked::Found(flow) if has_ended(&flow) => Progress::Ended { by_us: false },
            Looked::Found(flow) => Progress::Alive(flow),
            Looked::Gone => Progress::Over(Ack::Gone),
            Looked::Refused(errno) => Progress::Over(Ack::Refused(errno)),
        };
        set(&mut progress, index, found);
    }
    progress
}

/// Whether the TCP connection has ended at both ends. Its entry outlives it.
fn has_ended(flow: &Flow) -> bool {
    match flow.info {
        Some(ProtocolInfo::Tcp { state, .. }) => {
            state.is_some_and(|state| matches!(state, TcpState::TIME_WAIT | TcpState::CLOSE))
        }
        Some(ProtocolInfo::Sctp { .. } | ProtocolInfo::Dccp { .. }) | None => false,
    }
}

/// Deletes the entries, and says what became of each kill.
fn delete(kills: &[(EffectId, FlowKey)], progress: &[Progress], requests: &mut Requests) -> Vec<(EffectId, Ack)> {
    let deletes: Vec<(EffectId, Effect)> = kills
        .iter()
        .zip(progress)
        .filter(|(_, progress)| !matches!(progress, Progress::Over(_)))
        .map(|((id, key), _)| (*id, Effect::Delete(*key)))
        .collect();
    let mut deleted = requests.apply(deletes.iter().map(|(id, effect)| (*id, effect))).into_iter();
    let mut outcome = |progress: &Progress| {
        let mut deleted = || deleted.next().map_or(Ack::NoAnswer, |(_, ack)| ack);
        match progress {
            Progress::Over(ack) => *ack,
            Progress::Alive(_) | Progress::Ended { by_us: false } => deleted(),
            // The entry may have ended with its connection.
            Progress::Ended { by_us: true } => only_if_done(deleted(), Ack::Done, Ack::Done),
            Progress::Failed(why) => only_if_done(deleted(), Ack::NotKilled(*why), Ack::Gone),
        }
    };
    kills.iter().zip(progress).map(|((id, _), progress)| (*id, outcome(progress))).collect()
}

const fn only_if_done(deleted: Ack, done: Ack, gone: Ack) -> Ack {
    match deleted {
        Ack::Done => done,
        Ack::Gone => gone,
        Ack::Replaced | Ack::Refused(_) | Ack::NotKilled(_) | Ack::NotBlocked(_) | Ack::NoAnswer => deleted,
    }
}

/// The refusal for an error, which is logged because the record has no place for it.
fn refusal(error: ExchangeError, refusal: KillRefusal) -> KillRefusal {
    crate::log::say(&format!("cannot look for the sockets of a flow: {:#}", anyhow::Error::from(error)));
    refusal
}

#[cfg(test)]
mod tests;
