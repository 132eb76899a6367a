//! One sentence for each decision.

use std::time::Duration;

use ctwarden_engine::{Detail, Knows};
use ctwarden_model::{EventKind, Filter, Flow, Masked, Steady};
use ctwarden_reader::{DumpReaders, Reader, Search};
use ctwarden_replica::Seed;

use crate::flows::{event, flow, flow6, of};

const NOW: Steady = Steady(1_000_000_000);

fn without_replica() -> Reader {
    Reader::new(Seed([7, 9]), true, NOW)
}

/// With an empty event socket and a replica that was never swept.
fn unswept() -> Reader {
    let mut reader = without_replica();
    reader.keep_replica(Some(1 << 30), NOW);
    assert!(!reader.end_reading(true, NOW));
    reader
}

fn dump(reader: &mut Reader, flows: impl IntoIterator<Item = Flow>) -> DumpReaders {
    let readers = reader.begin_dump(true, NOW);
    flows.into_iter().for_each(|flow| reader.handle_dump_entry(&flow, NOW));
    reader.end_dump(true, NOW);
    while !reader.is_settled() {
        reader.settle();
    }
    readers
}

/// With a complete replica of so many flows.
fn complete(flows: u16) -> Reader {
    let mut reader = unswept();
    dump(&mut reader, (0..flows).map(|client| flow(client, u32::from(client) + 1)));
    reader
}

fn with_mark(filter: Filter) -> Filter {
    Filter { mark: Some(Masked::new(1, 1).unwrap()), ..filter }
}

fn names(reader: &Reader, filter: Filter) -> Vec<Flow> {
    let mut search = Search::new(&[filter]);
    let mut flows = Vec::new();
    while !search.is_over() {
        flows.extend(reader.turn(&mut search));
    }
    flows
}

#[test]
fn a_complete_replica_names_the_flows_of_an_address() {
    let reader = complete(300);
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::All);
    assert_eq!(names(&reader, of("10.0.0.7/32")), [flow(7, 8)]);
    assert_eq!(names(&reader, of("10.0.0.0/16")).len(), 300);
}

#[test]
fn without_a_replica_each_question_is_a_dump() {
    let mut reader = without_replica();
    dump(&mut reader, [flow(7, 8)]);
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::Nothing);
    assert_eq!(reader.resync_at(), None);
}

#[test]
fn an_incomplete_replica_names_a_part_and_answers_no_sweep() {
    let mut reader = unswept();
    reader.handle_event(&event(EventKind::New, &flow(7, 8)), NOW);
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::Some);
    assert!(!reader.can_answer_sweep(&[of("10.0.0.7/32")], false));
    assert_eq!(names(&reader, of("10.0.0.7/32")), [flow(7, 8)]);
}

#[test]
fn while_events_wait_the_replica_names_a_part() {
    let mut reader = complete(10);
    assert!(!reader.end_reading(false, NOW));
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::Some);
    assert!(!reader.end_reading(true, NOW));
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::All);
}

#[test]
fn flows_that_are_read_one_by_one_are_few() {
    let reader = complete(4_096);
    for detail in [Detail::Name, Detail::Entry] {
        assert_eq!(reader.knows(&of("10.0.0.0/23"), detail), Knows::All, "512 flows");
    }
    assert_eq!(reader.knows(&of("10.0.0.0/20"), Detail::Name), Knows::All, "no flow is read");
    assert_eq!(reader.knows(&of("10.0.0.0/20"), Detail::Entry), Knows::Nothing, "4096 flows");
    assert_eq!(reader.knows(&with_mark(of("10.0.0.0/20")), Detail::Name), Knows::Nothing, "the mark of each is read");
    assert_eq!(reader.knows(&with_mark(of("10.0.0.0/23")), Detail::Name), Knows::All);
}

#[test]
fn of_a_small_table_half_is_few() {
    let reader = complete(1_000);
    assert_eq!(reader.knows(&of("10.0.0.0/23"), Detail::Entry), Knows::All, "512 flows");
}

#[test]
fn of_a_large_table_less_than_a_quarter_is_few() {
    let reader = complete(65_535);
    assert_eq!(reader.knows(&of("10.0.0.0/19"), Detail::Entry), Knows::All, "8192 flows");
    assert_eq!(reader.knows(&of("10.0.0.0/17"), Detail::Entry), Knows::Nothing, "32768 flows");
}

#[test]
fn a_filter_for_nothing_that_lasts_is_a_dump() {
    let reader = complete(10);
    for filter in [Filter::default(), with_mark(Filter::default())] {
        assert_eq!(reader.knows(&filter, Detail::Name), Knows::Nothing);
    }
}

#[test]
fn a_sweep_for_all_entries_or_for_expectations_is_a_dump() {
    let reader = complete(10);
    let (known, unknown) = (of("10.0.0.7/32"), with_mark(Filter::default()));
    let one = std::slice::from_ref(&known);
    assert!(reader.can_answer_sweep(one, false));
    assert!(!reader.can_answer_sweep(one, true));
    assert!(!reader.can_answer_sweep(&[], false));
    assert!(!reader.can_answer_sweep(&[known, unknown], false));
}

#[test]
fn while_flows_are_not_reported_the_replica_answers_nothing_and_gets_no_dump() {
    let mut reader = complete(10);
    reader.handle_hearing(false, NOW);
    assert!(!reader.end_reading(true, NOW), "the engine lost no event");
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::Nothing);
    assert_eq!((reader.is_replica_complete(), reader.resync_at()), (false, None));
    reader.handle_hearing(true, NOW);
    assert_eq!(reader.resync_at(), None, "the socket is to be read before");
    assert!(!reader.end_reading(true, NOW));
    assert!(reader.resync_at().is_some());
    dump(&mut reader, [flow(7, 8)]);
    assert_eq!(reader.knows(&of("10.0.0.7/32"), Detail::Name), Knows::All);
}

#[test]
fn after_an_overrun_the_replica_gets_a_dump_of_its_own_that_begins_with_an_empty_socket() {
    let mut reader = complete(10);
    assert_eq!(reader.resync_at(), None, "it is complete");
    reader.handle_overrun(NOW);
    assert!(!reader.end_reading(false, NOW), "the kernel still drops events");
    assert_eq!(reader.resync_at(), None);
    assert!(reader.end_reading(true, NOW), "the engine is to be told");
    assert_eq!(reader.resync_at(), Some(NOW.plus(Duration::from_secs(1))), "after a rest");
}

#[test]
fn a_replica_without_room_gets_no_dump_of_its_own() {
    let mut reader = without_replica();
    reader.keep_replica(Some(1), NOW);
    assert!(!reader.end_reading(true, NOW));
    dump(&mut reader, (0..1_000).map(|client| flow(client, 1)));
    assert!(reader.is_replica_over_limit() && !reader.is_replica_complete());
    assert_eq!(reader.resync_at(), None, "the next dump would find no more room");
    reader.keep_replica(Some(1 << 30), NOW);
    assert!(reader.resync_at().is_some());
}

#[test]
fn when_the_daemon_stops_the_replica_gets_no_dump() {
    let mut reader = unswept();
    assert_eq!(reader.resync_at(), Some(NOW));
    reader.handle_stop();
    assert_eq!(reader.resync_at(), None);
}

#[test]
fn a_dump_of_a_part_does_not_delay_the_replicas_own() {
    let mut reader = unswept();
    reader.begin_dump(false, NOW);
    reader.end_dump(true, NOW.plus(Duration::from_secs(60)));
    assert_eq!(reader.resync_at(), Some(NOW));
}

#[test]
fn a_large_table_of_both_families_is_dumped_by_two_readers() {
    let flows = || (0..6_000).flat_map(|client| [flow(client, 1), flow6(client, 2)]);
    let mut reader = without_replica();
    assert_eq!(dump(&mut reader, flows()), DumpReaders::One, "nobody knows yet how large the table is");
    assert_eq!(reader.begin_dump(false, NOW), DumpReaders::One, "a part");
    reader.end_dump(true, NOW);
    assert_eq!(dump(&mut reader, []), DumpReaders::EachFamily);
    assert_eq!(dump(&mut reader, flows()), DumpReaders::One, "it was empty last");
    let mut reader = Reader::new(Seed([7, 9]), false, NOW);
    dump(&mut reader, flows());
    assert_eq!(dump(&mut reader, flows()), DumpReaders::One, "there is one processor");
}

#[test]
fn an_incomplete_dump_does_not_tell_how_large_the_table_is() {
    let mut reader = without_replica();
    reader.begin_dump(true, NOW);
    (0..6_000).flat_map(|client| [flow(client, 1), flow6(client, 2)]).for_each(|f| reader.handle_dump_entry(&f, NOW));
    reader.end_dump(false, NOW);
    assert_eq!(reader.begin_dump(true, NOW), DumpReaders::One);
}

#[test]
fn a_turn_ends_when_enough_flows_are_to_be_read() {
    let reader = complete(1_000);
    let mut search = Search::new(&[of("10.0.0.0/16")]);
    let mut turn = reader.turn(&mut search);
    while let Some(flow) = turn.next() {
        turn.read(flow.key());
    }
    assert_eq!(turn.into_reads().len(), 64);
    assert_eq!(reader.turn(&mut search).count(), 256, "flows that are known suffice for longer turns");
    assert_eq!(reader.take_keys(&mut search).len(), 64);
    assert!(!search.is_over());
}

#[test]
fn a_search_ends_when_the_replica_is_given_up() {
    let mut reader = complete(1_000);
    let mut search = Search::new(&[of("10.0.0.0/16")]);
    assert_eq!(reader.turn(&mut search).count(), 256);
    reader.keep_replica(None, NOW);
    assert_eq!(names_left(&reader, &mut search), 1_000 - 256, "flows that were found before are still told");
    assert_eq!(reader.turn(&mut Search::new(&[of("10.0.0.0/16")])).count(), 0);
}

fn names_left(reader: &Reader, search: &mut Search) -> usize {
    let mut left = 0;
    while !search.is_over() {
        left += reader.turn(search).count();
    }
    left
}

#[test]
fn a_replica_is_worth_longer_readings_of_the_event_socket() {
    assert!(without_replica().reads_in_one_turn() < unswept().reads_in_one_turn());
}
