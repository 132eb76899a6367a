//! Sweeps: which plugins get which rows, in which order, and what waits for them.

use core::time::Duration;

use ctwarden_engine::{Call, EngineConfig, PluginSpec};
use ctwarden_model::{
    Cause, Effect, EventKind, Expectation, ExpectationEvent, Extent, FlowId, Notice, Outcome, Refusal, Selection,
    Target, Verdict,
};

use crate::words::*;
use crate::world::{World, kinds};

#[test]
fn a_sweep_comes_at_start_begin_rows_complete() {
    let mut world = World::new([plugin("a").sweeps(), plugin("b")]);
    let request = world.sweep();
    assert!(request.filters.is_empty());
    assert!(world.poll_sweep().is_none(), "one at a time");
    world.rows(request.id, [flow(1), flow(2)]);
    world.events([new(3)]);
    world.end_sweep(request.id, true);
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Subscribed));
    world.answer("a", []);
    assert_eq!((world.cause("a"), world.flows("a")), (Cause::Events, vec![3]), "events during a sweep go on");
    world.answer("a", []);
    assert_eq!((world.cause("a"), world.flows("a")), (Cause::SweepRows, vec![1, 2]));
    assert_eq!(kinds(world.batch("a")), [EventKind::Row; 2]);
    world.answer("a", [delete("d", entry(1))]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(2))]);
    assert_eq!(world.cause("a"), Cause::SweepComplete);
    assert_eq!(world.flows("b"), [3], "who wants no rows gets none");
    assert!(matches!(world.notices()[..], [Notice::Swept { rows: 2, complete: true, .. }]));
}

#[test]
fn periodic_sweeps_are_shared_by_those_who_wait() {
    let mut world = World::new([plugin("a").sweeps_every(10), plugin("b").sweeps_every(30)]);
    world.sweep_of([flow(1)]);
    world.answer_all();
    let mut swept = [0; 2];
    for _ in 0..60 {
        world.pass_by_timeouts(Duration::from_secs(1));
        if let Some(request) = world.poll_sweep() {
            world.pump();
            for (plugin, count) in ["a", "b"].into_iter().zip(&mut swept) {
                *count += u32::from(world.call(plugin).is_some());
            }
            world.end_sweep(request.id, true);
            world.answer_all();
        }
    }
    assert_eq!(swept, [6, 2]);
}

#[test]
fn an_interrupted_sweep_is_told_and_done_again_but_not_for_ever() {
    let mut world = World::new([plugin("a").sweeps()]);
    for _ in 0..3 {
        let id = world.sweep().id;
        world.end_sweep(id, false);
        world.answer("a", []);
        assert_eq!(world.cause("a"), Cause::SweepInterrupted);
        world.answer_all();
        world.pass(Duration::from_secs(10));
    }
    assert!(world.poll_sweep().is_none());
}

#[test]
fn rows_that_were_asked_for_are_asked_for_again_where_their_sweep_breaks_off() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![sweep("some", matching(from(2)))])]);
    for known in [true, false] {
        let request = if known { world.poll_asked(|_| true) } else { world.poll_sweep() };
        world.end_sweep(request.unwrap().id, false);
        world.answer("a", []);
        assert_eq!(world.cause("a"), Cause::SweepInterrupted);
        world.answer_all();
        assert_eq!(world.outcomes(), [""; 0]);
        world.pass(Duration::from_secs(10));
    }
    let request = world.sweep();
    assert_eq!(request.filters, [from(2)]);
    world.end_sweep(request.id, false);
    world.answer_all();
    assert_eq!(world.outcomes(), ["a some applied"], "not for ever");
    assert!(world.poll_sweep().is_none());
}

#[test]
fn the_request_names_what_is_of_use() {
    let narrow = |name: &str, n: u8| plugin(name).sweeps().with(|spec| spec.subscription.filters = vec![from(n)]);
    let mut world = World::new([narrow("a", 1), narrow("b", 2)]);
    let request = world.sweep();
    assert_eq!(request.filters, [from(1), from(2)]);
    world.rows(request.id, (1..=3).map(flow));
    world.end_sweep(request.id, true);
    world.answer("a", []);
    world.answer("b", []);
    assert_eq!((world.flows("a"), world.flows("b")), (vec![1], vec![2]));
    world.answer("a", [delete("d", entry(0))]);
    world.answer("b", []);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn a_plugin_may_ask_for_a_sweep_of_all_or_of_some() {
    let quiet = plugin("a").with(|spec| spec.subscription.filters = vec![from(1)]);
    let mut world = World::new([quiet]);
    assert!(world.poll_sweep().is_none(), "it wants no rows of its own");
    world.judge(new(1), [("a", vec![sweep("all", Target::None)])]);
    world.sweep_of([flow(1), flow(2)]);
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Subscribed));
    world.answer("a", []);
    assert_eq!(world.flows("a"), [1]);
    world.answer_all();
    assert_eq!(world.outcomes(), ["a all applied"]);
    world.judge(new(1), [("a", vec![sweep("some", matching(from(2)))])]);
    world.pass_millis(10);
    world.sweep_of([flow(1), flow(2)]);
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Asked), "other flows may live all the same");
    world.answer("a", []);
    assert_eq!(world.flows("a"), [2], "also outside of its subscription");
    assert_eq!(world.outcomes(), ["a some applied"]);
}

#[test]
fn rows_that_the_program_knows_need_no_rest_and_read_no_table() {
    let mut world = World::new([plugin("a").sweeps()]);
    world.sweep_of([flow(1)]);
    world.answer_all();
    let (notices, sweeps) = (world.notices().len(), world.engine.status(world.now).sweeps);
    assert!(!world.engine.awaits_asked());
    for n in 2..5 {
        world.judge(new(9), [("a", vec![sweep("some", matching(from(n)))])]);
        assert!(world.poll_sweep().is_none(), "the table rests");
        assert!(world.engine.awaits_asked());
        let request = world.poll_asked(|filter| *filter == from(n)).unwrap();
        world.pump();
        assert_eq!((&request.filters, request.expectations), (&vec![from(n)], false));
        assert!(world.poll_asked(|_| true).is_none() && !world.engine.awaits_asked(), "one at a time");
        world.rows(request.id, [flow(n), flow(1)]);
        world.end_sweep(request.id, true);
        assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Asked));
        world.answer("a", []);
        assert_eq!((world.cause("a"), world.flows("a")), (Cause::SweepRows, vec![u32::from(n)]));
        world.answer("a", []);
        assert_eq!(world.cause("a"), Cause::SweepComplete);
        world.answer("a", []);
    }
    assert_eq!(world.outcomes(), ["a some applied"; 3]);
    assert_eq!((world.notices().len(), world.engine.status(world.now).sweeps), (notices, sweeps));
}

#[test]
fn rows_that_the_program_does_not_know_wait_for_the_table() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    let both = vec![sweep("known", matching(from(1))), sweep("unknown", matching(from(2)))];
    world.judge(new(9), [("a", both), ("b", vec![sweep("all", Target::None)])]);
    let request = world.poll_asked(|filter| *filter == from(1)).unwrap();
    world.pump();
    assert!(world.poll_sweep().is_none(), "one of both at a time");
    world.end_sweep(request.id, true);
    world.answer_all();
    assert_eq!(world.outcomes(), ["a known applied"]);
    assert!(world.poll_asked(|filter| *filter == from(1)).is_none());
    world.sweep_of([flow(2)]);
    assert_eq!(world.outcomes(), ["a unknown applied", "b all applied"]);
}

#[test]
fn selections_share_a_sweep_and_end_in_one_record_each() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    let all = || matching(filter(|_| {}));
    world.judge(
        new(9),
        [
            ("a", vec![delete("d", matching(from(1))), mark("m", all(), 1, 1), delete("none", matching(from(7)))]),
            ("b", vec![delete("d2", matching(from(1)))]),
        ],
    );
    world.sweep_of([flow(1), flow(2)]);
    assert_eq!(world.effects.len(), 2, "one delete for both, one mark");
    world.ack_all();
    let tally = |code: &str| {
        let tally = world.record(code).tally.as_deref().unwrap();
        (tally.matched, tally.applied, tally.superseded)
    };
    assert_eq!(tally("d"), (1, 1, 0));
    assert_eq!(tally("d2"), (1, 1, 0));
    assert_eq!(tally("m"), (2, 1, 1));
    assert_eq!(tally("none"), (0, 0, 0));
    assert_eq!(world.outcomes(), ["a d applied", "a m applied", "a none applied", "b d2 applied"]);
    assert!(world.poll_sweep().is_none());
}

#[test]
fn a_selection_takes_no_more_than_its_limit_and_observes_when_told() {
    let limited = |code: &str| {
        let selection = Selection { filter: filter(|_| {}), limit: Some(2) };
        delete(code, Target::Matching(Box::new(selection)))
    };
    let mut world = World::new([plugin("a"), plugin("b").observes()]);
    world.judge(new(9), [("a", vec![limited("a")]), ("b", vec![limited("b")])]);
    world.sweep_of((1..=5).map(flow));
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Delete(key_of(2))]);
    world.ack_all();
    assert_eq!(world.record("b").tally.as_deref().unwrap().observed, 2);
    assert_eq!(world.outcomes(), ["a a applied", "b b observed"]);
}

#[test]
fn a_selection_whose_sweep_is_interrupted_is_tried_again() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    for _ in 0..3 {
        assert_eq!(world.outcomes(), [""; 0]);
        let id = world.sweep().id;
        world.end_sweep(id, false);
        world.pass_millis(100);
    }
    assert_eq!(world.record("d").outcome, Outcome::Refused(Refusal::NoAnswer));
}

#[test]
fn a_ban_does_not_wait_for_the_rest_between_sweeps() {
    let mut world = World::new([plugin("a").sweeps()]);
    world.sweep_of([flow(1)]);
    world.answer_all();
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    assert!(world.poll_sweep().is_none());
    assert_eq!(world.engine.poll_timeout(), Some(world.now.steady.plus(Duration::from_millis(10))));
    world.pass_millis(10);
    world.sweep();
}

#[test]
fn only_so_many_verdicts_wait_for_sweeps() {
    let mut world = World::new([plugin("a").with(|spec| spec.limits.bounds.selections = 2)]);
    let some = |code: &str| delete(code, matching(from(1)));
    world.judge(new(9), [("a", vec![some("s1"), sweep("s2", Target::None), some("s3")])]);
    assert_eq!(world.outcomes(), ["a s3 over-budget"]);
    world.sweep_of([]);
    world.answer_all();
    world.judge(new(9), [("a", vec![some("s4")])]);
    world.pass_millis(100);
    world.sweep_of([]);
    assert_eq!(world.outcomes(), ["a s1 applied", "a s2 applied", "a s4 applied"]);
}

#[test]
fn one_sweep_serves_a_bounded_number_of_selections() {
    let config = bounded(|bounds| bounds.selections_per_sweep = 3);
    let mut world = World::with(config, [plugin("a")]);
    let verdicts: Vec<Verdict> = (0..7).map(|_| delete("d", matching(from(1)))).collect();
    world.judge(new(9), [("a", verdicts)]);
    let mut ended = Vec::new();
    for _ in 0..3 {
        world.sweep_of([]);
        ended.push(world.outcomes().len());
        world.pass_millis(10);
    }
    assert_eq!(ended, [3, 3, 1]);
}

fn small_rows(name: &str) -> PluginSpec {
    plugin(name).sweeps().with(|spec| spec.limits.bounds.queue_rows = 4)
}

fn small_batches() -> EngineConfig {
    bounded(|bounds| bounds.batch_entries = 2)
}

#[test]
fn rows_are_never_dropped_the_sweep_waits() {
    let mut world = World::with(small_batches(), [small_rows("a").queues(2)]);
    let id = world.sweep().id;
    let mut rows = (1..=20).map(flow).peekable();
    let mut seen = Vec::new();
    loop {
        while world.engine.ready_for_rows() && rows.peek().is_some() {
            world.rows(id, rows.next());
            world.events([new(200)]);
        }
        assert!(world.engine.status(world.now).plugins[0].queue_entries <= 4 + 2);
        if rows.peek().is_none() {
            world.end_sweep(id, true);
        }
        if world.call("a").is_none() {
            break;
        }
        if world.cause("a") == Cause::SweepRows {
            seen.extend(world.flows("a"));
        }
        world.answer("a", []);
    }
    assert_eq!(seen, (1..=20).collect::<Vec<u32>>());
}

#[test]
fn a_sweep_that_others_wait_for_does_not_wait_for_a_laggard() {
    let mut world = World::with(small_batches(), [small_rows("slow"), small_rows("quick")]);
    let id = world.sweep().id;
    world.answer("quick", []);
    let mut given = 0;
    while world.engine.ready_for_rows() {
        given += 1;
        world.rows(id, [flow(given)]);
        while world.call("quick").is_some() {
            world.answer("quick", []);
        }
    }
    world.pass_by_timeouts(Duration::from_millis(499));
    assert!(!world.engine.ready_for_rows());
    world.pass_by_timeouts(Duration::from_millis(1));
    assert!(world.engine.ready_for_rows());
    world.end_sweep(id, true);
    assert_eq!(world.cause("quick"), Cause::SweepComplete);
    let mut causes = Vec::new();
    while world.call("slow").is_some() {
        causes.push(world.cause("slow"));
        world.answer("slow", []);
    }
    assert_eq!(
        causes,
        [Cause::SweepBegin(Extent::Subscribed), Cause::SweepRows, Cause::SweepRows, Cause::SweepInterrupted]
    );
    world.answer_all();
    world.pass(Duration::from_secs(10));
    world.sweep();
    assert_eq!(world.cause("slow"), Cause::SweepBegin(Extent::Subscribed), "its turn comes again");
}

#[test]
fn a_laggard_alone_takes_its_time() {
    let mut world = World::with(small_batches(), [small_rows("slow")]);
    let id = world.sweep().id;
    world.rows(id, (1..=4).map(flow));
    world.pass_by_timeouts(Duration::from_secs(60));
    assert!(!world.engine.ready_for_rows());
    world.answer("slow", []);
    world.answer("slow", []);
    assert!(world.engine.ready_for_rows());
}

#[test]
fn rows_of_another_sweep_are_nobodys() {
    let mut world = World::new([plugin("a").sweeps()]);
    let id = world.sweep().id;
    world.rows(ctwarden_engine::SweepId(id.0.wrapping_add(1)), [flow(1)]);
    world.end_sweep(ctwarden_engine::SweepId(id.0.wrapping_sub(1)), true);
    world.end_sweep(id, true);
    world.answer("a", []);
    assert_eq!(world.cause("a"), Cause::SweepComplete);
}

fn expectation(kind: EventKind, n: u8) -> ExpectationEvent {
    let tuple = flow(n).tuples.original;
    let expectation = Expectation {
        id: Some(FlowId(1_000 + u32::from(n))),
        zone: ctwarden_model::Zone(0),
        master: tuple,
        tuple: tuple.reversed(),
        mask: tuple,
        timeout: Some(300),
        flags: None,
        class: None,
        helper: Some("ftp".into()),
        function: None,
        nat: None,
    };
    ExpectationEvent { kind, by_us: false, expectation }
}

#[test]
fn expectations_are_judged_and_deleted() {
    let wants = || plugin("a").sweeps().with(|spec| spec.subscription.expectations = true);
    let config = EngineConfig { protect: vec![from(3)], ..EngineConfig::default() };
    let mut world = World::with(config, [wants(), plugin("b")]);
    assert!(world.engine.subscribed().expectations);
    for n in 1..=3 {
        world.engine.handle_expectation(world.now, expectation(EventKind::New, n));
    }
    world.events([]);
    assert!(world.call("b").is_none());
    assert!(matches!(world.call("a"), Some(Call::JudgeExpectations(batch)) if batch.events.len() == 3));
    world.answer(
        "a",
        [
            delete("first", entry(0)),
            delete("again", entry(0)),
            mark("mark", entry(1), 1, 1),
            delete("protected", entry(2)),
            delete("missing", entry(3)),
        ],
    );
    assert_eq!(world.effects(), [Effect::DeleteExpectation(expectation(EventKind::New, 1).expectation.key())]);
    world.ack_all();
    assert_eq!(
        world.outcomes(),
        ["a again superseded", "a first applied", "a mark refused", "a missing refused", "a protected protected"]
    );
    let request = world.sweep();
    assert!(request.expectations);
    world.engine.handle_expectation(world.now, expectation(EventKind::Row, 5));
    world.end_sweep(request.id, true);
    world.answer("a", []);
    assert!(
        matches!(world.call("a"), Some(Call::JudgeExpectations(batch)) if batch.cause == Cause::SweepRows),
        "{:?}",
        world.call("a")
    );
    world.answer("a", []);
    assert_eq!(world.cause("a"), Cause::SweepComplete);
}

#[test]
fn a_sweep_that_was_asked_for_has_the_expectations_unless_it_is_about_some_flows() {
    for (target, expectations) in [(Target::None, true), (matching(from(2)), false)] {
        let mut world = World::new([plugin("a").with(|spec| spec.subscription.expectations = true)]);
        world.judge(new(1), [("a", vec![sweep("asked", target)])]);
        assert_eq!(world.sweep().expectations, expectations);
    }
}
