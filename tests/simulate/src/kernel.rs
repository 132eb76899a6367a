//! The simulated kernel: a table, an event socket that overflows, dumps, and requests that take effect late.

use std::collections::{BTreeMap, VecDeque};

use ctwarden_engine::{Ack, Looked};
use ctwarden_model::{Effect, Event, EventKind, Filter, Flow, FlowId, FlowKey, KillRefusal, Mark, Steady, Update};

use crate::chance::Chance;
use crate::flows::{self, Life, PLACES};

/// Number of events that the socket holds.
const ROOM: usize = 12;
/// Age at which the last sight of a flow is too old, so that a lookup precedes an update, as in the daemon.
const FRESH_MILLIS: u64 = 100;

/// What the daemon can do to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Deleted,
    /// The connection was ended. The entry was deleted as well, which is a deed of its own.
    Killed,
    Updated,
}

/// One deed of the daemon on an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) deed: Deed,
    pub(crate) place: usize,
    pub(crate) life: Life,
    /// Number of ends of flows that the daemon had read when it sent the effect.
    pub(crate) ends: u64,
}

#[derive(Debug)]
struct Entry {
    flow: Flow,
    life: Life,
}

#[derive(Debug, Default)]
pub(crate) struct Kernel {
    table: BTreeMap<usize, Entry>,
    /// The id of the last entry at each place.
    last_ids: BTreeMap<usize, u32>,
    next_id: u32,
    next_life: u64,
    /// Whether a new entry may get the id of the previous entry at its place.
    ids_recur: bool,
    events: VecDeque<Event>,
    /// Whether the socket drops events, which it does until it has been read empty.
    is_congested: bool,
    is_overrun: bool,
    /// The place of each entry.
    places: BTreeMap<Life, usize>,
    /// Everything that the daemon did to entries.
    deeds: Vec<Done>,
    lost_events: u64,
}

impl Kernel {
    pub(crate) fn new(ids_recur: bool) -> Self {
        Self { ids_recur, ..Self::default() }
    }

    pub(crate) const fn lost_events(&self) -> u64 {
        self.lost_events
    }

    pub(crate) fn deeds(&self) -> &[Done] {
        &self.deeds
    }

    pub(crate) fn did(&self, deed: Deed, life: Life) -> bool {
        self.deeds.iter().any(|done| done.deed == deed && done.life == life)
    }

    /// Deeds of the same kind on other entries of the same place.
    pub(crate) fn done_beside(&self, deed: Deed, life: Life) -> impl Iterator<Item = &Done> {
        let place = self.places.get(&life).copied();
        self.deeds.iter().filter(move |done| done.deed == deed && Some(done.place) == place && done.life != life)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The living entries that match a filter, with their places.
    pub(crate) fn living<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = (usize, Life, &'a Flow)> {
        let matching = self.table.iter().filter(|(_, entry)| filter.matches(&entry.flow));
        matching.map(|(place, entry)| (*place, entry.life, &entry.flow))
    }

    /// A packet, which begins a flow or changes a living one.
    pub(crate) fn packet(&mut self, place: usize, chance: &mut Chance) {
        if let Some(entry) = self.table.get_mut(&place) {
            entry.flow.timeout = Some(600);
            let flow = entry.flow.clone();
            self.report(EventKind::Update, flow, false);
            return;
        }
        let before = self.last_ids.get(&place).copied().filter(|_| self.ids_recur && chance.percent(50));
        let id = before.unwrap_or_else(|| {
            self.next_id += 1;
            self.next_id
        });
        self.next_life += 1;
        let life = Life(self.next_life);
        let flow = flows::entry(place, id, life);
        self.last_ids.insert(place, id);
        self.places.insert(life, place);
        self.table.insert(place, Entry { flow: flow.clone(), life });
        self.report(EventKind::New, flow, false);
    }

    /// Ends a flow without a request of the daemon.
    pub(crate) fn expire(&mut self, place: usize) {
        self.remove(place, false);
    }

    fn remove(&mut self, place: usize, by_us: bool) -> Option<Life> {
        let entry = self.table.remove(&place)?;
        self.report(EventKind::Destroy, entry.flow, by_us);
        Some(entry.life)
    }

    fn report(&mut self, kind: EventKind, mut flow: Flow, by_us: bool) {
        if self.is_congested || self.events.len() >= ROOM {
            self.is_overrun |= !self.is_congested;
            self.is_congested = true;
            self.lost_events += 1;
            return;
        }
        if kind == EventKind::New {
            // A new event omits a mark of zero.
            flow.mark = flow.mark.filter(|mark| *mark != Mark(0));
        }
        self.events.push_back(Event { kind, by_us, flow });
    }

    /// Whether the socket reports an overrun. It reports each overrun once.
    pub(crate) fn take_overrun(&mut self) -> bool {
        std::mem::take(&mut self.is_overrun)
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        self.is_congested &= !self.events.is_empty();
        event
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.events.is_empty()
    }

    /// The entry at a place, as a dump lists it.
    pub(crate) fn listed(&self, place: usize) -> Option<&Flow> {
        self.table.get(&place).map(|entry| &entry.flow)
    }

    fn place_of(key: &FlowKey) -> Option<usize> {
        let is_named = |place: &usize| flows::entry(*place, 0, Life(0)).is_named_by(&FlowKey { id: FlowId(0), ..*key });
        (0..PLACES).find(is_named)
    }

    /// The answer to a lookup of a tuple.
    pub(crate) fn look_up(&self, key: &FlowKey) -> Looked {
        let found = Self::place_of(key).and_then(|place| self.listed(place));
        found.map_or(Looked::Gone, |flow| Looked::Found(Box::new(flow.clone())))
    }

    /// The living entry that a search has named.
    pub(crate) fn get(&self, key: &FlowKey) -> Option<Flow> {
        let found = Self::place_of(key).and_then(|place| self.listed(place));
        found.filter(|flow| flow.id == Some(key.id)).cloned()
    }

    /// Carries out an effect. `seen` is the time at which the kernel last reported the flow. `ends` is the number of
    /// ends that the daemon had read when it sent the effect.
    pub(crate) fn carry_out(&mut self, effect: &Effect, seen: Option<Steady>, ends: u64, now: Steady) -> Ack {
        match effect {
            Effect::Delete(key) => self.delete(key, ends),
            Effect::Kill(key) => self.kill(key, ends),
            Effect::Update(update) => {
                let is_stale = seen.is_some_and(|seen| now.since(seen).as_millis() >= FRESH_MILLIS.into());
                self.update(update, is_stale, ends)
            }
            Effect::Block(_) | Effect::Unblock(_) => Ack::Done,
            Effect::DeleteExpectation(_) => Ack::Gone,
        }
    }

    fn delete(&mut self, key: &FlowKey, ends: u64) -> Ack {
        let Some(place) = Self::place_of(key) else { return Ack::Gone };
        match self.listed(place).map(|flow| flow.id == Some(key.id)) {
            None => Ack::Gone,
            Some(false) => Ack::Replaced,
            Some(true) => {
                let life = self.remove(place, true);
                self.deeds.extend(life.map(|life| Done { deed: Deed::Deleted, place, life, ends }));
                Ack::Done
            }
        }
    }

    /// Deletes an entry, and ends its connection if this host has a socket of it. It has one at every other place.
    fn kill(&mut self, key: &FlowKey, ends: u64) -> Ack {
        let before = self.deeds.len();
        let ack = self.delete(key, ends);
        if ack == Ack::Done && Self::place_of(key).is_some_and(|place| place % 2 == 0) {
            return Ack::NotKilled(KillRefusal::NoSocket);
        }
        let killed = self.deeds.get(before).map(|done| Done { deed: Deed::Killed, ..*done });
        self.deeds.extend(killed);
        ack
    }

    /// Updates an entry. The kernel does not compare the id in an update. So the daemon looks up a flow that it has not
    /// seen lately, and afterwards compares the id of the changed entry.
    fn update(&mut self, update: &Update, is_stale: bool, ends: u64) -> Ack {
        let Some(place) = Self::place_of(&update.key) else { return Ack::Gone };
        let Some(entry) = self.table.get_mut(&place) else { return Ack::Gone };
        let is_meant = entry.flow.id == Some(update.key.id);
        if is_stale && !is_meant {
            return Ack::Replaced;
        }
        if let Some(mark) = update.mark {
            let Mark(before) = entry.flow.mark.unwrap_or(Mark(0));
            entry.flow.mark = Some(Mark(mark.apply(before)));
        }
        self.deeds.push(Done { deed: Deed::Updated, place, life: entry.life, ends });
        let flow = entry.flow.clone();
        self.report(EventKind::Update, flow, true);
        if is_meant { Ack::Done } else { Ack::Replaced }
    }
}
