//! The replica: what happens in the calling order, and how far its knowledge goes then.
//!
//! It is the only door of the crate: the families' shelves behind it know nothing of sweeps.

use ctwarden_model::{Event, EventKind, Family, Filter, Flow, FlowKey, Steady};

use crate::address::{Address, Long};
use crate::hash::Seed;
use crate::knowledge::Knowledge;
use crate::selection::Selection;
use crate::shelf::Shelf;
use crate::slab::Handle;
use crate::state::State;
use crate::sweep::{Running, Settling, Slice, SweepEnd, SweepToken};
use crate::view::{Selected, View, judged_by_name};
use crate::walk::Walk;
use crate::way::Ways;

/// A copy of the connection tracking table.
///
/// Calling order: join the multicast groups, then sweep. Hand over each event with [`Replica::handle_event`] in the order of
/// the socket; when the socket says that events were lost, [`Replica::handle_overrun`]; when it has been read empty,
/// [`Replica::handle_drained`]. A sweep is [`Replica::begin_sweep`] *before* the dump is asked for, [`Replica::handle_row`] for
/// each row, [`Replica::end_sweep`] after the last; then [`Replica::settle`] until it is done. Questions may be asked at any
/// time: [`Replica::select`], [`Replica::get`], and in steps [`Replica::step`].
#[derive(Debug)]
pub struct Replica {
    ipv4: Shelf<u32>,
    ipv6: Shelf<Long>,
    state: State,
    settling: Option<Settling>,
}

impl Replica {
    /// An empty replica, which knows nothing yet. `limit` is the heap in bytes that it may hold; beyond it flows are turned
    /// away and [`Knowledge::OverLimit`] says so. One step in which an index grows may pass it.
    #[must_use]
    pub const fn new(seed: Seed, limit: usize) -> Self {
        Self { ipv4: Shelf::new(seed), ipv6: Shelf::new(seed), state: State::new(limit), settling: None }
    }

    /// What the kernel says of a flow. A row (of [`EventKind::Row`]) is not taken here: without its sweep nothing tells
    /// whether it is older than what events have said.
    pub fn handle_event(&mut self, event: &Event, now: Steady) {
        let flow = &event.flow;
        match event.kind {
            EventKind::New => self.hear(flow, true, now),
            EventKind::Update => self.hear(flow, false, now),
            EventKind::Destroy => self.handle_end(&flow.key()),
            EventKind::Row => {}
        }
    }

    /// The same of an end (of [`EventKind::Destroy`]), of which nothing matters but whose it is.
    pub fn handle_end(&mut self, key: &FlowKey) {
        match key.original.family() {
            Family::Ipv4 => self.ipv4.end(key, &self.state, self.ipv6.bytes()),
            Family::Ipv6 => self.ipv6.end(key, &self.state, self.ipv4.bytes()),
        }
    }

    fn hear(&mut self, flow: &Flow, born: bool, now: Steady) {
        match flow.family() {
            Family::Ipv4 => self.ipv4.hear(flow, born, &mut self.state, self.ipv6.bytes(), now),
            Family::Ipv6 => self.ipv6.hear(flow, born, &mut self.state, self.ipv4.bytes(), now),
        }
    }

    /// Events were lost (ENOBUFS). What is read from the socket until it is empty was sent before the loss, and the kernel
    /// drops all that comes in that time (`NETLINK_S_CONGESTED`, net/netlink/af_netlink.c): the overrun lasts until
    /// [`Replica::handle_drained`], and only a sweep that begins after that can close it.
    pub fn handle_overrun(&mut self, now: Steady) {
        self.state.contiguous = false;
        if let Some(running) = &mut self.state.running {
            running.clean = false;
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            let knowledge = self.state.knowledge_mut(family);
            match knowledge {
                Knowledge::Complete { .. } | Knowledge::OverLimit { .. } => {
                    *knowledge = Knowledge::Overrun { since: now }
                }
                Knowledge::NeverSwept | Knowledge::Overrun { .. } => {}
            }
        }
    }

    /// The event socket was read empty (EAGAIN), and all that was read has been handed over.
    pub const fn handle_drained(&mut self) {
        self.state.contiguous = true;
    }

    /// A dump of that part of the table will be asked for. One runs at a time: where one runs, it counts as interrupted, and
    /// where the last one is not settled, that is done first, at once.
    pub fn begin_sweep(&mut self, slice: Slice) -> SweepToken {
        if let Some(running) = self.state.running.take() {
            self.settle_later(&running, SweepEnd::Interrupted);
        }
        while !self.settle(usize::MAX) {}
        self.state.epoch = self.state.epoch.saturating_add(1);
        let begin = self.state.epoch;
        self.state.running = Some(Running { begin, slice, clean: self.state.contiguous, turned_away: false });
        SweepToken(begin)
    }

    /// A row of the dump. Of another sweep than the running one it is passed over.
    pub fn handle_row(&mut self, token: SweepToken, flow: &Flow, now: Steady) {
        if self.state.running.as_ref().is_none_or(|running| running.begin != token.0) {
            return;
        }
        match flow.family() {
            Family::Ipv4 => self.ipv4.read(flow, &mut self.state, self.ipv6.bytes(), now),
            Family::Ipv6 => self.ipv6.read(flow, &mut self.state, self.ipv4.bytes(), now),
        }
    }

    /// The dump has ended and all its rows have been handed over. What a complete one has proved absent is taken out by
    /// [`Replica::settle`]; what the replica knows holds from here on.
    pub fn end_sweep(&mut self, token: SweepToken, end: SweepEnd, now: Steady) {
        let Some(running) = self.state.running.take_if(|running| running.begin == token.0) else { return };
        self.settle_later(&running, end);
        let whole = end == SweepEnd::Complete && running.slice.is_of_whole_families();
        for family in [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| running.slice.covers_family(*family)) {
            if whole && running.clean {
                *self.state.knowledge_mut(family) = if running.turned_away {
                    Knowledge::OverLimit { since: now }
                } else {
                    Knowledge::Complete { since: now }
                };
            }
        }
    }

    fn settle_later(&mut self, running: &Running, end: SweepEnd) {
        let proves = end == SweepEnd::Complete && !running.slice.partial;
        self.settling = Some(Settling { begin: running.begin, slice: running.slice, proves, ipv4: 0, ipv6: 0 });
    }

    /// Goes on taking out what the last sweep has proved absent, looking at so many flows at most; whether that is done.
    /// Until then those flows are still answered, as any that has ended unheard.
    pub fn settle(&mut self, budget: usize) -> bool {
        let Some(settling) = &mut self.settling else { return true };
        let left = settle(&mut self.ipv4, settling.begin, settling.proves, &settling.slice, &mut settling.ipv4, budget);
        let left = settle(&mut self.ipv6, settling.begin, settling.proves, &settling.slice, &mut settling.ipv6, left);
        if left > 0 {
            self.settling = None;
        }
        self.settling.is_none()
    }

    /// Every flow that matches as far as what it keeps for life is asked for: family, protocol, zone, addresses, ports, and sets.
    /// Other parts of the filter turn nothing away; a GET of the flow tells. Found through the index that promises the fewest;
    /// flows that the replica lacks are told by [`Selection::knowledge`].
    #[must_use]
    pub fn select<'a>(&'a self, filter: &'a Filter) -> Selection<'a> {
        Selection::new(self.view(), filter)
    }

    const fn view(&self) -> View<'_> {
        View { ipv4: &self.ipv4, ipv6: &self.ipv6, state: &self.state }
    }

    #[must_use]
    pub fn get(&self, key: &FlowKey) -> Option<Selected> {
        judged_by_name(self.view(), &Filter::default(), key)
    }

    /// Goes on with a walk and hands over the flows that it comes past, looking at so many at most; whether there are more.
    /// In between the replica may change: a flow that is there all the time comes once, one that begins or ends meanwhile may
    /// come or not.
    pub fn step(&self, walk: &mut Walk, looks: usize, mut take: impl FnMut(Selected)) -> bool {
        walk.step(self.view(), looks, &mut take)
    }

    /// About how many flows an answer has to look at, told in a moment: more than 64 networks are not counted.
    #[must_use]
    pub fn estimate(&self, filter: &Filter) -> usize {
        Ways::estimate(self.view(), filter)
    }

    /// How far the flows of a family are all there.
    #[must_use]
    pub const fn knowledge(&self, family: Family) -> Knowledge {
        self.state.knowledge(family)
    }

    /// Flows in the replica.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap that it holds, in bytes. It does not fall below what the most flows so far needed for their records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ipv4.bytes() + self.ipv6.bytes()
    }

    /// Heap that it may hold, in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.state.limit
    }

    /// It may hold another amount of heap from now on. With more of it, flows that were turned away have room: the next complete sweep
    /// finds them. With less, what it holds stays.
    pub fn set_limit(&mut self, limit: usize, now: Steady) {
        let more = limit > self.state.limit;
        self.state.limit = limit;
        for family in [Family::Ipv4, Family::Ipv6].into_iter().filter(|_| more) {
            let knowledge = self.state.knowledge_mut(family);
            if let Knowledge::OverLimit { .. } = knowledge {
                *knowledge = Knowledge::Overrun { since: now };
            }
        }
    }

    /// Flows turned away since the start: there was no room, or their tuples were of different families.
    #[must_use]
    pub const fn turned_away(&self) -> u64 {
        self.state.turned_away
    }
}

/// Settles the flows of a family from `next` on and tells what is left of the budget; 0 where it is not done.
fn settle<A: Address>(
    shelf: &mut Shelf<A>,
    begin: u32,
    proves: bool,
    slice: &Slice,
    next: &mut Handle,
    mut budget: usize,
) -> usize {
    let end = if slice.covers_family(A::FAMILY) { shelf.records.end() } else { 0 };
    while *next < end {
        if budget == 0 {
            return 0;
        }
        budget -= 1;
        let handle = *next;
        *next += 1;
        let Some(record) = shelf.get(handle) else { continue };
        let absent = proves && record.epoch < begin && slice.covers(&record.identity());
        if record.is_dead() || absent {
            shelf.remove(handle);
        }
    }
    budget
}
