//! A plugin hears what became of its verdicts, if it asks for that.

use ctwarden_engine::{Ack, Call, PluginSpec};
use ctwarden_model::{Outcome, Report, ReportBatch, VerdictKind};

use crate::words::*;
use crate::world::World;

fn told(name: &str) -> PluginSpec {
    plugin(name).with(|spec| spec.subscription.outcomes = true)
}

#[track_caller]
fn reports(world: &World, plugin: &str) -> ReportBatch {
    match world.call(plugin) {
        Some(Call::Concluded(batch)) => batch.clone(),
        call => panic!("{call:?}"),
    }
}

#[test]
fn the_end_of_a_verdict_is_reported_to_its_plugin() {
    let mut world = World::new([told("a"), told("b"), plugin("c")]);
    let said = vec![delete("done", entry(0)), block("put", "203.0.113.0/24", None), log("noise"), alert("noise", "k")];
    world.judge(new(1), [("a", said), ("b", vec![]), ("c", vec![log("noise")])]);
    assert!(world.call("a").is_none(), "nothing is known yet");
    world.ack_all();
    world.ack_all();
    let mut heard = Vec::new();
    while world.call("a").is_some() {
        let batch = reports(&world, "a");
        assert_eq!(batch.missed, 0);
        heard.extend(batch.reports);
        world.answer("a", []);
    }
    let seen: Vec<_> = heard
        .iter()
        .map(|Report { kind, code, flow, network, outcome, .. }| (*kind, code.as_str(), *flow, *network, *outcome))
        .collect();
    let network = Some("203.0.113.0/24".parse().unwrap());
    let expected = [
        (VerdictKind::Block, "put", None, network, Outcome::Applied),
        (VerdictKind::Delete, "done", Some(key_of(1)), None, Outcome::Applied),
    ];
    assert_eq!(seen, expected, "each end is reported once");
    assert!(world.call("b").is_none() && world.call("c").is_none(), "nobody else hears of it");
}

#[test]
fn a_refusal_comes_with_its_reason_and_a_selection_with_its_counts() {
    let mut world = World::new([told("a")]);
    world.judge(new(1), [("a", vec![delete("lost", entry(9)), delete("both", matching(from(1)))])]);
    let batch = reports(&world, "a");
    assert_eq!(batch.reports.len(), 1);
    assert_eq!(batch.reports[0].outcome.name(), "refused");
    assert_eq!(batch.reports[0].detail, "the batch has no entry with that index");
    world.answer("a", []);
    world.sweep_of([flow(1), flow(2)]);
    world.ack_all();
    let batch = reports(&world, "a");
    let tally = batch.reports[0].tally.as_deref().unwrap();
    assert_eq!((batch.reports[0].outcome, tally.matched, tally.applied), (Outcome::Applied, 1, 1));
}

#[test]
fn reports_and_entries_take_turns() {
    let mut world = World::new([told("a")]);
    world.judge(new(1), [("a", vec![delete("first", entry(0))])]);
    world.events([new(2)]);
    world.ack_all();
    assert_eq!(world.flows("a"), [2]);
    world.events([new(3)]);
    world.events([new(4)]);
    world.answer("a", [delete("second", entry(0))]);
    assert_eq!(reports(&world, "a").reports[0].code, "first", "entries do not keep reports waiting");
    world.ack(Ack::Done);
    world.answer("a", []);
    assert!(matches!(world.call("a"), Some(Call::Judge(_))), "reports do not keep entries waiting");
}

#[test]
fn a_chain_of_verdicts_and_reports_is_bounded() {
    let mut world = World::new([told("a")]);
    world.judge(new(1), [("a", vec![protect("again", key(1), 60)])]);
    let mut heard = 0;
    while world.call("a").is_some() {
        heard += reports(&world, "a").reports.len();
        assert!(heard <= 20_000, "the chain has no end");
        let again = vec![protect("again", key(1), 60); 100];
        world.answer("a", again);
        world.look_up_in(&[flow(1)]);
    }
    assert_eq!(heard, 20_000);
    // A report after a pause says how many were left out.
    world.pass_by_timeouts(std::time::Duration::from_secs(1));
    world.judge(new(2), [("a", vec![delete("one", entry(9))])]);
    let batch = reports(&world, "a");
    assert_eq!(batch.reports.len(), 1);
    assert!(batch.missed > 0);
}
