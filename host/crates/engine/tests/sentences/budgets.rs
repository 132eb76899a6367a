//! Budgets of plugins, and the breaker for a plugin that keeps exceeding its budget.

use core::time::Duration;

use ctwarden_engine::{BreakerStatus, EngineBounds, EngineConfig, Shortfall};
use ctwarden_model::{Effect, FlowId, Layer4, Mode, Notice, Outcome, SetName, VerdictKind};

use crate::words::*;
use crate::world::World;

#[test]
fn verdicts_a_second_are_limited_and_come_back_with_time() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.verdict_burst = 2;
        spec.limits.verdicts_per_second = 1;
    })]);
    world.events((1..=4).map(new));
    world.answer("a", (0..4).map(|n| mark(&format!("m{n}"), entry(n), 1, 1)));
    assert_eq!(world.effects.len(), 2);
    world.ack_all();
    world.pass_millis(1_000);
    world.judge(new(5), [("a", vec![mark("later", entry(0), 1, 1), mark("too", key(6), 1, 1)])]);
    world.look_up_in(&[flow(6)]);
    world.ack_all();
    assert_eq!(
        world.outcomes(),
        [
            "a later applied",
            "a m0 applied",
            "a m1 applied",
            "a m2 over-budget",
            "a m3 over-budget",
            "a too over-budget"
        ]
    );
}

#[test]
fn deletes_are_limited_to_a_share_of_the_table() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.table_share_per_minute = 10;
        spec.limits.table_share_floor = 1;
    })]);
    world.engine.handle_table(world.now, 30);
    world.events((1..=6).map(new));
    world.answer("a", (0..5).map(|n| delete("d", entry(n))).chain([mark("m", entry(5), 1, 1)]));
    assert_eq!(world.effects.iter().filter(|(_, e)| matches!(e, Effect::Delete(_))).count(), 3);
    world.ack_all();
    assert_eq!(
        world.outcomes(),
        ["a d applied", "a d applied", "a d applied", "a d over-budget", "a d over-budget", "a m applied"]
    );
    world.pass(Duration::from_secs(61));
    world.judge(new(7), [("a", vec![delete("later", entry(0))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a later applied"]);
}

#[test]
fn a_timeout_that_ends_flows_soon_counts_as_a_delete() {
    for seconds in [0, 1, 2, 5, 30, 60, 599] {
        let mut world = World::new([frugal(1)]);
        world.events((1..=4).map(new));
        let verdicts = [
            timeout("t1", entry(0), seconds),
            timeout("t2", entry(1), seconds),
            delete("t3", entry(2)),
            timeout("t4", entry(3), 600),
        ];
        world.answer("a", verdicts);
        world.ack_all();
        let outcomes = ["a t1 applied", "a t2 over-budget", "a t3 over-budget", "a t4 applied"];
        assert_eq!(world.outcomes(), outcomes, "{seconds} seconds");
    }
}

#[test]
fn a_table_is_not_emptied_by_timeouts_that_grow_shorter_and_shorter() {
    let mut world = World::new([frugal(2)]);
    world.engine.handle_table(world.now, 5);
    let mut ended = 0;
    for seconds in core::iter::successors(Some(4_800), |seconds| (*seconds > 1).then_some(seconds / 2)) {
        world.judge(new(9), [("a", vec![timeout("t", matching(filter(|_| {})), seconds)])]);
        world.pass_millis(10);
        world.sweep_of((1..=5).map(flow));
        let soon = world.effects.iter().filter(|(_, effect)| match effect {
            Effect::Update(update) => update.timeout.is_some_and(|seconds| seconds < 600),
            Effect::Delete(_) | Effect::Kill(_) => true,
            Effect::DeleteExpectation(_) | Effect::Block(_) | Effect::Unblock(_) => false,
        });
        ended += soon.count();
        world.ack_all();
    }
    assert_eq!(ended, 2, "as many as it may delete in a minute");
}

#[test]
fn a_selection_is_limited_row_by_row_and_goes_on_when_the_budget_returns() {
    let mut world = World::new([frugal(2)]);
    let ticket = world.message("a", "ban");
    world.reply("a", "banned", [delete("d", matching(filter(|_| {})))]);
    world.sweep_of((1..=5).map(flow));
    world.ack_all();
    assert_eq!(world.outcomes(), [""; 0], "it is not over");
    let (replied, outcome) = world.replied().unwrap();
    assert_eq!(replied, ticket);
    assert_eq!((outcome.open, outcome.flows.applied, outcome.flows.over_budget, outcome.flows.matched), (1, 2, 3, 5));
    let left =
        Shortfall { kind: VerdictKind::Delete, outcome: Outcome::OverBudget, of_flows: true, goes_on: true, count: 3 };
    assert_eq!(outcome.shortfalls, [left]);
    assert!(world.poll_sweep().is_none(), "not before the budget is back");
    world.pass_by_timeouts(Duration::from_secs(61));
    world.sweep_of((3..=5).map(flow));
    world.ack_all();
    world.pass_by_timeouts(Duration::from_secs(61));
    world.sweep_of([flow(5)]);
    world.ack_all();
    let tally = world.record("d").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.over_budget), (5, 5, 0));
    assert_eq!(world.outcomes(), ["a d applied"]);
    assert_eq!(world.engine.status(world.now).plugins[0].breaker, BreakerStatus::Closed);
    assert_eq!(world.engine.status(world.now).plugins[0].flows.get(VerdictKind::Delete, "applied"), 5);
}

#[test]
fn what_the_budget_never_suffices_for_is_told_with_its_count() {
    let config = bounded(|bounds| bounds.resume_for = Duration::from_secs(100));
    let mut world = World::with(config, [frugal(2)]);
    world.judge(new(1), [("a", vec![delete("d", matching(filter(|_| {})))])]);
    world.pass_millis(10);
    world.sweep_of((1..=9).map(flow));
    world.ack_all();
    world.pass_by_timeouts(Duration::from_secs(61));
    world.sweep_of((3..=9).map(flow));
    world.ack_all();
    let tally = world.record("d").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.over_budget), (9, 4, 5));
    assert_eq!(world.engine.poll_timeout().filter(|at| *at <= world.now.steady), None);
}

#[test]
fn what_waits_for_the_budget_ends_with_the_plugin_or_the_daemon() {
    for stops in [true, false] {
        let mut world = World::new([frugal(2)]);
        world.judge(new(1), [("a", vec![delete("d", matching(filter(|_| {})))])]);
        world.sweep_of((1..=5).map(flow));
        world.ack_all();
        if stops {
            world.engine.handle_stop(world.now);
            world.pump();
            assert!(world.engine.is_quiet());
        } else {
            world.configure(EngineConfig::default(), []);
        }
        let tally = world.record("d").tally.as_deref().unwrap();
        assert_eq!((tally.matched, tally.applied, tally.over_budget), (5, 2, 3));
    }
}

#[test]
fn marks_that_ran_out_of_budget_do_not_go_on() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.verdict_burst = 2;
        spec.limits.verdicts_per_second = 1;
    })]);
    world.judge(new(1), [("a", vec![mark("m", matching(filter(|_| {})), 1, 1)])]);
    world.sweep_of((1..=5).map(flow));
    world.ack_all();
    let tally = world.record("m").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.over_budget), (5, 2, 3));
}

#[test]
fn a_policy_that_asks_for_a_few_flows_more_than_it_may_goes_on_acting() {
    let mut world = World::new([frugal(100)]);
    for minute in 0..3 {
        for second in 0..60 {
            world.events((1..=3).map(new));
            world.answer("a", (0..3).map(|n| delete("d", entry(n))));
            world.ack_all();
            assert_eq!(
                world.engine.status(world.now).plugins[0].breaker,
                BreakerStatus::Closed,
                "{minute} min {second} s"
            );
            world.pass_millis(1_000);
        }
    }
}

#[test]
fn who_spends_its_budget_again_and_again_only_observes_for_a_time() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.verdict_burst = 1;
        spec.limits.verdicts_per_second = 1;
    })]);
    let breaker = |world: &World| world.engine.status(world.now).plugins[0].breaker;
    for second in 0..5 {
        assert_eq!(breaker(&world), BreakerStatus::Closed, "{second}");
        world.judge(new(1), [("a", vec![mark("m", entry(0), 1, 1), mark("n", key(2), 1, 1)])]);
        world.look_up_in(&[flow(2)]);
        world.ack_all();
        world.pass_millis(1_000);
    }
    assert!(matches!(breaker(&world), BreakerStatus::Open { refused: 5, .. }));
    let opened = Notice::BreakerOpened(plugin("a").name, EngineBounds::default().breaker.observe_for);
    assert_eq!(world.notices(), std::slice::from_ref(&opened));
    world.outcomes();
    world.judge(new(3), [("a", vec![delete("d", entry(0))])]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.record("d").mode, Mode::Observe);
    assert_eq!(world.outcomes(), ["a d observed"]);
    world.pass_by_timeouts(EngineBounds::default().breaker.observe_for);
    assert_eq!(world.notices(), [opened, Notice::BreakerClosed(plugin("a").name)]);
    world.judge(new(3), [("a", vec![delete("d", entry(0))])]);
    world.ack_all();
    assert_eq!(world.record("d").mode, Mode::Enforce);
    assert_eq!(world.outcomes(), ["a d applied"]);
}

/// A plugin that may delete `deletes` flows a minute while the table is small.
fn frugal(deletes: u32) -> ctwarden_engine::PluginSpec {
    plugin("a").with(|spec| {
        spec.limits.table_share_per_minute = 10;
        spec.limits.table_share_floor = deletes;
    })
}

#[test]
fn an_observing_plugin_spends_the_same_share_but_no_flow_comes_back_to_it() {
    let observing = |share| frugal(share).with(|spec| spec.mode = Mode::Observe);
    let mut world = World::new([observing(3)]);
    world.events((1..=5).map(new));
    world.answer("a", (0..5).map(|n| delete("d", entry(n))));
    let spent = ["a d observed", "a d observed", "a d observed", "a d over-budget", "a d over-budget"];
    assert_eq!(world.outcomes(), spent);
    // An observing plugin deletes nothing, so each further event is the same flow, and not one that came back.
    let mut world = World::new([observing(40)]);
    for _ in 0..20 {
        world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    }
    assert_eq!(world.outcomes(), ["a d observed"; 20]);
}

#[test]
fn a_flow_that_comes_back_does_not_use_up_what_a_later_ban_needs() {
    let mut world = World::new([frugal(40)]);
    // Nothing drops the packets of flow 1. Each packet creates the entry again, with another id.
    for id in 100..200 {
        let mut event = new(1);
        event.flow.id = Some(FlowId(id));
        world.judge(event, [("a", vec![delete("again", entry(0))])]);
        world.ack_all();
        world.pass_millis(20);
    }
    let ended = world.verdicts().filter(|verdict| verdict.outcome == Outcome::Applied).count();
    assert_eq!(ended, 10);
    let told: Vec<Notice> = world.notices();
    assert!(
        matches!(&told[..], [Notice::ComesBack { times: 10, blocked: None, flow, .. }] if flow.original == key_of(1).original),
        "once: {told:?}"
    );
    world.outcomes();
    world.judge(new(2), [("a", vec![delete("ban", matching(filter(|_| {})))])]);
    world.sweep_of((2..=31).map(flow));
    world.ack_all();
    assert_eq!(world.record("ban").tally.as_deref().unwrap().applied, 30);
    assert_eq!(world.engine.status(world.now).plugins[0].breaker, BreakerStatus::Closed);
    world.pass(Duration::from_secs(62));
    world.outcomes();
    world.judge(new(1), [("a", vec![delete("later", entry(0))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a later applied"]);
}

#[test]
fn a_sender_of_ever_new_flows_leaves_half_of_the_budget_to_others() {
    let mut world = World::new([frugal(40)]);
    for port in 0..100 {
        let mut event = new(1);
        event.flow.tuples.original.layer4 = Layer4::Ports { src: port, dst: 80 };
        event.flow.tuples.reply = event.flow.tuples.original.reversed();
        world.judge(event, [("a", vec![delete("flood", entry(0))])]);
        world.ack_all();
    }
    let ended = world.verdicts().filter(|verdict| verdict.outcome == Outcome::Applied).count();
    assert_eq!(ended, 20);
    world.events((2..=21).map(new));
    world.answer("a", (0..20).map(|n| delete("others", entry(n))));
    world.ack_all();
    let outcomes = world.outcomes();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "a others applied").count(), 20, "{outcomes:?}");
}

#[test]
fn it_is_told_that_no_rule_drops_what_is_blocked() {
    let mut world = World::new([frugal(40)]);
    world.judge(new(1), [("a", vec![block("b", "10.0.0.0/28", Some(60)), delete("d", entry(0))])]);
    world.ack_all();
    for _ in 0..10 {
        world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
        world.ack_all();
    }
    let expected = (SetName("banned".into()), "10.0.0.0/28".parse().unwrap());
    let told = world.notices();
    assert!(
        matches!(&told[..], [Notice::ComesBack { blocked: Some(blocked), .. }] if *blocked == expected),
        "{told:?}"
    );
}

#[test]
fn what_is_found_by_a_sweep_has_the_whole_budget() {
    let mut world = World::new([frugal(10).sweeps()]);
    let sweep = world.sweep();
    world.answer_all();
    let same = |port| {
        let mut flow = flow(1);
        flow.tuples.original.layer4 = Layer4::Ports { src: port, dst: 80 };
        flow.id = Some(FlowId(port.into()));
        flow
    };
    world.rows(sweep.id, (1..=10).map(same));
    world.end_sweep(sweep.id, true);
    world.answer("a", (0..10).map(|n| delete("d", entry(n))));
    world.ack_all();
    assert_eq!(world.outcomes(), vec!["a d applied"; 10]);
}
