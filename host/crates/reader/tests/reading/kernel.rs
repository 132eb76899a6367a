//! A kernel in miniature: a table, an event socket that overflows, rules that mute events, and dumps. The reader reads
//! it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ctwarden_engine::{Detail, Knows};
use ctwarden_model::{Event, EventKind, Flow, FlowKey, Steady};
use ctwarden_reader::{Reader, Search};
use ctwarden_replica::Seed;

use crate::flows::{event, flow, of};

/// Clients there are. Each has one flow at most; they are the buckets of a dump, in order.
pub(crate) const CLIENTS: u16 = 8;
/// Events that the socket holds.
const ROOM: usize = 6;
/// The longest wait of a report of an overrun.
const PATIENCE: Duration = Duration::from_secs(1);
const LEAST_REST: Duration = Duration::from_secs(1);

struct Dump {
    /// Clients before were listed.
    next: u16,
    is_whole: bool,
    /// Whether a replica was kept when the dump began.
    is_followed: bool,
    began: Steady,
}

pub(crate) struct Kernel {
    pub(crate) reader: Reader,
    now: Steady,
    table: BTreeMap<u16, Flow>,
    next_id: u32,
    events: VecDeque<Event>,
    /// The socket drops events until it is read empty.
    is_congested: bool,
    is_overrun: bool,
    is_muted: bool,
    dump: Option<Dump>,
    /// When the rest after the last dump of the whole table that the replica followed is over.
    rested: Steady,
    /// Since when an overrun was read and not reported.
    unreported: Option<Steady>,
}

impl Kernel {
    pub(crate) fn new() -> Self {
        let now = Steady(1_000_000_000);
        let mut reader = Reader::new(Seed([7, 9]), true, now);
        reader.keep_replica(Some(1 << 30), now);
        Self {
            reader,
            now,
            table: BTreeMap::new(),
            next_id: 1,
            events: VecDeque::new(),
            is_congested: false,
            is_overrun: false,
            is_muted: false,
            dump: None,
            rested: now,
            unreported: None,
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    pub(crate) fn create(&mut self, client: u16) {
        if !self.table.contains_key(&client) {
            let flow = flow(client, self.next_id);
            self.next_id += 1;
            self.report(event(EventKind::New, &flow));
            self.table.insert(client, flow);
        }
    }

    pub(crate) fn destroy(&mut self, client: u16) {
        if let Some(flow) = self.table.remove(&client) {
            self.report(event(EventKind::Destroy, &flow));
        }
    }

    fn report(&mut self, event: Event) {
        if self.is_muted {
            return;
        }
        if self.is_congested || self.events.len() >= ROOM {
            self.is_overrun |= !self.is_congested;
            self.is_congested = true;
            return;
        }
        self.events.push_back(event);
    }

    /// Rules change that keep the kernel from reporting flows. The daemon looks before it asks the replica.
    pub(crate) fn mute(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
        self.reader.handle_hearing(!is_muted, self.now);
    }

    pub(crate) fn keep_replica(&mut self, keeps: bool) {
        self.reader.keep_replica(keeps.then_some(1 << 30), self.now);
    }

    /// Reads at most `most` events. The socket reports an overrun before the events that it still holds.
    pub(crate) fn read(&mut self, most: usize) {
        if std::mem::take(&mut self.is_overrun) {
            self.reader.handle_overrun(self.now);
            self.unreported.get_or_insert(self.now);
        }
        for event in self.events.drain(..most.min(self.events.len())) {
            match event.kind {
                EventKind::Destroy => self.reader.handle_end(&event.flow.key(), event.by_us),
                EventKind::Row | EventKind::New | EventKind::Update => self.reader.handle_event(&event, self.now),
            }
        }
        let is_drained = self.events.is_empty();
        self.is_congested &= !is_drained;
        let is_reported = self.reader.end_reading(is_drained, self.now);
        let is_due = self.unreported.is_some_and(|since| is_drained || self.now.since(since) >= PATIENCE);
        assert_eq!(is_reported, is_due, "an overrun is reported once the socket is empty, or after the patience");
        self.unreported = self.unreported.filter(|_| !is_reported);
    }

    /// Begins a dump that the engine asked for.
    pub(crate) fn begin_dump(&mut self, is_whole: bool) {
        if self.dump.is_none() {
            let is_followed = self.reader.replica().is_some();
            self.reader.begin_dump(is_whole, self.now);
            self.dump = Some(Dump { next: 0, is_whole, is_followed, began: self.now });
        }
    }

    /// Begins a dump for the replica, if it wants one; whether one runs.
    pub(crate) fn resync(&mut self) -> bool {
        let Some(at) = self.reader.resync_at().filter(|_| self.dump.is_none()) else { return self.dump.is_some() };
        assert!(at >= self.rested, "before the rest was over");
        if at <= self.now {
            self.begin_dump(true);
        }
        self.dump.is_some()
    }

    /// Lists the next clients of the running dump.
    pub(crate) fn list(&mut self, clients: u16) {
        let Some(dump) = &mut self.dump else { return };
        let end = dump.next.saturating_add(clients).min(CLIENTS);
        for client in dump.next..end {
            if let Some(flow) = self.table.get(&client) {
                self.reader.handle_dump_entry(flow, self.now);
            }
        }
        dump.next = end;
        if end == CLIENTS {
            self.end_dump(true);
        }
    }

    pub(crate) fn end_dump(&mut self, is_complete: bool) {
        let Some(Dump { next: _, is_whole, is_followed, began }) = self.dump.take() else { return };
        self.reader.end_dump(is_complete, self.now);
        if is_whole && is_followed {
            self.rested = self.now.plus(LEAST_REST.max(self.now.since(began) * 4));
        }
    }

    /// Asks for the flows of a network, with an empty event socket as the event loop does. Gives the plan.
    pub(crate) fn ask(&mut self, network: &str, detail: Detail) -> Knows {
        self.read(usize::MAX);
        let filter = of(network);
        let plan = self.reader.knows(&filter, detail);
        if plan == Knows::Nothing {
            return plan;
        }
        let mut search = Search::new(std::slice::from_ref(&filter));
        let mut named: Vec<FlowKey> = Vec::new();
        while !search.is_over() {
            named.extend(self.reader.turn(&mut search).map(|flow| flow.key()));
        }
        let all = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), all, "a flow was named twice");
        if plan == Knows::All {
            assert!(!self.is_muted, "nobody knows which flows the kernel did not report");
            assert!(self.reader.is_replica_complete());
            for flow in self.table.values().filter(|flow| filter.matches(flow)) {
                assert!(named.binary_search(&flow.key()).is_ok(), "{:?} is missing", flow.key());
            }
        }
        plan
    }
}
