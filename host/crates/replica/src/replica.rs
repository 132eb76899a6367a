//! The interface of the crate: [`Replica`], its inputs in calling order, and how complete its knowledge is.
//!
//! All access goes through this file. The flow tables of the families (`table.rs`) do not know sweeps.

use ctwarden_hash::Seed;
use ctwarden_model::{Event, EventKind, Family, Filter, Flow, FlowKey, Steady};

use crate::address::{Address, Long};
use crate::family_table::FamilyTable;
use crate::knowledge::Knowledge;
use crate::scan::Scans;
use crate::selection::Selection;
use crate::slab::Handle;
use crate::state::State;
use crate::sweep::{Removal, Running, Slice, SweepEnd, SweepToken};
use crate::view::{Selected, View, matching_by_key};
use crate::walk::Walk;

/// A copy of the connection tracking table.
///
/// Calling order: join the multicast groups, then sweep. Hand over each event with [`Replica::handle_event`] in the
/// order of the socket. Call [`Replica::handle_overrun`] when the socket reports lost events, and
/// [`Replica::handle_drained`] when the socket has been read empty. For a sweep, call [`Replica::begin_sweep`] *before*
/// requesting the dump, [`Replica::handle_row`] for each row, and [`Replica::end_sweep`] after the last; then call
/// [`Replica::remove_absent`] until it is done. Queries are allowed at any time: [`Replica::select`], [`Replica::get`], and in
/// steps [`Replica::step`].
#[derive(Debug)]
pub struct Replica {
    ipv4: FamilyTable<u32>,
    ipv6: FamilyTable<Long>,
    state: State,
    removal: Option<Removal>,
}

impl Replica {
    /// Creates an empty replica, which knows nothing yet. `limit` is the heap in bytes that it may hold. Beyond the
    /// limit it rejects flows, and [`Knowledge::OverLimit`] reports it. One step in which an index grows may exceed the
    /// limit.
    #[must_use]
    pub const fn new(seed: Seed, limit: usize) -> Self {
        Self { ipv4: FamilyTable::new(seed), ipv6: FamilyTable::new(seed), state: State::new(limit), removal: None }
    }

    /// Processes an event. Rows ([`EventKind::Row`]) are ignored here, because without its sweep nothing shows whether
    /// a row is older than the events.
    pub fn handle_event(&mut self, event: &Event, now: Steady) {
        let flow = &event.flow;
        match event.kind {
            EventKind::New => self.hear(flow, true, now),
            EventKind::Update => self.hear(flow, false, now),
            EventKind::Destroy => self.handle_end(&flow.key()),
            EventKind::Row => {}
        }
    }

    /// Processes the end of a flow ([`EventKind::Destroy`]), from which it needs only the identity.
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

    /// Reports that events were lost (ENOBUFS). Everything read from the socket until it is empty was sent before the
    /// loss. The kernel drops all events that arrive in that time (`NETLINK_S_CONGESTED`, net/netlink/af_netlink.c). So
    /// the overrun lasts until [`Replica::handle_drained`], and only a sweep that begins after that can close it.
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

    /// Reports that the event socket was read empty (EAGAIN) and that all events read have been handed over.
    pub const fn handle_drained(&mut self) {
        self.state.contiguous = true;
    }

    /// Begins a sweep: a dump of that part of the table will be requested. One sweep runs at a time. A running sweep
    /// counts as interrupted. If flows that the last sweep proved absent are left, they are removed first, at once.
    pub fn begin_sweep(&mut self, slice: Slice) -> SweepToken {
        if let Some(running) = self.state.running.take() {
            self.plan_removal(&running, SweepEnd::Interrupted);
        }
        while !self.remove_absent(usize::MAX) {}
        self.state.epoch = self.state.epoch.saturating_add(1);
        let begin = self.state.epoch;
        self.state.running = Some(Running { begin, slice, clean: self.state.contiguous, turned_away: false });
        SweepToken(begin)
    }

    /// Processes a row of the dump. Rows of a sweep that is not running are ignored.
    pub fn handle_row(&mut self, token: SweepToken, flow: &Flow, now: Steady) {
        if self.state.running.as_ref().is_none_or(|running| running.begin != token.0) {
            return;
        }
        match flow.family() {
            Family::Ipv4 => self.ipv4.read(flow, &mut self.state, self.ipv6.bytes(), now),
            Family::Ipv6 => self.ipv6.read(flow, &mut self.state, self.ipv4.bytes(), now),
        }
    }

    /// Ends the sweep, after all rows have been handed over. [`Replica::remove_absent`] removes the flows that a complete dump
    /// has proved absent. The state of knowledge takes effect from here on.
    pub fn end_sweep(&mut self, token: SweepToken, end: SweepEnd, now: Steady) {
        let Some(running) = self.state.running.take_if(|running| running.begin == token.0) else { return };
        self.plan_removal(&running, end);
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

    fn plan_removal(&mut self, running: &Running, end: SweepEnd) {
        let proves = end == SweepEnd::Complete && !running.slice.partial;
        self.removal = Some(Removal { begin: running.begin, slice: running.slice, proves, ipv4: 0, ipv6: 0 });
    }

    /// Continues to remove the flows that the last sweep has proved absent. Examines at most `budget` flows, and
    /// returns whether the removal is done. Until then queries still return those flows, as they return any flow whose
    /// end was not received.
    pub fn remove_absent(&mut self, budget: usize) -> bool {
        let Some(removal) = &mut self.removal else { return true };
        let left =
            remove_absent(&mut self.ipv4, removal.begin, removal.proves, &removal.slice, &mut removal.ipv4, budget);
        let left =
            remove_absent(&mut self.ipv6, removal.begin, removal.proves, &removal.slice, &mut removal.ipv6, left);
        if left > 0 {
            self.removal = None;
        }
        self.removal.is_none()
    }

    /// Returns every flow that matches the parts of the filter that a flow keeps for life: family, protocol, zone,
    /// addresses, ports, and sets. Other parts of the filter exclude nothing; a GET of the flow decides them. The
    /// search uses the index that promises the fewest flows. [`Selection::knowledge`] reports whether flows are
    /// missing.
    #[must_use]
    pub fn select<'a>(&'a self, filter: &'a Filter) -> Selection<'a> {
        Selection::new(self.view(), filter)
    }

    const fn view(&self) -> View<'_> {
        View { ipv4: &self.ipv4, ipv6: &self.ipv6, state: &self.state }
    }

    #[must_use]
    pub fn get(&self, key: &FlowKey) -> Option<Selected> {
        matching_by_key(self.view(), &Filter::default(), key)
    }

    /// Continues a walk and passes the flows that it finds to the caller. Examines at most `looks` keys or records, and
    /// returns whether there are more. The replica may change between steps. A flow that stays throughout is passed
    /// once. A flow that begins or ends in between may be passed or not.
    pub fn step(&self, walk: &mut Walk, looks: usize, mut take: impl FnMut(Selected)) -> bool {
        walk.step(self.view(), looks, &mut take)
    }

    /// The approximate number of flows that a query has to examine. The estimate is fast: networks beyond 64 are not
    /// counted.
    #[must_use]
    pub fn estimate(&self, filter: &Filter) -> usize {
        Scans::estimate(self.view(), filter)
    }

    /// How completely the replica holds the flows of a family.
    #[must_use]
    pub const fn knowledge(&self, family: Family) -> Knowledge {
        self.state.knowledge(family)
    }

    /// The number of flows in the replica.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Whether the replica holds no flow.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap that the replica holds, in bytes. It does not fall below what the largest number of flows so far needed for
    /// their records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ipv4.bytes() + self.ipv6.bytes()
    }

    /// Heap that the replica may hold, in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.state.limit
    }

    /// Sets the heap limit. With a higher limit, rejected flows have room, and the next complete sweep finds them. With
    /// a lower limit, the present content stays.
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

    /// Number of flows rejected since the start, because there was no room or because their tuples were of different
    /// families.
    #[must_use]
    pub const fn turned_away(&self) -> u64 {
        self.state.turned_away
    }
}

/// Removes the absent flows of a family from `next` on. Returns the rest of the budget, or 0 if flows are left.
fn remove_absent<A: Address>(
    table: &mut FamilyTable<A>,
    begin: u32,
    proves: bool,
    slice: &Slice,
    next: &mut Handle,
    mut budget: usize,
) -> usize {
    let end = if slice.covers_family(A::FAMILY) { table.records.end() } else { 0 };
    while *next < end {
        if budget == 0 {
            return 0;
        }
        budget -= 1;
        let handle = *next;
        *next += 1;
        let Some(record) = table.get(handle) else { continue };
        let absent = proves && record.epoch < begin && slice.covers(&record.identity());
        if record.is_dead() || absent {
            table.remove(handle);
        }
    }
    budget
}
