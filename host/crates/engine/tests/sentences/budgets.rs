//! How much a plugin may do, and what happens to one that always does too much.

use core::time::Duration;

use ctwarden_engine::{BreakerStatus, EngineConfig};
use ctwarden_model::{Effect, Mode, Notice};

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
fn a_timeout_of_no_seconds_counts_as_a_delete() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.table_share_per_minute = 1;
        spec.limits.table_share_floor = 1;
    })]);
    world.events([new(1), new(2), new(3)]);
    world.answer("a", [timeout("t1", entry(0), 0), timeout("t2", entry(1), 0), timeout("t3", entry(2), 1)]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a t1 applied", "a t2 over-budget", "a t3 applied"]);
}

#[test]
fn a_selection_is_limited_row_by_row() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.table_share_per_minute = 1;
        spec.limits.table_share_floor = 2;
    })]);
    world.judge(new(1), [("a", vec![delete("d", matching(filter(|_| {})))])]);
    world.sweep_of((1..=5).map(flow));
    world.ack_all();
    let tally = world.record("d").tally.unwrap();
    assert_eq!((tally.matched, tally.applied, tally.over_budget), (5, 2, 3));
    assert_eq!(world.outcomes(), ["a d applied"]);
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
    assert!(matches!(breaker(&world), BreakerStatus::Open { .. }));
    let opened = Notice::BreakerOpened(plugin("a").name, EngineConfig::default().breaker.observe_for);
    assert_eq!(world.notices(), std::slice::from_ref(&opened));
    world.outcomes();
    world.judge(new(3), [("a", vec![delete("d", entry(0))])]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.record("d").mode, Mode::Observe);
    assert_eq!(world.outcomes(), ["a d observed"]);
    world.pass_by_timeouts(EngineConfig::default().breaker.observe_for);
    assert_eq!(world.notices(), [opened, Notice::BreakerClosed(plugin("a").name)]);
    world.judge(new(3), [("a", vec![delete("d", entry(0))])]);
    world.ack_all();
    assert_eq!(world.record("d").mode, Mode::Enforce);
    assert_eq!(world.outcomes(), ["a d applied"]);
}
