//! The replica with 100,000 flows: following events, answering queries, taking in a sweep.

use std::hint::black_box;

use anyhow::Result;
use ctwarden_model::{Event, EventKind, Filter, Flow, PortRange, Prefix, PrefixSet, Steady};
use ctwarden_replica::{Replica, Seed, Slice, SweepEnd};

use crate::{Prepared, flows};

const TABLE: usize = 100_000;
const CHANGES: usize = 2_000;
const QUESTIONS: usize = 500;
const NOW: Steady = Steady(0);

/// A replica that existed before the flows and received an event for each. The key of its hash is fixed, so that
/// collisions are the same in each run.
fn followed(flows: &[Flow]) -> Replica {
    let mut replica = Replica::new(Seed([0x0123_4567, 0x89ab_cdef]), usize::MAX / 2);
    replica.handle_drained();
    swept(&mut replica, &[]);
    hear(&mut replica, &flows::events(EventKind::New, flows));
    replica
}

fn swept(replica: &mut Replica, flows: &[Flow]) {
    let token = replica.begin_sweep(Slice::ALL);
    for flow in flows {
        replica.handle_row(token, black_box(flow), NOW);
    }
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    while !replica.remove_absent(1_000) {}
}

pub(crate) fn flow() -> Result<Prepared> {
    let mut replica = followed(&flows::mixed(TABLE));
    let young = flows::beyond(TABLE, CHANGES);
    let (born, ended) = (flows::events(EventKind::New, &young), flows::events(EventKind::Destroy, &young));
    Prepared::new(CHANGES, move || {
        let before = replica.len();
        hear(&mut replica, &born);
        let grown = replica.len() - before;
        hear(&mut replica, &ended);
        if replica.len() == before { grown } else { 0 }
    })
}

pub(crate) fn update() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let mut replica = followed(&flows);
    // Flows from all parts of the table.
    let some: Vec<Flow> = flows.into_iter().step_by(TABLE / CHANGES + 1).collect();
    let events = flows::events(EventKind::Update, &some);
    Prepared::new(events.len(), move || {
        hear(&mut replica, &events);
        if replica.len() == TABLE { events.len() } else { 0 }
    })
}

fn hear(replica: &mut Replica, events: &[Event]) {
    for event in events {
        replica.handle_event(black_box(event), NOW);
    }
}

pub(crate) fn address() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let replica = followed(&flows);
    let filters: Vec<Filter> = flows
        .iter()
        .step_by(TABLE / QUESTIONS)
        .map(|flow| PrefixSet::from_iter([Prefix::host(flow.tuples.original.src)]))
        .map(|either| Filter { either, ..Filter::default() })
        .collect();
    Prepared::new(filters.len(), move || {
        let answered =
            |filter: &&Filter| black_box(replica.select(black_box(filter)).map(|flow| flow.key).last()).is_some();
        filters.iter().filter(answered).count()
    })
}

pub(crate) fn scan() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let replica = followed(&flows);
    let filter = Filter { src_ports: [PortRange { first: 1029, last: 1029 }].into(), ..Filter::default() };
    let wanted = flows.iter().filter(|flow| filter.matches(flow)).count();
    Prepared::new(
        TABLE,
        move || {
            if black_box(&replica).select(black_box(&filter)).count() == wanted { TABLE } else { 0 }
        },
    )
}

pub(crate) fn sweep() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let mut replica = followed(&flows);
    Prepared::new(TABLE, move || {
        swept(&mut replica, &flows);
        replica.len()
    })
}
