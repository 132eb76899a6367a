//! How one event or row changes the flows of its family.
//!
//! Events and rows arrive through two sockets, so either may be older than what the other has already reported. This
//! module decides which of the two wins. The documentation of the crate gives the reasons.

use ctwarden_model::{Flow, FlowKey, Status, Steady};

use crate::address::Address;
use crate::family_table::{FamilyTable, translated};
use crate::flags::Flags;
use crate::record::{Direction, Identity, Record};
use crate::slab::Handle;
use crate::state::State;

impl<A: Address> FamilyTable<A> {
    /// An event shows that the flow lives. `born` is true for a NEW event. `others` is the heap that the other families
    /// hold.
    pub(crate) fn hear(&mut self, flow: &Flow, born: bool, state: &mut State, others: usize, now: Steady) {
        let Some(identity) = Identity::new(&flow.key()) else { return };
        if is_dying(flow) {
            return;
        }
        let Ok(reply) = translated(flow) else { return state.turn_away(A::FAMILY, now) };
        let handle = match self.find(&identity) {
            Some(handle) if self.is_dead(handle) => {
                if !born {
                    return;
                }
                self.revive(handle, &identity, state.epoch, reply);
                Some(handle)
            }
            Some(handle) if self.has_reply(handle, reply) => Some(handle),
            // The end of the predecessor was not received: it has the same identity and another translation.
            Some(handle) => {
                self.remove(handle);
                self.admit(&identity, reply, state, others, now)
            }
            None => self.admit(&identity, reply, state, others, now),
        };
        if let Some(record) = handle.and_then(|handle| self.get_mut(handle)) {
            record.epoch = state.epoch;
            record.flags.set(Flags::EVENT, true);
        }
    }

    /// An event reports the end of the flow.
    pub(crate) fn end(&mut self, key: &FlowKey, state: &State, others: usize) {
        let Some(identity) = Identity::new(key) else { return };
        let swept = state.running.as_ref().is_some_and(|running| running.slice.covers(&identity));
        match self.find(&identity) {
            Some(handle) if self.is_dead(handle) => {}
            Some(handle) if swept => self.bury(handle),
            Some(handle) => self.remove(handle),
            // Without room the replica does not remember the end. At worst one extra flow stays until the next sweep.
            None if swept && self.bytes() + others + self.next_chunk(false) <= state.limit => {
                self.insert_dead(&identity, state.epoch);
            }
            None => {}
        }
    }

    /// A row of the running sweep shows that the flow lived when it was read.
    pub(crate) fn read(&mut self, flow: &Flow, state: &mut State, others: usize, now: Steady) {
        let Some(identity) = Identity::new(&flow.key()) else { return };
        let Some(running) = &state.running else { return };
        if !running.slice.covers(&identity) || is_dying(flow) {
            return;
        }
        let begin = running.begin;
        let Ok(reply) = translated(flow) else { return state.turn_away(A::FAMILY, now) };
        let handle = match self.find_row(&identity) {
            Some(handle) if self.is_dead(handle) => return,
            Some(handle) if self.has_reply(handle, reply) => Some(handle),
            // The identity is the same and the translation differs. Of the two flows, the one that an event reported is
            // the later.
            Some(handle) if self.get(handle).is_some_and(|record| is_heard_since(record, begin)) => return,
            Some(handle) => {
                self.remove(handle);
                self.admit(&identity, reply, state, others, now)
            }
            None => self.admit(&identity, reply, state, others, now),
        };
        if let Some(record) = handle.and_then(|handle| self.get_mut(handle)).filter(|record| record.epoch < begin) {
            record.epoch = begin;
            record.flags.set(Flags::EVENT, false);
        }
    }

    /// Inserts a flow that is not in the table, if there is room. Its epoch is 0, so that the first event or row that
    /// confirms it counts as the first.
    fn admit(
        &mut self,
        identity: &Identity<A>,
        reply: Option<Direction<A>>,
        state: &mut State,
        others: usize,
        now: Steady,
    ) -> Option<Handle> {
        let room = self.bytes() + others + self.next_chunk(reply.is_some()) <= state.limit;
        let handle = if room { self.insert(identity, 0, reply) } else { None };
        if handle.is_none() {
            state.turn_away(A::FAMILY, now);
        }
        handle
    }

    fn has_reply(&self, handle: Handle, reply: Option<Direction<A>>) -> bool {
        self.get(handle).is_some_and(|record| self.reply_of(record) == reply)
    }

    fn is_dead(&self, handle: Handle) -> bool {
        self.get(handle).is_some_and(Record::is_dead)
    }
}

/// Whether the entry is dying: its end was or will be reported, and no packet finds it any more. The kernel sets the
/// bit before it sends DESTROY (`nf_ct_delete`), so messages filled later carry the bit.
fn is_dying(flow: &Flow) -> bool {
    flow.status.is_some_and(|status| status.contains(Status::DYING))
}

/// Whether an event of the flow was handled since the sweep that began with this epoch.
const fn is_heard_since<A: Address>(record: &Record<A>, begin: u32) -> bool {
    record.epoch >= begin && record.flags.has(Flags::EVENT)
}
