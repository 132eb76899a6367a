//! A small simulated kernel: a table, an event socket that can overflow, and a dump on another socket.
//!
//! A test reads the two sockets at any pace, so events and rows meet in every possible order.

use std::collections::VecDeque;

use ctwarden_model::{
    Event, EventKind, Family, Flow, FlowId, FlowKey, Layer4, PerDirection, Protocol, Status, Steady, Tuple, Zone,
};
use ctwarden_replica::{Replica, Seed, Slice, SweepEnd, SweepToken};

/// Number of tuples. A tuple has at most one living flow. The tuples are the buckets of the dump, in order.
pub(crate) const TUPLES: usize = 12;

/// One flow from its beginning to its end. A later flow may have the same tuple and id.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) key: FlowKey,
    pub(crate) reply: Tuple,
    /// Whether the flow is older than the subscription. Such a flow causes no events, not even at its end.
    pub(crate) silent: bool,
    pub(crate) born: u64,
    pub(crate) died: Option<u64>,
}

impl Life {
    /// The entry as the kernel reports it.
    pub(crate) fn flow(&self) -> Flow {
        let mut flow = Flow::new(PerDirection { original: self.key.original, reply: self.reply });
        flow.id = Some(self.key.id);
        flow.zone = self.key.zone;
        let dying = if self.died.is_some() { Status::DYING } else { Status(0) };
        flow.status = Some(Status::CONFIRMED | dying);
        flow
    }
}

#[derive(Debug)]
struct Dump {
    token: SweepToken,
    slice: Slice,
    /// Index of the first tuple that is not listed yet.
    next: usize,
    rows: VecDeque<Flow>,
}

/// The table, the sockets, and the replica that reads the sockets.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) replica: Replica,
    pub(crate) lives: Vec<Life>,
    /// The last life of each tuple, and whether a dump can still list it as dying.
    slots: [Option<(usize, bool)>; TUPLES],
    events: VecDeque<(u64, Event)>,
    /// Number of events that the socket holds.
    room: usize,
    congested: bool,
    overrun: bool,
    pub(crate) seq: u64,
    /// Sequence number of the last event that the replica has processed.
    pub(crate) position: u64,
    dump: Option<Dump>,
    next_id: u32,
}

impl Kernel {
    /// Creates a kernel with silent flows on some of the tuples.
    pub(crate) fn new(room: usize, silent: &[(usize, u8)]) -> Self {
        let mut kernel = Self {
            replica: Replica::new(Seed([7, 9]), usize::MAX / 2),
            lives: Vec::new(),
            slots: [None; TUPLES],
            events: VecDeque::new(),
            room,
            congested: false,
            overrun: false,
            seq: 0,
            position: 0,
            dump: None,
            next_id: 1,
        };
        for (slot, arg) in silent {
            kernel.create(*slot, *arg, true);
        }
        kernel
    }

    pub(crate) fn living(&self, slot: usize) -> Option<usize> {
        self.slots[slot].map(|(life, _)| life).filter(|life| self.lives[*life].died.is_none())
    }

    /// Begins a flow. Depending on `arg`, it has the id of its predecessor, or it is translated.
    pub(crate) fn create(&mut self, slot: usize, arg: u8, silent: bool) {
        if self.living(slot).is_some() {
            return;
        }
        let same_id = self.slots[slot].filter(|_| arg & 1 == 1).map(|(life, _)| self.lives[life].key.id);
        let id = same_id.unwrap_or(FlowId(self.next_id));
        self.next_id += 1;
        let original = tuple(slot);
        let reply =
            if arg & 2 == 2 { Tuple { dst: address(slot, 99), ..original.reversed() } } else { original.reversed() };
        let key = FlowKey { id, zone: Zone((slot % 3) as u16), original };
        self.seq += 1;
        self.lives.push(Life { key, reply, silent, born: self.seq, died: None });
        self.slots[slot] = Some((self.lives.len() - 1, false));
        self.tell(EventKind::New, self.lives.len() - 1);
    }

    /// Changes a flow, which causes an UPDATE.
    pub(crate) fn change(&mut self, slot: usize) {
        let Some(life) = self.living(slot) else { return };
        self.seq += 1;
        self.tell(EventKind::Update, life);
    }

    /// Ends a flow. If `lingers` is true, a dump can still list it as dying.
    pub(crate) fn destroy(&mut self, slot: usize, lingers: bool) {
        let Some(life) = self.living(slot) else { return };
        self.seq += 1;
        self.lives[life].died = Some(self.seq);
        self.slots[slot] = Some((life, lingers));
        self.tell(EventKind::Destroy, life);
    }

    /// Reports a change of a flow after its end.
    pub(crate) fn belated(&mut self, slot: usize) {
        let Some((life, true)) = self.slots[slot] else { return };
        if self.lives[life].died.is_some() {
            self.seq += 1;
            self.tell(EventKind::Update, life);
        }
    }

    fn tell(&mut self, kind: EventKind, life: usize) {
        let life = &self.lives[life];
        if life.silent {
            return;
        }
        if self.congested || self.events.len() >= self.room {
            self.overrun |= !self.congested;
            self.congested = true;
            return;
        }
        let flow = life.flow();
        self.events.push_back((self.seq, Event { kind, by_us: false, flow }));
    }

    /// Reads the event socket once.
    pub(crate) fn read_event(&mut self) {
        if self.overrun {
            self.overrun = false;
            self.replica.handle_overrun(Steady(self.seq));
        } else if let Some((seq, event)) = self.events.pop_front() {
            self.congested &= !self.events.is_empty();
            self.position = seq;
            self.replica.handle_event(&event, Steady(self.seq));
        } else {
            self.position = self.seq;
            self.replica.handle_drained();
        }
    }

    pub(crate) fn read_all_events(&mut self) {
        while self.overrun || !self.events.is_empty() {
            self.read_event();
        }
        self.read_event();
    }

    pub(crate) fn events_are_read(&self) -> bool {
        self.events.is_empty() && !self.overrun && self.position == self.seq
    }

    pub(crate) fn begin_sweep(&mut self, slice: Slice) {
        let token = self.replica.begin_sweep(slice);
        self.dump = Some(Dump { token, slice, next: 0, rows: VecDeque::new() });
    }

    pub(crate) const fn is_sweeping(&self) -> bool {
        self.dump.is_some()
    }

    /// Continues the dump by one bucket.
    pub(crate) fn list(&mut self) {
        let Some(dump) = &mut self.dump else { return };
        if dump.next == TUPLES {
            return;
        }
        if let Some((life, lingers)) = self.slots[dump.next] {
            let life = &self.lives[life];
            let flow = life.flow();
            let slice = dump.slice;
            let wanted = slice.family.is_none_or(|family| family == flow.family())
                && slice.zone.is_none_or(|zone| zone == flow.zone)
                && slice.protocol.is_none_or(|protocol| protocol == flow.protocol());
            if wanted && (life.died.is_none() || lingers) {
                dump.rows.push_back(flow);
            }
        }
        dump.next += 1;
    }

    /// Reads a row, or the end of the dump.
    pub(crate) fn read_row(&mut self) {
        let Some(dump) = &mut self.dump else { return };
        if let Some(flow) = dump.rows.pop_front() {
            self.replica.handle_row(dump.token, &flow, Steady(self.seq));
        } else if dump.next == TUPLES {
            self.replica.end_sweep(dump.token, SweepEnd::Complete, Steady(self.seq));
            self.dump = None;
        }
    }

    pub(crate) fn interrupt(&mut self) {
        if let Some(dump) = self.dump.take() {
            self.replica.end_sweep(dump.token, SweepEnd::Interrupted, Steady(self.seq));
        }
    }

    pub(crate) fn sweep_at_once(&mut self, slice: Slice) {
        self.begin_sweep(slice);
        while self.dump.is_some() {
            self.list();
            self.read_row();
        }
        while !self.replica.remove_absent(1) {}
    }
}

pub(crate) fn address(slot: usize, host: u8) -> std::net::IpAddr {
    match family(slot) {
        Family::Ipv4 => [10, 0, (slot / 4) as u8, host].into(),
        Family::Ipv6 => [0xfd00, 0, 0, 0, 0, 0, (slot / 4) as u16, u16::from(host)].into(),
    }
}

pub(crate) const fn family(slot: usize) -> Family {
    if slot.is_multiple_of(2) { Family::Ipv4 } else { Family::Ipv6 }
}

fn tuple(slot: usize) -> Tuple {
    let protocol = if (slot / 2).is_multiple_of(2) { Protocol::TCP } else { Protocol::UDP };
    let layer4 = Layer4::Ports { src: slot as u16, dst: 53 };
    Tuple { src: address(slot, slot as u8), dst: address(slot, 1), protocol, layer4 }
}
