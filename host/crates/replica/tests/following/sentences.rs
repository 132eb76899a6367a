//! One test for each case in which a simpler replica would be wrong.

use ctwarden_model::{
    Event, EventKind, Family, Filter, Flow, FlowId, Layer4, Masked, PerDirection, Prefix, Protocol, RareFilter,
    SecondsRange, Status, Steady, Tuple, Zone,
};
use ctwarden_replica::{Knowledge, Replica, Seed, Selected, Slice, SweepEnd};

const NOW: Steady = Steady(7);

fn replica() -> Replica {
    Replica::new(Seed([1, 2]), 1 << 30)
}

/// A flow of the client to one server.
fn flow(client: u8, id: u32) -> Flow {
    let original = Tuple {
        src: [192, 0, 2, client].into(),
        dst: [198, 51, 100, 1].into(),
        protocol: Protocol::TCP,
        layer4: Layer4::Ports { src: 40_000, dst: 443 },
    };
    let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
    flow.id = Some(FlowId(id));
    flow.status = Some(Status::CONFIRMED);
    flow
}

fn with(flow: &Flow, change: impl FnOnce(&mut Flow)) -> Flow {
    let mut flow = flow.clone();
    change(&mut flow);
    flow
}

fn hear(replica: &mut Replica, kind: EventKind, flow: &Flow) {
    replica.handle_event(&Event { kind, by_us: false, flow: flow.clone() }, NOW);
}

fn sweep(replica: &mut Replica, rows: &[Flow]) {
    let token = replica.begin_sweep(Slice::ALL);
    for row in rows {
        replica.handle_row(token, row, NOW);
    }
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    while !replica.remove_absent(1) {}
}

fn all(replica: &Replica) -> Vec<Selected> {
    let mut all: Vec<Selected> = replica.select(&Filter::default()).collect();
    all.sort_by_key(|selected| selected.key);
    all
}

fn ids(replica: &Replica) -> Vec<u32> {
    let mut ids: Vec<u32> = all(replica).iter().map(|selected| selected.key.id.0).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn before_the_first_sweep_it_does_not_know_older_flows_and_says_so() {
    let mut replica = replica();
    hear(&mut replica, EventKind::New, &flow(1, 1));
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::NeverSwept);
    sweep(&mut replica, &[flow(1, 1), flow(2, 2)]);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::Complete { since: NOW });
    assert_eq!(ids(&replica), [1, 2]);
}

#[test]
fn the_end_of_an_unknown_flow_and_of_a_predecessor_hits_nobody() {
    let mut replica = replica();
    hear(&mut replica, EventKind::New, &flow(1, 2));
    hear(&mut replica, EventKind::Destroy, &flow(1, 1));
    hear(&mut replica, EventKind::Destroy, &flow(9, 9));
    assert_eq!(ids(&replica), [2]);
    hear(&mut replica, EventKind::Destroy, &with(&flow(1, 2), |flow| flow.zone = Zone(5)));
    assert_eq!(ids(&replica), [2], "another zone is another flow");
}

#[test]
fn a_row_that_is_older_than_the_end_does_not_bring_the_flow_back() {
    let mut replica = replica();
    hear(&mut replica, EventKind::New, &flow(1, 1));
    let token = replica.begin_sweep(Slice::ALL);
    // The dump has read both flows, and both ended before their rows were handed over. The replica did not know the
    // second one.
    hear(&mut replica, EventKind::Destroy, &flow(1, 1));
    hear(&mut replica, EventKind::Destroy, &flow(2, 2));
    replica.handle_row(token, &flow(1, 1), NOW);
    replica.handle_row(token, &flow(2, 2), NOW);
    // A late UPDATE does not bring the flow back either.
    hear(&mut replica, EventKind::Update, &flow(1, 1));
    assert!(replica.is_empty());
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    while !replica.remove_absent(1) {}
    assert!(replica.is_empty());
}

#[test]
fn a_successor_with_the_same_id_lives_though_its_predecessor_ended_in_the_same_sweep() {
    let mut replica = replica();
    hear(&mut replica, EventKind::New, &flow(1, 1));
    let token = replica.begin_sweep(Slice::ALL);
    hear(&mut replica, EventKind::Destroy, &flow(1, 1));
    hear(&mut replica, EventKind::New, &flow(1, 1));
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    while !replica.remove_absent(1) {}
    assert_eq!(ids(&replica), [1], "born after its place in the dump was read: no row, but alive");
}

#[test]
fn a_successor_that_is_translated_otherwise_is_found_at_its_own_addresses() {
    let mut replica = replica();
    let inside = [10, 9, 9, 9].into();
    hear(&mut replica, EventKind::New, &flow(1, 1));
    hear(&mut replica, EventKind::New, &with(&flow(1, 1), |flow| flow.tuples.reply.src = inside));
    let at = |address| {
        let either = [ctwarden_model::Prefix::host(address)].into_iter().collect();
        replica.select(&Filter { either, ..Filter::default() }).count()
    };
    assert_eq!((at(inside), at([198, 51, 100, 1].into()), replica.len()), (1, 1, 1));
}

#[test]
fn a_complete_sweep_takes_out_what_it_did_not_list_and_an_interrupted_one_does_not() {
    let mut replica = replica();
    hear(&mut replica, EventKind::New, &flow(1, 1));
    hear(&mut replica, EventKind::New, &flow(2, 2));
    let token = replica.begin_sweep(Slice::ALL);
    replica.handle_row(token, &flow(1, 1), NOW);
    replica.end_sweep(token, SweepEnd::Interrupted, NOW);
    assert!(replica.remove_absent(100));
    assert_eq!((ids(&replica), replica.knowledge(Family::Ipv4)), (vec![1, 2], Knowledge::NeverSwept));
    sweep(&mut replica, &[flow(1, 1)]);
    assert_eq!(ids(&replica), [1]);
}

#[test]
fn what_was_born_during_a_sweep_needs_no_row() {
    let mut replica = replica();
    let token = replica.begin_sweep(Slice::ALL);
    hear(&mut replica, EventKind::New, &flow(1, 1));
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    assert!(replica.remove_absent(100));
    assert_eq!(ids(&replica), [1]);
}

#[test]
fn a_sweep_of_one_part_takes_out_nothing_of_the_others() {
    let mut replica = replica();
    let elsewhere = with(&flow(3, 3), |flow| flow.zone = Zone(1));
    sweep(&mut replica, &[flow(1, 1), elsewhere]);
    for slice in [
        Slice { family: Some(Family::Ipv6), ..Slice::ALL },
        Slice { protocol: Some(Protocol::UDP), ..Slice::ALL },
        Slice { zone: Some(Zone(2)), ..Slice::ALL },
        Slice { partial: true, ..Slice::ALL },
    ] {
        let token = replica.begin_sweep(slice);
        replica.end_sweep(token, SweepEnd::Complete, NOW);
        assert!(replica.remove_absent(100));
        assert_eq!(ids(&replica), [1, 3], "{slice:?}");
    }
    let token = replica.begin_sweep(Slice { zone: Some(Zone(1)), ..Slice::ALL });
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    assert!(replica.remove_absent(100));
    assert_eq!(ids(&replica), [1]);
}

#[test]
fn a_sweep_of_one_family_closes_the_overrun_of_that_family_only() {
    let mut replica = replica();
    sweep(&mut replica, &[]);
    replica.handle_overrun(Steady(9));
    replica.handle_drained();
    let token = replica.begin_sweep(Slice { family: Some(Family::Ipv6), ..Slice::ALL });
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    assert_eq!(replica.knowledge(Family::Ipv6), Knowledge::Complete { since: NOW });
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::Overrun { since: Steady(9) });
    let everything = Filter::default();
    assert_eq!(replica.select(&everything).knowledge(), Knowledge::Overrun { since: Steady(9) });
    let ipv6 = Filter { family: Some(Family::Ipv6), ..Filter::default() };
    assert!(replica.select(&ipv6).knowledge().is_complete());
}

#[test]
fn a_sweep_that_began_before_the_socket_was_read_empty_does_not_close_the_overrun() {
    let mut replica = replica();
    sweep(&mut replica, &[]);
    replica.handle_overrun(Steady(9));
    // The kernel drops events while old ones wait. So the end of a flow may be lost after this sweep has listed the
    // flow.
    sweep(&mut replica, &[flow(1, 1)]);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::Overrun { since: Steady(9) });
    replica.handle_drained();
    sweep(&mut replica, &[]);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::Complete { since: NOW });
    assert!(replica.is_empty());
}

#[test]
fn an_event_from_before_the_loss_does_not_save_a_flow_from_the_next_sweep() {
    let mut replica = replica();
    sweep(&mut replica, &[flow(1, 1)]);
    replica.handle_overrun(NOW);
    hear(&mut replica, EventKind::Update, &flow(1, 1));
    replica.handle_drained();
    sweep(&mut replica, &[]);
    assert!(replica.is_empty(), "its end was lost after that update");
}

#[test]
fn a_loss_during_a_sweep_leaves_the_overrun_open() {
    let mut replica = replica();
    let token = replica.begin_sweep(Slice::ALL);
    replica.handle_overrun(NOW);
    replica.handle_drained();
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    assert!(!replica.knowledge(Family::Ipv4).is_complete());
}

#[test]
fn a_flow_on_its_way_out_is_no_flow() {
    let mut replica = replica();
    let dying = with(&flow(1, 1), |flow| flow.status = Some(Status::CONFIRMED | Status::DYING));
    let token = replica.begin_sweep(Slice::ALL);
    replica.handle_row(token, &dying, NOW);
    hear(&mut replica, EventKind::Update, &dying);
    assert!(replica.is_empty());
    // A dying row may belong to a predecessor with the same id.
    hear(&mut replica, EventKind::New, &flow(1, 1));
    replica.handle_row(token, &dying, NOW);
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    assert!(replica.remove_absent(100));
    assert_eq!(ids(&replica), [1]);
}

#[test]
fn rows_of_another_sweep_and_events_that_call_themselves_rows_are_passed_over() {
    let mut replica = replica();
    let old = replica.begin_sweep(Slice::ALL);
    let new = replica.begin_sweep(Slice::ALL);
    replica.handle_row(old, &flow(1, 1), NOW);
    replica.end_sweep(old, SweepEnd::Complete, NOW);
    hear(&mut replica, EventKind::Row, &flow(2, 2));
    assert!(replica.is_empty());
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::NeverSwept);
    replica.end_sweep(new, SweepEnd::Complete, NOW);
    assert!(replica.knowledge(Family::Ipv4).is_complete());
}

#[test]
fn what_may_change_of_a_flow_turns_nothing_away() {
    let mut replica = replica();
    hear(&mut replica, EventKind::New, &flow(1, 1));
    let id = RareFilter { id: Some(FlowId(2)), ..RareFilter::default() };
    for filter in [
        Filter { mark: Some(Masked::all(9)), ..Filter::default() },
        Filter { status: Some(Masked::all(Status::OFFLOAD.0)), ..Filter::default() },
        Filter { states: [9].into(), ..Filter::default() },
        Filter { labels: 1, ..Filter::default() },
        Filter { timeout: Some(SecondsRange { first: 0, last: 9 }), ..Filter::default() },
        Filter { rare: Some(Box::new(id)), ..Filter::default() },
    ] {
        assert_eq!(replica.select(&filter).count(), 1, "{filter:?}");
        let other = Filter { protocols: [Protocol::UDP].into(), ..filter };
        assert_eq!(replica.select(&other).count(), 0, "{other:?}");
    }
}

#[test]
fn time_that_passes_without_a_word_ends_nothing() {
    let mut replica = replica();
    let short = with(&flow(1, 1), |flow| flow.timeout = Some(1));
    replica.handle_event(&Event { kind: EventKind::New, by_us: false, flow: short }, Steady(0));
    // Packets refresh the timeout without an event.
    replica.handle_event(&Event { kind: EventKind::New, by_us: false, flow: flow(2, 2) }, Steady(u64::MAX));
    assert_eq!(ids(&replica), [1, 2]);
}

#[test]
fn over_its_limit_it_turns_flows_away_and_says_so_until_a_sweep_finds_room() {
    let mut replica = Replica::new(Seed([1, 2]), 120_000);
    sweep(&mut replica, &[]);
    let many: Vec<Flow> = (0..5_000_u32)
        .map(|number| {
            let mut flow = flow(1, number);
            flow.tuples.original.layer4 = Layer4::Ports { src: number as u16, dst: 443 };
            flow.tuples.reply = flow.tuples.original.reversed();
            flow
        })
        .collect();
    many.iter().for_each(|flow| hear(&mut replica, EventKind::New, flow));
    assert!(replica.turned_away() > 0 && replica.len() > 1_000, "{} {}", replica.turned_away(), replica.len());
    assert!(replica.bytes() <= replica.limit() * 11 / 10, "by one step of an index at most: {}", replica.bytes());
    assert_eq!(replica.len() as u64 + replica.turned_away(), 5_000);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::OverLimit { since: NOW });
    sweep(&mut replica, &many);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::OverLimit { since: NOW });
    many.iter().skip(500).for_each(|flow| hear(&mut replica, EventKind::Destroy, flow));
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::OverLimit { since: NOW });
    sweep(&mut replica, &many[..500]);
    assert!(replica.knowledge(Family::Ipv4).is_complete());
    assert_eq!(replica.len(), 500);
}

#[test]
fn with_a_higher_limit_the_next_sweep_finds_who_was_turned_away() {
    let mut replica = Replica::new(Seed([1, 2]), 60_000);
    let many: Vec<Flow> = (0..2_000_u32)
        .map(|number| {
            let mut flow = flow(1, number);
            flow.tuples.original.layer4 = Layer4::Ports { src: number as u16, dst: 443 };
            flow.tuples.reply = flow.tuples.original.reversed();
            flow
        })
        .collect();
    sweep(&mut replica, &many);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::OverLimit { since: NOW });
    let held = replica.len();
    replica.set_limit(50_000, NOW);
    assert_eq!(replica.knowledge(Family::Ipv4), Knowledge::OverLimit { since: NOW }, "less is no better");
    replica.set_limit(1 << 30, NOW);
    assert_eq!((replica.knowledge(Family::Ipv4), replica.limit()), (Knowledge::Overrun { since: NOW }, 1 << 30));
    assert_eq!(replica.len(), held);
    sweep(&mut replica, &many);
    assert!(replica.knowledge(Family::Ipv4).is_complete());
    assert_eq!(replica.len(), 2_000);
    replica.set_limit(60_000, NOW);
    assert!(replica.knowledge(Family::Ipv4).is_complete(), "what it holds stays");
}

#[test]
fn an_estimate_says_how_far_a_walk_goes() {
    let mut replica = replica();
    sweep(&mut replica, &[flow(1, 1), flow(2, 2), flow(3, 3)]);
    let from = |networks: &[&str]| Filter {
        original_src: networks.iter().map(|network| network.parse::<Prefix>().unwrap()).collect(),
        ..Filter::default()
    };
    assert_eq!(replica.estimate(&Filter::default()), 3);
    assert_eq!(replica.estimate(&Filter { family: Some(Family::Ipv6), ..Filter::default() }), 0);
    // The estimate is approximate: a range may count one key too many at its end.
    assert!((3..=4).contains(&replica.estimate(&from(&["192.0.2.0/24"]))));
    assert!(replica.estimate(&from(&["203.0.113.0/24"])) <= 1);
    // The part with the fewest flows decides.
    let both = Filter { original_dst: from(&["198.51.100.1"]).original_src, ..from(&["192.0.2.2"]) };
    assert!(
        replica.estimate(&both) < replica.estimate(&Filter { original_dst: both.original_dst, ..Filter::default() })
    );
    // The networks of a long list are not counted.
    let long: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
    assert_eq!(replica.estimate(&from(&long.iter().map(String::as_str).collect::<Vec<_>>())), 0);
}
