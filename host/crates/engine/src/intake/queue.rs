//! The queue of one plugin, in the order of what happened.
//!
//! Only messages and changed sets go before rows at the end of the queue. A ban must not wait for a sweep, and rows
//! report a state rather than events.
//!
//! If there are too many events, the oldest are dropped, because the loop never waits for a plugin. Rows are never
//! dropped, because the sweep can wait. Everything else is rare and is merged or refused.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{Cause, Entries, ExpectationEvent, Member, SetChange, SetName};

use crate::Ticket;
use crate::ids::RoundId;
use crate::verdicts::ends::Told;

/// One element of a queue.
#[derive(Debug)]
pub(crate) enum Item {
    /// The plugin's part of a round.
    Entries {
        round: RoundId,
        /// Either [`Cause::Events`] or [`Cause::SweepRows`].
        cause: Cause,
        entries: Entries,
        /// When the kernel reported the entries.
        told: Told,
    },
    /// Expectations. Each plugin gets its own copy, because there are few.
    Expectations {
        round: RoundId,
        /// Either [`Cause::Events`] or [`Cause::SweepRows`].
        cause: Cause,
        events: Arc<[ExpectationEvent]>,
    },
    /// A turn without entries.
    Turn(Cause),
    Tick,
    Message(Ticket, String),
}

/// What was dropped to make room.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) rounds: Vec<RoundId>,
    pub(crate) entries: u64,
}

/// Overrun turns that may wait. A further overrun shows in `missed` and in the sweep that follows in any case.
const OVERRUNS: usize = 64;

/// The queue of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    items: VecDeque<Item>,
    events: usize,
    rows: usize,
    messages: usize,
    message_bytes: usize,
    overruns: usize,
    ticking: bool,
    missed: u64,
}

impl Queue {
    /// Events in the queue, including expectation events.
    pub(crate) const fn events(&self) -> usize {
        self.events
    }

    /// Sweep rows in the queue.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) const fn messages(&self) -> usize {
        self.messages
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the number of entries dropped since the last call.
    pub(crate) fn take_missed(&mut self) -> u64 {
        core::mem::take(&mut self.missed)
    }

    /// Adds entries. If more than `limit` events would wait, the oldest are dropped. A single item may exceed the
    /// limit.
    pub(crate) fn push_entries(&mut self, item: Item, limit: usize) -> Dropped {
        let mut dropped = Dropped::default();
        let (cause, count, _) = shape(&item);
        if cause == Some(&Cause::SweepRows) {
            self.rows += count;
        } else {
            while self.events > 0 && self.events + count > limit {
                let Some((round, entries)) = self.drop_oldest() else { break };
                dropped.rounds.extend(round);
                dropped.entries += entries;
            }
            self.events += count;
        }
        self.items.push_back(item);
        dropped
    }

    fn drop_oldest(&mut self) -> Option<(Option<RoundId>, u64)> {
        let index = self.items.iter().position(|item| shape(item).0 == Some(&Cause::Events))?;
        let (_, count, round) = shape(&self.items.remove(index)?);
        self.events -= count;
        self.missed = self.missed.saturating_add(count as u64);
        // The events between two overruns may be gone. Then the two are merged.
        let is_overrun = |item: Option<&Item>| matches!(item, Some(Item::Turn(Cause::Overrun)));
        if index > 0 && is_overrun(self.items.get(index - 1)) && is_overrun(self.items.get(index)) {
            self.items.remove(index);
            self.overruns -= 1;
        }
        Some((round, count as u64))
    }

    /// Adds a turn. Overruns without an event between them are merged.
    pub(crate) fn push_turn(&mut self, cause: Cause) {
        if cause == Cause::Overrun {
            if self.overruns >= OVERRUNS || matches!(self.items.back(), Some(Item::Turn(Cause::Overrun))) {
                return;
            }
            self.overruns += 1;
        }
        self.items.push_back(Item::Turn(cause));
    }

    /// Reports a changed set to the plugin. All sets that changed before the plugin's next turn share this turn: the
    /// plugin looks into their current content, and one sweep serves for all.
    pub(crate) fn push_changed_set(&mut self, set: &SetName, added: Option<&[Member]>) {
        let turn = self.items.iter_mut().find_map(|item| match item {
            Item::Turn(Cause::SetsChanged(changes)) => Some(changes),
            Item::Turn(_) | Item::Entries { .. } | Item::Expectations { .. } | Item::Tick | Item::Message(..) => None,
        });
        match turn {
            Some(changes) => match changes.iter_mut().find(|change| change.set == *set) {
                Some(change) => change.then(added),
                None => changes.push(SetChange::new(set.clone(), added)),
            },
            None => {
                let change = SetChange::new(set.clone(), added);
                self.push_before_rows(Item::Turn(Cause::SetsChanged([change].into())));
            }
        }
    }

    /// Removes turns about other sets than `wanted`, for a plugin that no longer subscribes to them.
    pub(crate) fn keep_sets(&mut self, wanted: &[SetName]) {
        self.items.retain_mut(|item| match item {
            Item::Turn(Cause::SetsChanged(changes)) => {
                changes.retain(|change| wanted.contains(&change.set));
                !changes.is_empty()
            }
            Item::Turn(_) | Item::Entries { .. } | Item::Expectations { .. } | Item::Tick | Item::Message(..) => true,
        });
    }

    /// Adds a tick, unless one waits already.
    pub(crate) fn push_tick(&mut self) {
        if !self.ticking {
            self.ticking = true;
            self.items.push_back(Item::Tick);
        }
    }

    /// Adds a message. Returns false if `limit` messages wait already, or if the texts together would exceed `bytes`.
    /// The size of a message does not count if no other message waits.
    pub(crate) fn push_message(&mut self, ticket: Ticket, text: String, limit: usize, bytes: usize) -> bool {
        let together = self.message_bytes.saturating_add(text.len());
        let room = self.messages < limit && (together <= bytes || self.messages == 0);
        if room {
            self.messages += 1;
            self.message_bytes = together;
            self.push_before_rows(Item::Message(ticket, text));
        }
        room
    }

    /// Inserts an item before the rows at the end. Events keep their place, because a row and a later end of its flow
    /// must stay in order.
    fn push_before_rows(&mut self, item: Item) {
        let rows = self.items.iter().rev().take_while(|item| shape(item).0 == Some(&Cause::SweepRows)).count();
        self.items.insert(self.items.len().saturating_sub(rows), item);
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        let (cause, count, _) = shape(&item);
        match &item {
            Item::Entries { .. } | Item::Expectations { .. } if cause == Some(&Cause::SweepRows) => self.rows -= count,
            Item::Entries { .. } | Item::Expectations { .. } => self.events -= count,
            Item::Turn(Cause::Overrun) => self.overruns -= 1,
            Item::Turn(_) => {}
            Item::Tick => self.ticking = false,
            Item::Message(_, text) => {
                self.messages -= 1;
                self.message_bytes = self.message_bytes.saturating_sub(text.len());
            }
        }
        Some(item)
    }

    /// Removes the items of sweeps, because a fresh instance gets its own sweep. Returns the rounds of the rows.
    pub(crate) fn drop_sweep(&mut self) -> Vec<RoundId> {
        let mut rounds = Vec::new();
        self.items.retain(|item| {
            let (cause, _, round) = shape(item);
            let of_sweep = matches!(
                cause,
                Some(Cause::SweepBegin(_) | Cause::SweepRows | Cause::SweepComplete | Cause::SweepInterrupted)
            );
            if of_sweep {
                rounds.extend(round);
            }
            !of_sweep
        });
        self.rows = 0;
        rounds
    }

    /// Removes expectations, for a plugin that no longer subscribes to them.
    pub(crate) fn drop_expectations(&mut self) {
        let mut events = 0;
        self.items.retain(|item| {
            let is_one = matches!(item, Item::Expectations { .. });
            if is_one {
                events += shape(item).1;
            }
            !is_one
        });
        self.events = self.events.saturating_sub(events);
    }

    /// Removes everything. Events count as missed. Returns their rounds and the messages.
    pub(crate) fn clear(&mut self) -> (Vec<RoundId>, Vec<Ticket>) {
        let mut rounds = Vec::new();
        let mut tickets = Vec::new();
        let events = self.events as u64;
        while let Some(item) = self.pop() {
            rounds.extend(shape(&item).2);
            if let Item::Message(ticket, _) = item {
                tickets.push(ticket);
            }
        }
        self.missed = self.missed.saturating_add(events);
        (rounds, tickets)
    }
}

/// Cause, number of entries and round of an item.
fn shape(item: &Item) -> (Option<&Cause>, usize, Option<RoundId>) {
    match item {
        Item::Entries { round, cause, entries, .. } => (Some(cause), entries.len(), Some(*round)),
        Item::Expectations { round, cause, events } => (Some(cause), events.len(), Some(*round)),
        Item::Turn(cause) => (Some(cause), 0, None),
        Item::Tick | Item::Message(..) => (None, 0, None),
    }
}
