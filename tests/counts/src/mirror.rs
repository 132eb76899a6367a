//! The copy of the table at 100,000 flows: following events, answering questions, taking a sweep.

use std::hint::black_box;

use anyhow::Result;
use ctwarden_mirror::{Mirror, Seed, Slice, SweepEnd};
use ctwarden_model::{Event, EventKind, Filter, Flow, PortRange, Prefix, PrefixSet, Steady};

use crate::{Prepared, flows};

const TABLE: usize = 100_000;
const CHANGES: usize = 2_000;
const QUESTIONS: usize = 500;
const NOW: Steady = Steady(0);

/// A mirror that was there before the flows and heard of each. The key of its hash is the same each time, so that
/// collisions are.
fn followed(flows: &[Flow]) -> Mirror {
    let mut mirror = Mirror::new(Seed([0x0123_4567, 0x89ab_cdef]), usize::MAX / 2);
    mirror.handle_drained();
    swept(&mut mirror, &[]);
    hear(&mut mirror, &flows::events(EventKind::New, flows));
    mirror
}

fn swept(mirror: &mut Mirror, flows: &[Flow]) {
    let token = mirror.begin_sweep(Slice::ALL);
    for flow in flows {
        mirror.handle_row(token, black_box(flow), NOW);
    }
    mirror.end_sweep(token, SweepEnd::Complete, NOW);
    while !mirror.settle(1_000) {}
}

pub(crate) fn flow() -> Result<Prepared> {
    let mut mirror = followed(&flows::mixed(TABLE));
    let young = flows::beyond(TABLE, CHANGES);
    let (born, ended) = (flows::events(EventKind::New, &young), flows::events(EventKind::Destroy, &young));
    Prepared::new(CHANGES, move || {
        let before = mirror.len();
        hear(&mut mirror, &born);
        let grown = mirror.len() - before;
        hear(&mut mirror, &ended);
        if mirror.len() == before { grown } else { 0 }
    })
}

pub(crate) fn update() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let mut mirror = followed(&flows);
    // All over the table.
    let some: Vec<Flow> = flows.into_iter().step_by(TABLE / CHANGES + 1).collect();
    let events = flows::events(EventKind::Update, &some);
    Prepared::new(events.len(), move || {
        hear(&mut mirror, &events);
        if mirror.len() == TABLE { events.len() } else { 0 }
    })
}

fn hear(mirror: &mut Mirror, events: &[Event]) {
    for event in events {
        mirror.handle_event(black_box(event), NOW);
    }
}

pub(crate) fn address() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let mirror = followed(&flows);
    let filters: Vec<Filter> = flows
        .iter()
        .step_by(TABLE / QUESTIONS)
        .map(|flow| PrefixSet::from_iter([Prefix::host(flow.tuples.original.src)]))
        .map(|either| Filter { either, ..Filter::default() })
        .collect();
    Prepared::new(filters.len(), move || {
        let answered =
            |filter: &&Filter| black_box(mirror.select(black_box(filter)).map(|flow| flow.key).last()).is_some();
        filters.iter().filter(answered).count()
    })
}

pub(crate) fn scan() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let mirror = followed(&flows);
    let filter = Filter { src_ports: [PortRange { first: 1029, last: 1029 }].into(), ..Filter::default() };
    let wanted = flows.iter().filter(|flow| filter.matches(flow)).count();
    Prepared::new(
        TABLE,
        move || {
            if black_box(&mirror).select(black_box(&filter)).count() == wanted { TABLE } else { 0 }
        },
    )
}

pub(crate) fn sweep() -> Result<Prepared> {
    let flows = flows::mixed(TABLE);
    let mut mirror = followed(&flows);
    Prepared::new(TABLE, move || {
        swept(&mut mirror, &flows);
        mirror.len()
    })
}
