//! The reader: combines its parts in the order in which the event loop calls them.

use alloc::vec::Vec;
use core::slice;

use ctwarden_engine::{Detail, Engine, Knows, SelectionId, WaitingSelection};
use ctwarden_model::{Event, Filter, Flow, FlowKey, Steady};
use ctwarden_replica::{Replica, Seed};

use crate::families::{DumpReaders, Families};
use crate::gathering::{EventCount, Gathering};
use crate::overrun::OverrunReport;
use crate::search::{Search, Turn};
use crate::upkeep::Upkeep;

/// Reads of the event socket in one turn. One read is usually one event, so this is also the maximum size of a round.
const READS_IN_ONE_TURN: usize = 256;
/// The same with a replica. The replica answers only after all events were read.
const READS_IN_ONE_TURN_WITH_REPLICA: usize = 4096;

/// Decides when and how the table is read, and maintains the replica.
///
/// Calling order:
///
/// 1. Call [`Reader::new`], then [`Reader::keep_replica`] if a replica is wanted.
/// 2. Read the event socket whenever [`Reader::gathers_until`] returns `None`, at most [`Reader::reads_in_one_turn`]
///    times. Pass each event to [`Reader::handle_event`] or [`Reader::handle_end`], and an overrun to
///    [`Reader::handle_overrun`]. Then call [`Reader::end_reading`], which returns whether to report the overrun to the
///    engine now.
/// 3. On a query of the engine, read the event socket first, even while events are gathered. The events of everything
///    that happened before the query are then handled. [`Reader::knows`] or [`Reader::can_answer_sweep`] returns how to
///    answer the query.
/// 4. If the replica answers: run a [`Search`] with [`Reader::turn`] or [`Reader::take_keys`] until the search is over.
/// 5. If a dump answers: call [`Reader::begin_dump`] *before* the request to the kernel, [`Reader::handle_dump_entry`]
///    for each entry, and [`Reader::end_dump`] after the last one. One dump runs at a time.
/// 6. If no dump runs and [`Reader::resync_at`] has passed, dump the whole table for the replica alone.
/// 7. Call [`Reader::settle`] in each turn until [`Reader::is_settled`].
#[derive(Debug)]
pub struct Reader {
    upkeep: Upkeep,
    gathering: Gathering,
    overrun: OverrunReport,
    /// Events since the end of the last reading.
    count: EventCount,
    /// The entries of the running dump, if it is a dump of the whole table.
    counted: Option<Families>,
    /// The entries of the last complete dump of the whole table.
    families: Families,
    has_two_processors: bool,
    is_stopping: bool,
}

impl Reader {
    /// Creates a reader without a replica. The secret seed prevents senders of packets from predicting places in the
    /// indexes of the replica.
    #[must_use]
    pub fn new(seed: Seed, has_two_processors: bool, now: Steady) -> Self {
        Self {
            upkeep: Upkeep::new(seed, now),
            gathering: Gathering::new(now),
            overrun: OverrunReport::default(),
            count: EventCount::default(),
            counted: None,
            families: Families::default(),
            has_two_processors,
            is_stopping: false,
        }
    }

    /// Keeps a replica of at most `limit` bytes from now on. `None` means no replica.
    pub fn keep_replica(&mut self, limit: Option<u64>, now: Steady) {
        self.upkeep.keep(limit, now);
    }

    #[must_use]
    pub const fn replica(&self) -> Option<&Replica> {
        self.upkeep.replica()
    }

    /// Whether the replica has every live flow.
    #[must_use]
    pub fn is_replica_complete(&self) -> bool {
        self.upkeep.is_complete()
    }

    /// Whether the replica lacks flows because it has reached its memory limit.
    #[must_use]
    pub fn is_replica_over_limit(&self) -> bool {
        self.upkeep.is_over_limit()
    }

    /// Until when events are gathered. `None` if the event socket is to be read now.
    #[must_use]
    pub fn gathers_until(&self, now: Steady) -> Option<Steady> {
        self.gathering.until(now)
    }

    #[must_use]
    pub const fn reads_in_one_turn(&self) -> usize {
        if self.upkeep.replica().is_some() { READS_IN_ONE_TURN_WITH_REPLICA } else { READS_IN_ONE_TURN }
    }

    pub fn handle_event(&mut self, event: &Event, now: Steady) {
        self.count.add(event.by_us);
        self.upkeep.handle_event(event, now);
    }

    /// Handles the end of a flow if no plugin needs more of it than the flow key.
    pub fn handle_end(&mut self, key: &FlowKey, by_us: bool) {
        self.count.add(by_us);
        self.upkeep.handle_end(key);
    }

    /// The kernel dropped events (ENOBUFS).
    pub fn handle_overrun(&mut self, now: Steady) {
        self.overrun.handle_overrun(now);
        self.upkeep.handle_overrun(now);
    }

    /// A reading of the event socket has ended. `is_drained`: the socket is empty. Returns whether to report an overrun
    /// to the engine now.
    #[must_use]
    pub fn end_reading(&mut self, is_drained: bool, now: Steady) -> bool {
        self.upkeep.end_reading(is_drained);
        self.gathering.end_reading(now, core::mem::take(&mut self.count), is_drained);
        self.overrun.end_reading(now, is_drained)
    }

    /// Sets whether the kernel reports every begin and end of a flow from now on. While it does not, the replica
    /// answers no queries.
    pub fn handle_hearing(&mut self, hears_every_flow: bool, now: Steady) {
        self.upkeep.handle_hearing(hears_every_flow, now);
    }

    /// The daemon stops. Nothing queries the replica any more, so it needs no dump of its own.
    pub const fn handle_stop(&mut self) {
        self.is_stopping = true;
    }

    /// How completely the replica can list the flows of a selection, if `detail` is needed of each flow.
    #[must_use]
    pub fn knows(&self, filter: &Filter, detail: Detail) -> Knows {
        self.upkeep.knows(filter, detail)
    }

    /// Whether the replica can answer a sweep. Each entry of that sweep is then read from the kernel. A sweep without
    /// filters lists all entries. The replica has no expectations.
    #[must_use]
    pub fn can_answer_sweep(&self, filters: &[Filter], expectations: bool) -> bool {
        let names_all = |filter| self.knows(filter, Detail::Entry) == Knows::All;
        !expectations && !filters.is_empty() && filters.iter().all(names_all)
    }

    /// For each selection that waits in the engine: how completely the replica can list its flows.
    #[must_use]
    pub fn known_selections(&self, engine: &Engine) -> Vec<(SelectionId, Knows)> {
        let knows = |waiting: WaitingSelection<'_>| (waiting.id, self.knows(waiting.filter, waiting.detail));
        engine.waiting_selections().map(knows).collect()
    }

    /// Which of the rows that plugins requested the replica can answer.
    #[must_use]
    pub fn known_rows(&self, engine: &Engine) -> Vec<SelectionId> {
        let is_known = |waiting: &WaitingSelection<'_>| self.can_answer_sweep(slice::from_ref(waiting.filter), false);
        engine.waiting_rows().filter(is_known).map(|waiting| waiting.id).collect()
    }

    /// The next flows of a search, with the parts that the replica knows.
    pub fn turn<'a>(&self, search: &'a mut Search) -> Turn<'a> {
        search.step(self.replica());
        search.turn()
    }

    /// The next flows of a search whose entries are all to be read from the kernel.
    pub fn take_keys(&self, search: &mut Search) -> Vec<FlowKey> {
        search.step(self.replica());
        search.take_keys()
    }

    /// When to dump the whole table for the replica alone. `None` if the replica needs no dump.
    #[must_use]
    pub fn resync_at(&self) -> Option<Steady> {
        self.upkeep.resync_at().filter(|_| !self.is_stopping)
    }

    /// A dump of the whole table or of a part of it is about to be requested. Returns the number of its readers.
    pub fn begin_dump(&mut self, is_whole: bool, now: Steady) -> DumpReaders {
        self.upkeep.begin_dump(is_whole, now);
        self.counted = is_whole.then(Families::default);
        if is_whole && self.has_two_processors { self.families.readers() } else { DumpReaders::One }
    }

    pub fn handle_dump_entry(&mut self, flow: &Flow, now: Steady) {
        if let Some(counted) = &mut self.counted {
            counted.count(flow);
        }
        self.upkeep.handle_dump_entry(flow, now);
    }

    /// The dump has ended. A dump is incomplete if it failed to start, broke off, or was inconsistent
    /// (`NLM_F_DUMP_INTR`).
    pub fn end_dump(&mut self, is_complete: bool, now: Steady) {
        if let Some(counted) = self.counted.take().filter(|_| is_complete) {
            self.families = counted;
        }
        self.upkeep.end_dump(is_complete, now);
    }

    /// Removes from the replica some of the flows that were absent from the last dump.
    pub fn settle(&mut self) {
        self.upkeep.settle();
    }

    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.upkeep.is_settled()
    }
}
