//! The merge of the verdicts of several plugins on one flow.

use ctwarden_engine::{Ack, Output, TableReader};
use ctwarden_model::{Effect, LabelChange, Update};

use crate::words::*;
use crate::world::World;

fn update(n: u8) -> Update {
    Update { key: key_of(n), mark: None, labels: None, timeout: None }
}

#[test]
fn marks_labels_and_timeout_of_one_flow_become_one_update() {
    let mut world = World::new([plugin("a").marks_only(0xff), plugin("b").marks_only(0xff00)]);
    world.judge(
        new(1),
        [
            ("a", vec![mark("a1", entry(0), 0x1, 0xff), labels("a2", entry(0), 0b10, 0)]),
            ("b", vec![mark("b1", entry(0), 0x200, 0xff00), timeout("b2", entry(0), 30)]),
        ],
    );
    let merged = Update {
        mark: Some(masked(0x201, 0xffff)),
        labels: Some(LabelChange { set: 0b10, clear: 0 }),
        timeout: Some(30),
        ..update(1)
    };
    assert_eq!(world.effects(), [Effect::Update(merged)]);
    world.ack(Ack::Done);
    assert_eq!(world.outcomes(), ["a a1 applied", "a a2 applied", "b b1 applied", "b b2 applied"]);
}

#[test]
fn delete_beats_the_rest() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(
        new(1),
        [("a", vec![mark("a1", entry(0), 1, 1), timeout("a2", entry(0), 9)]), ("b", vec![delete("b1", entry(0))])],
    );
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack(Ack::Gone);
    assert_eq!(world.outcomes(), ["a a1 superseded", "a a2 superseded", "b b1 gone"]);
}

#[test]
fn protect_beats_delete_and_marks() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(
        new(1),
        [("a", vec![delete("a1", entry(0)), mark("a2", entry(0), 1, 1)]), ("b", vec![protect("b1", entry(0), 60)])],
    );
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a a1 protected", "a a2 protected", "b b1 applied"]);
}

#[test]
fn equal_deletes_of_two_plugins_are_one_effect_with_one_outcome() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![delete("a1", entry(0))]), ("b", vec![delete("b1", key(1))])]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack(Ack::Replaced);
    assert_eq!(world.outcomes(), ["a a1 replaced", "b b1 replaced"]);
}

#[test]
fn what_one_plugin_says_twice_is_superseded() {
    let mut world = World::new([plugin("a")]);
    world.judge(
        new(1),
        [(
            "a",
            vec![
                mark("m1", entry(0), 0x1, 0x0f),
                mark("m2", entry(0), 0x22, 0xff),
                timeout("t1", entry(0), 5),
                timeout("t2", entry(0), 3),
            ],
        )],
    );
    let last = Update { mark: Some(masked(0x22, 0xff)), timeout: Some(3), ..update(1) };
    assert_eq!(world.effects(), [Effect::Update(last)]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a m1 superseded", "a m2 applied", "a t1 superseded", "a t2 applied"]);
    world.judge(new(2), [("a", vec![delete("d1", entry(0)), delete("d2", key(2))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a d1 applied", "a d2 superseded"]);
}

#[test]
fn marks_of_one_plugin_merge_by_mask() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![mark("m1", entry(0), 0x1, 0x0f), mark("m2", entry(0), 0x20, 0xf0)])]);
    assert_eq!(world.effects(), [Effect::Update(Update { mark: Some(masked(0x21, 0xff)), ..update(1) })]);
}

#[test]
fn of_two_timeouts_the_longer_does_less_harm() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![timeout("a1", entry(0), 5)]), ("b", vec![timeout("b1", entry(0), 500)])]);
    assert_eq!(world.effects(), [Effect::Update(Update { timeout: Some(500), ..update(1) })]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 superseded", "b b1 applied"]);
}

#[test]
fn a_timeout_of_zero_is_a_delete() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(
        new(1),
        [
            ("a", vec![timeout("a1", entry(0), 0)]),
            ("b", vec![timeout("b1", entry(0), 500), mark("b2", entry(0), 1, 1)]),
        ],
    );
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack(Ack::Gone);
    assert_eq!(world.outcomes(), ["a a1 gone", "b b1 superseded", "b b2 superseded"]);
    // A timeout of 0 and a delete share one effect, which waits for the blocks of the answer.
    world.judge(
        new(2),
        [("a", vec![timeout("a1", entry(0), 0), block("a2", "10.0.0.2", None)]), ("b", vec![delete("b1", entry(0))])],
    );
    assert!(world.effects().iter().all(|effect| matches!(effect, Effect::Block(_))));
    world.ack(Ack::Done);
    assert_eq!(world.effects(), [Effect::Delete(key_of(2))]);
    world.ack(Ack::Done);
    assert_eq!(world.outcomes(), ["a a1 applied", "a a2 applied", "b b1 applied"]);
}

#[test]
fn an_update_tells_when_its_flow_was_seen() {
    let mut world = World::new([plugin("a")]);
    world.events([new(9)]);
    let seen = world.now.steady;
    world.events([new(1)]);
    world.pass_millis(500);
    world.answer("a", []);
    let call = world.take_call("a");
    let verdicts = vec![mark("old", entry(0), 1, 1), mark("key", key(3), 1, 1)];
    world.engine.handle_answer(world.now, call, ctwarden_engine::Answer::Verdicts(verdicts));
    let effect = |world: &mut World| match world.engine.poll(TableReader::Busy) {
        Some(Output::Effect(_, effect)) => effect,
        other => panic!("no effect but {other:?}"),
    };
    assert_eq!(effect(&mut world).seen(), Some(seen), "when the event came, however long it waited");
    let lookup = world.lookups()[0];
    let asked = world.now.steady;
    world.now.steady = asked.plus(core::time::Duration::from_millis(3));
    world.engine.handle_lookup(world.now, lookup, ctwarden_engine::Looked::Found(Box::new(flow(3))));
    assert_eq!(effect(&mut world).seen(), Some(asked), "when the kernel was asked");
}

#[test]
fn who_only_observes_or_is_not_granted_beats_nobody() {
    let not_granted = plugin("c").with(|spec| spec.grants.kinds = [].into_iter().collect());
    let mut world = World::new([plugin("a"), plugin("b").observes(), not_granted]);
    world.judge(
        new(1),
        [
            ("b", vec![delete("b1", entry(0)), protect("b2", entry(0), 60), mark("b3", entry(0), 2, 2)]),
            ("c", vec![delete("c1", entry(0)), protect("c2", entry(0), 60)]),
            ("a", vec![mark("a1", entry(0), 1, 1)]),
        ],
    );
    assert_eq!(world.effects(), [Effect::Update(Update { mark: Some(masked(1, 1)), ..update(1) })]);
    world.ack_all();
    assert_eq!(
        world.outcomes(),
        [
            "a a1 applied",
            // The observed protection holds for the verdicts of the same plugin.
            "b b1 protected",
            "b b2 observed",
            "b b3 protected",
            "c c1 not-granted",
            "c c2 not-granted"
        ]
    );
}

#[test]
fn who_is_over_budget_beats_nobody() {
    let poor = plugin("b").with(|spec| spec.limits.verdict_burst = 0);
    let mut world = World::new([plugin("a"), poor]);
    world.judge(new(1), [("a", vec![mark("a1", entry(0), 1, 1)]), ("b", vec![delete("b1", entry(0))])]);
    assert_eq!(world.effects(), [Effect::Update(Update { mark: Some(masked(1, 1)), ..update(1) })]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "b b1 over-budget"]);
}

#[test]
fn flows_with_the_same_tuple_and_another_id_are_other_flows() {
    let mut successor = new(1);
    successor.flow.id = Some(ctwarden_model::FlowId(77));
    let successor_key = successor.flow.key();
    let mut world = World::new([plugin("a")]);
    world.events([new(1), successor]);
    world.answer("a", [delete("old", entry(0)), mark("new", entry(1), 1, 1)]);
    assert_eq!(
        world.effects(),
        [
            Effect::Delete(key_of(1)),
            Effect::Update(Update { key: successor_key, mark: Some(masked(1, 1)), labels: None, timeout: None })
        ]
    );
}

#[test]
fn a_flow_that_ended_in_the_batch_is_gone_without_asking_the_kernel() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1), destroy(1)]);
    world.answer("a", [delete("d", entry(1)), mark("m", entry(0), 1, 1)]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a d gone", "a m gone"]);
}

#[test]
fn a_kernels_no_is_a_refusal_with_its_number() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![labels("l", entry(0), 1, 0)])]);
    world.ack(Ack::Refused(28));
    let record = world.record("l");
    assert_eq!(record.outcome.to_string(), "refused");
    assert_eq!(record.outcome, ctwarden_model::Outcome::Refused(ctwarden_model::Refusal::Kernel(28)));
    assert_eq!(record.flow, Some(key_of(1)));
}

#[test]
fn an_effect_without_an_answer_ends_in_time() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    world.pass_millis(4_999);
    assert_eq!(world.outcomes(), [""; 0]);
    world.pass_by_timeouts(core::time::Duration::from_millis(1));
    assert_eq!(world.outcomes(), ["a d refused"]);
    world.ack(Ack::Done);
    assert_eq!(world.outcomes(), [""; 0], "a late answer makes no second record");
    // The flow can be deleted again.
    world.judge(new(1), [("a", vec![delete("again", entry(0))])]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}
