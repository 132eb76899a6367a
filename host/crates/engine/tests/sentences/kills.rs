//! Kills: the end of a connection, which is more than the delete of its entry.

use ctwarden_engine::{Ack, REFUSALS};
use ctwarden_model::{Block, Effect, KillRefusal, Outcome, PluginName, PolicyBlock, Refusal, SetName, VerdictKind};

use crate::words::*;
use crate::world::World;

const NO_SOCKET: Ack = Ack::NotKilled(KillRefusal::NoSocket);

#[test]
fn a_kill_is_one_effect_on_an_entry_a_key_or_a_selection() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![kill("entry", entry(0))])]);
    world.judge(new(2), [("a", vec![kill("key", key(3)), kill("selection", matching(from(4)))])]);
    assert_eq!(world.look_up_in(&[flow(3)]), 1);
    world.sweep_of([flow(4), flow(5)]);
    assert_eq!(world.effects(), [1, 3, 4].map(|n| Effect::Kill(key_of(n))));
    world.ack_all();
    assert_eq!(world.outcomes(), ["a entry applied", "a key applied", "a selection applied"]);
}

#[test]
fn a_connection_that_was_not_ended_is_a_refusal_with_its_reason() {
    let mut world = World::new([plugin("a")]);
    for why in [
        KillRefusal::NoSocket,
        KillRefusal::NoDiagnostics,
        KillRefusal::NoDestroy,
        KillRefusal::Socket(1),
        KillRefusal::NoAnswer,
    ] {
        world.judge(new(1), [("a", vec![kill("k", entry(0))])]);
        world.ack(Ack::NotKilled(why));
        assert_eq!(world.record("k").outcome, Outcome::Refused(Refusal::Kill(why)));
        assert!(world.record("k").refusal().unwrap().starts_with("only the entry was deleted"));
        world.records.clear();
    }
    assert_eq!(world.engine.status(world.now).plugins[0].verdicts.get(VerdictKind::Kill, "refused"), 5);
}

#[test]
fn a_message_reports_the_connections_that_were_not_ended() {
    let mut world = World::new([plugin("a")]);
    world.message("a", "ban");
    world.reply("a", "banned", [kill("k", matching(filter(|_| {})))]);
    world.sweep_of([flow(1), flow(2)]);
    world.ack(Ack::Done);
    world.ack(NO_SOCKET);
    let (_, outcome) = world.replied().unwrap();
    assert_eq!((outcome.flows.applied, outcome.flows.refused), (1, 1));
    assert!(outcome.refusals.len() <= REFUSALS && outcome.refusals[0].contains("no local socket"), "{outcome:?}");
}

#[test]
fn protect_beats_kill_and_kill_beats_the_rest() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![kill("a1", entry(0))]), ("b", vec![protect("b1", entry(0), 60)])]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a a1 protected", "b b1 applied"]);
    world.judge(
        new(2),
        [("a", vec![mark("a1", entry(0), 1, 1), timeout("a2", entry(0), 9)]), ("b", vec![kill("b1", entry(0))])],
    );
    assert_eq!(world.effects(), [Effect::Kill(key_of(2))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 superseded", "a a2 superseded", "b b1 applied"]);
}

#[test]
fn a_kill_and_the_delete_of_another_plugin_share_the_end() {
    for (done, killed, deleted) in [
        (Ack::Done, "applied", "applied"),
        (Ack::Gone, "gone", "gone"),
        (Ack::Replaced, "replaced", "replaced"),
        (Ack::Refused(1), "refused", "refused"),
        // The delete asked for no more than the kernel did.
        (NO_SOCKET, "refused", "applied"),
    ] {
        let mut world = World::new([plugin("a"), plugin("b"), plugin("c")]);
        world.judge(
            new(1),
            [
                ("a", vec![delete("a1", entry(0))]),
                ("b", vec![kill("b1", entry(0))]),
                ("c", vec![timeout("c1", entry(0), 0)]),
            ],
        );
        assert_eq!(world.effects(), [Effect::Kill(key_of(1))]);
        world.ack(done);
        let expected = [format!("a a1 {deleted}"), format!("b b1 {killed}"), format!("c c1 {deleted}")];
        assert_eq!(world.outcomes(), expected);
    }
}

#[test]
fn of_one_plugin_the_kill_beats_the_delete() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![delete("d", entry(0)), kill("k1", entry(0)), kill("k2", key(1))])]);
    assert_eq!(world.effects(), [Effect::Kill(key_of(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a d superseded", "a k1 applied", "a k2 superseded"]);
}

#[test]
fn a_kill_that_is_not_allowed_leaves_the_delete_a_delete() {
    let may_not = |name| plugin(name).with(|spec| spec.grants.kinds = [VerdictKind::Delete].into_iter().collect());
    let poor = plugin("poor").with(|spec| spec.limits.verdict_burst = 0);
    let mut world = World::new([plugin("a"), plugin("b").observes(), may_not("c"), poor]);
    world.judge(
        new(1),
        [
            ("a", vec![delete("a1", entry(0))]),
            ("b", vec![kill("b1", entry(0))]),
            ("c", vec![kill("c1", entry(0))]),
            ("poor", vec![kill("p1", entry(0))]),
        ],
    );
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    let expected = ["a a1 applied", "b b1 observed", "c c1 not-granted", "poor p1 over-budget"];
    assert_eq!(world.outcomes(), expected);
}

#[test]
fn a_kill_waits_for_the_blocks_of_the_same_answer() {
    let mut world = World::new([plugin("a")]);
    world.judge(
        new(1),
        [("a", vec![kill("k", entry(0)), kill("selection", matching(from(2))), block("b", "10.0.0.1", Some(60))])],
    );
    let blocked =
        Block { set: SetName("banned".into()), network: "10.0.0.1".parse().unwrap(), service: None, seconds: Some(60) };
    let blocked = PolicyBlock { policy: PluginName::new("a").unwrap(), block: blocked, reason: "b".into() };
    assert_eq!(world.effects(), [Effect::Block(blocked)]);
    assert!(world.poll_sweep().is_none());
    world.ack(Ack::Done);
    assert_eq!(world.effects(), [Effect::Kill(key_of(1))]);
    world.sweep_of([flow(2)]);
    assert_eq!(world.effects(), [Effect::Kill(key_of(1)), Effect::Kill(key_of(2))]);
}

#[test]
fn a_kill_takes_the_place_of_a_delete_that_still_waits() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0)), block("a2", "10.0.0.1", None)]);
    world.answer("b", []);
    assert_eq!(world.effects().len(), 1, "the block");
    world.message("b", "kill");
    world.reply("b", "", [kill("b1", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.effects().len(), 1, "still the block alone");
    world.ack(Ack::Done);
    assert_eq!(world.effects(), [Effect::Kill(key_of(1))]);
    world.ack(NO_SOCKET);
    assert_eq!(world.outcomes(), ["a a1 applied", "a a2 applied", "b b1 refused"]);
}

#[test]
fn a_kill_after_a_delete_that_was_sent_does_not_share_its_outcome() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![delete("a1", entry(0))]), ("b", vec![])]);
    world.message("b", "kill");
    world.reply("b", "", [kill("b1", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Kill(key_of(1))]);
    // A further delete shares the kill, which is the later one.
    world.message("a", "delete");
    world.reply("a", "", [delete("a2", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.effects().len(), 2);
    world.ack(Ack::Done);
    world.ack(Ack::Gone);
    assert_eq!(world.outcomes(), ["a a1 applied", "a a2 gone", "b b1 gone"]);
    assert!(world.engine.is_quiet());
}

#[test]
fn kills_and_deletes_spend_the_same_share_of_the_table() {
    let small = plugin("a").with(|spec| {
        spec.limits.table_share_per_minute = 10;
        spec.limits.table_share_floor = 3;
    });
    let mut world = World::new([small]);
    world.events((1..=5).map(new));
    world.answer(
        "a",
        [
            kill("k1", entry(0)),
            delete("d2", entry(1)),
            kill("k3", entry(2)),
            kill("k4", entry(3)),
            delete("d5", entry(4)),
        ],
    );
    assert_eq!(world.effects(), [Effect::Kill(key_of(1)), Effect::Delete(key_of(2)), Effect::Kill(key_of(3))]);
    world.ack_all();
    let expected = ["a d2 applied", "a d5 over-budget", "a k1 applied", "a k3 applied", "a k4 over-budget"];
    assert_eq!(world.outcomes(), expected);
}

#[test]
fn a_killed_flow_has_ended_even_if_its_connection_has_not() {
    for (done, outcome) in [(NO_SOCKET, "gone"), (Ack::Refused(1), "applied")] {
        let mut world = World::new([plugin("a")]);
        world.events([new(1), new(2)]);
        world.answer("a", [kill("k", entry(0))]);
        world.ack(done);
        // The plugin has seen no later entry of the flow.
        world.judge(new(3), [("a", vec![mark("m", key(1), 1, 1)])]);
        let later = if outcome == "gone" { vec![] } else { vec![flow(1)] };
        world.look_up_in(&later);
        world.ack_all();
        assert_eq!(world.record("m").outcome.to_string(), outcome);
    }
}

#[test]
fn a_kill_needs_a_flow() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![kill("k", ctwarden_model::Target::None)])]);
    assert_eq!(world.record("k").outcome, Outcome::Refused(Refusal::WrongTarget));
    assert_eq!(world.effects(), []);
}
