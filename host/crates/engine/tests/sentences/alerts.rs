//! Alerts and logs: repeated alerts, budgets, and plugins that only observe.

use core::time::Duration;

use crate::words::*;
use crate::world::World;

#[test]
fn the_same_key_is_one_alert_in_the_window() {
    let mut world = World::new([plugin("a"), plugin("b").observes()]);
    world.judge(
        new(1),
        [
            ("a", vec![alert("a1", "x"), alert("a2", "x"), alert("a3", "y")]),
            ("b", vec![alert("b1", "x"), alert("b2", "x")]),
        ],
    );
    assert_eq!(world.shown_alerts(), 3);
    assert_eq!(
        world.outcomes(),
        ["a a1 applied", "a a2 superseded", "a a3 applied", "b b1 observed", "b b2 superseded"]
    );
    world.pass(Duration::from_secs(60));
    world.judge(new(1), [("a", vec![alert("a4", "x")]), ("b", vec![])]);
    assert_eq!(world.outcomes(), ["a a4 applied"]);
}

#[test]
fn too_many_alerts_are_over_budget_and_logs_never_are() {
    let mut world = World::new([plugin("a").with(|spec| spec.limits.alert_burst = 3)]);
    let alerts = (0..10).map(|n| alert("alert", &format!("k{n}")));
    world.judge(new(1), [("a", alerts.chain((0..10).map(|_| log("log"))).collect())]);
    assert_eq!((world.shown_alerts(), world.logs()), (3, 10));
    let outcomes = world.outcomes();
    assert_eq!(outcomes.iter().filter(|told| *told == "a alert over-budget").count(), 7);
    assert_eq!(outcomes.iter().filter(|told| *told == "a log applied").count(), 10);
}

#[test]
fn alerts_do_not_wait_for_the_merge() {
    let mut world = World::new([plugin("a"), plugin("slow")]);
    world.events([new(1)]);
    world.answer("a", [alert("a1", "x"), log("a2")]);
    assert_eq!(world.outcomes(), ["a a1 applied", "a a2 applied"]);
}

#[test]
fn alerts_never_trip_the_breaker() {
    let mut world = World::new([plugin("a").with(|spec| spec.limits.alert_burst = 0)]);
    for n in 0..60 {
        world.judge(new(1), [("a", vec![alert("a", &format!("{n}"))])]);
        world.pass_millis(1_000);
    }
    assert_eq!(world.notices(), []);
}
