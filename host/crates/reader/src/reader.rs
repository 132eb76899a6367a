//! The reader: its parts together, in the order in which the event loop calls them.

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

/// Reads of the event socket in one turn. One read is one event as a rule, so this is also the largest round.
const READS_IN_ONE_TURN: usize = 256;
/// The same where a replica is kept, which answers only after all events were read.
const READS_IN_ONE_TURN_WITH_REPLICA: usize = 4096;

/// Decides when and how the table is read, and keeps the replica of it.
///
/// Calling order:
///
/// 1. [`Reader::new`], then [`Reader::keep_replica`] where one is wanted.
/// 2. Read the event socket whenever [`Reader::gathers_until`] gives none, at most [`Reader::reads_in_one_turn`] times. Hand over each
///    event with [`Reader::handle_event`] or [`Reader::handle_end`], and an overrun with [`Reader::handle_overrun`]. Then call
///    [`Reader::end_reading`], which says when the engine is to be told of the overrun.
/// 3. A question comes from the engine: read the event socket first, also where events are gathered. What was made before the question
///    then has its event. [`Reader::knows`] or [`Reader::can_answer_sweep`] says how the question is answered.
/// 4. By the replica: a [`Search`], with [`Reader::turn`] or [`Reader::take_keys`] until it is over.
/// 5. By a dump: [`Reader::begin_dump`] *before* the kernel is asked, [`Reader::handle_dump_entry`] for each entry,
///    [`Reader::end_dump`] after the last. One dump runs at a time.
/// 6. Where no dump runs and [`Reader::resync_at`] has passed, dump the whole table for the replica alone.
/// 7. [`Reader::settle`] each turn until [`Reader::is_settled`].
#[derive(Debug)]
pub struct Reader {
    upkeep: Upkeep,
    gathering: Gathering,
    overrun: OverrunReport,
    /// Events since the last reading ended.
    count: EventCount,
    /// The entries of the running dump, if it is of the whole table.
    counted: Option<Families>,
    /// The entries of the last complete dump of the whole table.
    families: Families,
    has_two_processors: bool,
    is_stopping: bool,
}

impl Reader {
    /// A reader without a replica. The seed keeps senders of packets from foreseeing places in the replica's indexes.
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

    /// Keeps a replica of at most so many bytes from now on, or none.
    pub fn keep_replica(&mut self, limit: Option<u64>, now: Steady) {
        self.upkeep.keep(limit, now);
    }

    #[must_use]
    pub const fn replica(&self) -> Option<&Replica> {
        self.upkeep.replica()
    }

    /// Whether the replica has every flow that lives.
    #[must_use]
    pub fn is_replica_complete(&self) -> bool {
        self.upkeep.is_complete()
    }

    /// Whether the replica lacks flows for want of memory.
    #[must_use]
    pub fn is_replica_over_limit(&self) -> bool {
        self.upkeep.is_over_limit()
    }

    /// Until when events are gathered; none where the event socket is to be read now.
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

    /// An end of which nobody wants to know more than whose it is.
    pub fn handle_end(&mut self, key: &FlowKey, by_us: bool) {
        self.count.add(by_us);
        self.upkeep.handle_end(key);
    }

    /// The kernel dropped events (ENOBUFS).
    pub fn handle_overrun(&mut self, now: Steady) {
        self.overrun.handle_overrun(now);
        self.upkeep.handle_overrun(now);
    }

    /// A reading of the event socket has ended. `is_drained` where nothing is left in the socket. True where an overrun is to be
    /// reported to the engine now.
    #[must_use]
    pub fn end_reading(&mut self, is_drained: bool, now: Steady) -> bool {
        self.upkeep.end_reading(is_drained);
        self.gathering.end_reading(now, core::mem::take(&mut self.count), is_drained);
        self.overrun.end_reading(now, is_drained)
    }

    /// Whether the kernel reports every flow that begins or ends, from now on. While it does not, the replica answers nothing.
    pub fn handle_hearing(&mut self, hears_every_flow: bool, now: Steady) {
        self.upkeep.handle_hearing(hears_every_flow, now);
    }

    /// The daemon stops: nobody asks the replica any more, so it needs no dump of its own.
    pub const fn handle_stop(&mut self) {
        self.is_stopping = true;
    }

    /// How the flows of a selection are found, where so much has to be known of each.
    #[must_use]
    pub fn knows(&self, filter: &Filter, detail: Detail) -> Knows {
        self.upkeep.knows(filter, detail)
    }

    /// Whether the replica answers a sweep, each of whose entries is then read from the kernel. Without filters the sweep is for all
    /// entries. The replica holds no expectations.
    #[must_use]
    pub fn can_answer_sweep(&self, filters: &[Filter], expectations: bool) -> bool {
        let names_all = |filter| self.knows(filter, Detail::Entry) == Knows::All;
        !expectations && !filters.is_empty() && filters.iter().all(names_all)
    }

    /// How many flows of each selection that waits in the engine the replica names.
    #[must_use]
    pub fn known_selections(&self, engine: &Engine) -> Vec<(SelectionId, Knows)> {
        let knows = |waiting: WaitingSelection<'_>| (waiting.id, self.knows(waiting.filter, waiting.detail));
        engine.waiting_selections().map(knows).collect()
    }

    /// Which rows that plugins asked for the replica answers.
    #[must_use]
    pub fn known_rows(&self, engine: &Engine) -> Vec<SelectionId> {
        let is_known = |waiting: &WaitingSelection<'_>| self.can_answer_sweep(slice::from_ref(waiting.filter), false);
        engine.waiting_rows().filter(is_known).map(|waiting| waiting.id).collect()
    }

    /// The next flows of a search, as the replica knows them.
    pub fn turn<'a>(&self, search: &'a mut Search) -> Turn<'a> {
        search.step(self.replica());
        search.turn()
    }

    /// The next flows of a search whose entries are all to be read from the kernel.
    pub fn take_keys(&self, search: &mut Search) -> Vec<FlowKey> {
        search.step(self.replica());
        search.take_keys()
    }

    /// When the whole table is to be dumped for the replica alone; none where the replica needs no dump.
    #[must_use]
    pub fn resync_at(&self) -> Option<Steady> {
        self.upkeep.resync_at().filter(|_| !self.is_stopping)
    }

    /// A dump will be asked for, of the whole table or of a part of it. Says how many readers it gets.
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

    /// The dump has ended. It is incomplete where it could not begin, broke off, or was inconsistent (`NLM_F_DUMP_INTR`).
    pub fn end_dump(&mut self, is_complete: bool, now: Steady) {
        if let Some(counted) = self.counted.take().filter(|_| is_complete) {
            self.families = counted;
        }
        self.upkeep.end_dump(is_complete, now);
    }

    /// Takes some of the flows out of the replica that the last dump proved absent.
    pub fn settle(&mut self) {
        self.upkeep.settle();
    }

    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.upkeep.is_settled()
    }
}
