//! The changes of one send: what was asked, what the kernel said, and what therefore came of each.
//!
//! Kept apart from the socket because here is what has to be exact. The kernel does not compare the id in an update
//! (`IPCTNL_MSG_CT_NEW`), so that a flow that took the tuple meanwhile may be hit. Which one it was is told by the echo of
//! the change, and where none came, by asking for the entry.

use ctwarden_engine::Ack;
use ctwarden_model::{Effect, EffectId, FlowId, FlowKey};
use ctwarden_wire::{Content, Message, request};
use rustix::io::Errno;

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing. Refusals are always told, so that it was carried out once what was asked behind it is answered.
    Nothing,
    /// It hit the flow that was meant.
    Hit,
    /// Another flow had the tuple.
    Another,
    /// It was refused, with this `errno`.
    Refused(i32),
}

#[derive(Debug)]
struct Asked {
    effect: EffectId,
    /// Who is meant by an update.
    meant: Option<FlowKey>,
    told: Told,
}

impl Asked {
    fn is_in_doubt(&self) -> bool {
        self.meant.is_some() && matches!(self.told, Told::Nothing | Told::Another)
    }
}

/// Changes of one send, in order: the kernel carries them out one after the other, and what it says comes in that order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    asked: Vec<Asked>,
    /// The first one that the kernel may still say something to.
    next: usize,
    /// The last one is acknowledged or refused.
    over: bool,
    /// Those that are asked for again, in the order of these requests.
    doubts: Vec<usize>,
}

impl Changes {
    /// Whether the effect is one for conntrack's socket.
    pub(super) const fn takes(effect: &Effect) -> bool {
        match effect {
            Effect::Delete(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => true,
            Effect::Block(_) | Effect::Unblock(_) => false,
        }
    }

    /// Forgets all changes of the send before.
    pub(super) fn begin(&mut self) {
        self.asked.clear();
        self.doubts.clear();
        (self.next, self.over) = (0, false);
    }

    /// Writes the request of one more, whose place in the send is how many there were before. The last one is to be acknowledged, which tells that nothing more comes.
    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, sequence: u32, effect: EffectId, change: &Effect, last: bool) {
        let mut meant = None;
        match change {
            Effect::Delete(key) => request::delete(buffer, sequence, last, key),
            Effect::Update(update) => {
                request::update_echoed(buffer, sequence, last, update);
                meant = Some(update.key);
            }
            Effect::DeleteExpectation(key) => request::expectation::delete(buffer, sequence, last, key),
            Effect::Block(_) | Effect::Unblock(_) => return,
        }
        self.asked.push(Asked { effect, meant, told: Told::Nothing });
    }

    /// Takes note of what the kernel sent to the socket of that port; an answer comes with the place of its request.
    pub(super) fn hear(&mut self, place: Option<usize>, message: &Message<'_>, port: u32) {
        let content = message.content();
        if let Content::Answer(answer) = content {
            let Some(index) = place else { return };
            let last = index.saturating_add(1) == self.asked.len();
            let Some(asked) = self.asked.get_mut(index) else { return };
            if !answer.is_ack() {
                asked.told = Told::Refused(answer.errno);
            }
            self.next = index.saturating_add(1);
            self.over |= last;
        } else if let Content::Conntrack(entry) = content
            // A request has its number, an event of our own change none.
            && message.header.sequence == 0
            && message.header.port == port
            && let Ok(key) = entry.flow.key()
        {
            self.echo(&key);
        }
    }

    /// The entry that a change hit: it belongs to the first request for its place, where each is for a place of its own.
    ///
    /// Where two are for the same place, the first may have had no echo, and this is that of the second. If the ids are
    /// equal it was there before, too, so that the first one hit it as well, and the second is asked for. If they are not,
    /// the first is asked for.
    fn echo(&mut self, key: &FlowKey) {
        let same_place =
            |asked: &Asked| asked.meant.is_some_and(|meant| meant.original == key.original && meant.zone == key.zone);
        let rest = self.asked.get_mut(self.next..).unwrap_or_default();
        // As a rule it is the very next one.
        let Some(offset) = rest.iter().position(same_place) else { return };
        if let Some(asked) = rest.get_mut(offset) {
            asked.told = if asked.meant == Some(*key) { Told::Hit } else { Told::Another };
            self.next = self.next.saturating_add(offset).saturating_add(1);
        }
    }

    /// Whether the kernel has said all that it says.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// The flows of which it is not known whether the change hit them. Their entries are to be asked for in this order.
    pub(super) fn doubts(&mut self) -> impl Iterator<Item = FlowKey> {
        let in_doubt = |(index, asked): (usize, &Asked)| asked.is_in_doubt().then_some((index, asked.meant?));
        let (doubts, keys): (Vec<_>, Vec<_>) = self.asked.iter().enumerate().filter_map(in_doubt).unzip();
        self.doubts = doubts;
        keys.into_iter()
    }

    /// Takes note of the answer to the doubt at that place.
    pub(super) fn hear_of_doubt(&mut self, place: usize, content: &Content<'_>) {
        let Some(asked) = self.doubts.get(place).and_then(|index| self.asked.get_mut(*index)) else { return };
        if let Content::Conntrack(entry) = content {
            // A kernel that tells no id has none to compare.
            let is = entry.flow.id().unwrap_or_default();
            let same = is == FlowId::default() || asked.meant.is_some_and(|meant| meant.id == is);
            asked.told = if same { Told::Hit } else { Told::Another };
            asked.meant = None;
        } else if let Content::Answer(answer) = content
            && answer.errno == Errno::NOENT.raw_os_error()
        {
            // It ended right after its change, which stands: whoever is not known to be another is the one that was meant.
            asked.told = if asked.told == Told::Another { Told::Another } else { Told::Hit };
            asked.meant = None;
        }
    }

    /// What came of each, in order.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (EffectId, Ack)> {
        self.asked.iter().map(|asked| {
            let ack = match asked.told {
                Told::Refused(errno) if errno == Errno::NOENT.raw_os_error() => Ack::Gone,
                Told::Refused(errno) => Ack::Refused(errno),
                Told::Hit => Ack::Done,
                // Its entry was asked for and no answer came.
                Told::Another | Told::Nothing if asked.meant.is_some() => Ack::NoAnswer,
                Told::Another => Ack::Replaced,
                Told::Nothing if self.over => Ack::Done,
                Told::Nothing => Ack::NoAnswer,
            };
            (asked.effect, ack)
        })
    }
}

#[cfg(test)]
mod tests;
