//! The changes of one send: each request, the kernel's messages about it, and the outcome that follows.
//!
//! This logic is separate from the socket because it has to be exact. The kernel does not compare the id in an update
//! (`IPCTNL_MSG_CT_NEW`), so an update may hit a flow that took the tuple in the meantime. The echo of the change shows
//! which flow was hit. If no echo came, a lookup of the entry shows it.

use ctwarden_engine::Ack;
use ctwarden_model::{Effect, EffectId, FlowId, FlowKey};
use ctwarden_wire::{Content, Message, request};
use rustix::io::Errno;

/// What the kernel has reported about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestResult {
    /// Nothing. The kernel reports every refusal, so the request succeeded once a later request is answered.
    Nothing,
    /// The change hit the intended flow.
    Hit,
    /// Another flow had the tuple.
    Another,
    /// The kernel refused the request with this `errno`.
    Refused(i32),
}

#[derive(Debug)]
struct SentChange {
    effect: EffectId,
    /// The flow that an update is intended for.
    meant: Option<FlowKey>,
    told: RequestResult,
}

impl SentChange {
    fn is_in_doubt(&self) -> bool {
        self.meant.is_some() && matches!(self.told, RequestResult::Nothing | RequestResult::Another)
    }
}

/// Changes of one send, in order. The kernel carries them out one after the other and reports in the same order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    asked: Vec<SentChange>,
    /// The first change about which the kernel may still report.
    next: usize,
    /// Whether the last change is acknowledged or refused.
    over: bool,
    /// Changes whose entries are looked up again, in the order of these lookups.
    doubts: Vec<usize>,
}

impl Changes {
    /// Whether the effect goes to the conntrack socket.
    pub(super) const fn takes(effect: &Effect) -> bool {
        match effect {
            Effect::Delete(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => true,
            Effect::Kill(_) | Effect::Block(_) | Effect::Unblock(_) => false,
        }
    }

    /// Clears all changes of the previous send.
    pub(super) fn begin(&mut self) {
        self.asked.clear();
        self.doubts.clear();
        (self.next, self.over) = (0, false);
    }

    /// Writes the request of one more change. Its place in the send is the number of changes before it. The last one
    /// requests an acknowledgment, which shows that nothing more comes.
    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, sequence: u32, effect: EffectId, change: &Effect, last: bool) {
        let mut meant = None;
        match change {
            Effect::Delete(key) => request::delete(buffer, sequence, last, key),
            Effect::Update(update) => {
                request::update_echoed(buffer, sequence, last, update);
                meant = Some(update.key);
            }
            Effect::DeleteExpectation(key) => request::expectation::delete(buffer, sequence, last, key),
            Effect::Kill(_) | Effect::Block(_) | Effect::Unblock(_) => return,
        }
        self.asked.push(SentChange { effect, meant, told: RequestResult::Nothing });
    }

    /// Records a message that the kernel sent to the socket with this port. An answer comes with the place of its
    /// request.
    pub(super) fn hear(&mut self, place: Option<usize>, message: &Message<'_>, port: u32) {
        let content = message.content();
        if let Content::Answer(answer) = content {
            let Some(index) = place else { return };
            let last = index.saturating_add(1) == self.asked.len();
            let Some(asked) = self.asked.get_mut(index) else { return };
            if !answer.is_ack() {
                asked.told = RequestResult::Refused(answer.errno);
            }
            self.next = index.saturating_add(1);
            self.over |= last;
        } else if let Content::Conntrack(entry) = content
            // A request has a sequence number, an event of our own change has none.
            && message.header.sequence == 0
            && message.header.port == port
            && let Ok(key) = entry.flow.key()
        {
            self.echo(&key);
        }
    }

    /// Records the entry that a change hit. The echo belongs to the first request for its place, if no other request
    /// names the same place.
    ///
    /// If two requests name the same place, the first may have had no echo, and this may be the echo of the second. If
    /// the ids are equal, the entry was there before, too, so the first request hit it as well, and the second is
    /// looked up. If the ids differ, the first is looked up.
    fn echo(&mut self, key: &FlowKey) {
        let same_place = |asked: &SentChange| {
            asked.meant.is_some_and(|meant| meant.original == key.original && meant.zone == key.zone)
        };
        let rest = self.asked.get_mut(self.next..).unwrap_or_default();
        // Usually the next change names that place.
        let Some(offset) = rest.iter().position(same_place) else { return };
        if let Some(asked) = rest.get_mut(offset) {
            asked.told = if asked.meant == Some(*key) { RequestResult::Hit } else { RequestResult::Another };
            self.next = self.next.saturating_add(offset).saturating_add(1);
        }
    }

    /// Whether the kernel has reported everything.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// The flows for which it is unknown whether the change hit them. Look up their entries in this order.
    pub(super) fn doubts(&mut self) -> impl Iterator<Item = FlowKey> {
        let in_doubt = |(index, asked): (usize, &SentChange)| asked.is_in_doubt().then_some((index, asked.meant?));
        let (doubts, keys): (Vec<_>, Vec<_>) = self.asked.iter().enumerate().filter_map(in_doubt).unzip();
        self.doubts = doubts;
        keys.into_iter()
    }

    /// Records the answer to the doubt at that place.
    pub(super) fn hear_of_doubt(&mut self, place: usize, content: &Content<'_>) {
        let Some(asked) = self.doubts.get(place).and_then(|index| self.asked.get_mut(*index)) else { return };
        if let Content::Conntrack(entry) = content {
            // A kernel that reports no id has none to compare.
            let is = entry.flow.id().unwrap_or_default();
            let same = is == FlowId::default() || asked.meant.is_some_and(|meant| meant.id == is);
            asked.told = if same { RequestResult::Hit } else { RequestResult::Another };
            asked.meant = None;
        } else if let Content::Answer(answer) = content
            && answer.errno == Errno::NOENT.raw_os_error()
        {
            // The entry ended right after its change, which stands. Without evidence of another flow, assume that the
            // intended one was hit.
            asked.told = if asked.told == RequestResult::Another { RequestResult::Another } else { RequestResult::Hit };
            asked.meant = None;
        }
    }

    /// The outcome of each change, in order.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (EffectId, Ack)> {
        self.asked.iter().map(|asked| {
            let ack = match asked.told {
                RequestResult::Refused(errno) if errno == Errno::NOENT.raw_os_error() => Ack::Gone,
                RequestResult::Refused(errno) => Ack::Refused(errno),
                RequestResult::Hit => Ack::Done,
                // The entry was looked up and no answer came.
                RequestResult::Another | RequestResult::Nothing if asked.meant.is_some() => Ack::NoAnswer,
                RequestResult::Another => Ack::Replaced,
                RequestResult::Nothing if self.over => Ack::Done,
                RequestResult::Nothing => Ack::NoAnswer,
            };
            (asked.effect, ack)
        })
    }
}

#[cfg(test)]
mod tests;
