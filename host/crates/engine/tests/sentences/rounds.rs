//! When verdicts on shared entries are merged, and what happens to late verdicts.

use ctwarden_engine::{Answer, Call};
use ctwarden_model::{Cause, Effect, EventKind, EventKinds, Extent, Fault, Notice};

use crate::words::*;
use crate::world::{World, kinds};

#[test]
fn a_round_waits_for_all_who_were_handed_a_part() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [mark("a1", entry(0), 1, 1)]);
    assert_eq!(world.effects(), []);
    world.answer("b", []);
    assert_eq!(world.effects().len(), 1);
}

#[test]
fn it_does_not_wait_for_a_slow_one() {
    let mut world = World::new([plugin("a"), plugin("slow")]);
    world.events([new(1)]);
    world.answer("a", [mark("a1", entry(0), 1, 1)]);
    world.pass_millis(1);
    assert_eq!(world.effects(), []);
    world.pass_by_timeouts(core::time::Duration::from_millis(1));
    assert_eq!(world.effects().len(), 1);
    // The late answer is merged on its own.
    world.answer("slow", [delete("s1", entry(0))]);
    assert_eq!(world.effects().len(), 2);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "slow s1 applied"]);
}

#[test]
fn a_late_verdict_on_a_flow_that_the_round_has_ended_is_superseded_or_shares_the_delete() {
    let mut world = World::new([plugin("a"), plugin("b"), plugin("c")]);
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0))]);
    world.pass_millis(2);
    world.answer("b", [delete("b1", entry(0)), mark("b2", entry(0), 1, 1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "b b1 applied", "b b2 superseded"]);
    world.answer("c", [delete("c1", entry(0)), mark("c2", entry(0), 1, 1)]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["c c1 superseded", "c c2 superseded"]);
}

#[test]
fn a_round_does_not_wait_for_who_failed() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0))]);
    world.fault("b");
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn each_sees_what_it_subscribed_to_by_indices_of_its_own() {
    let narrow = plugin("b").with(|spec| spec.subscription.filters = vec![from(2), from(4)]);
    let news = plugin("c").with(|spec| {
        spec.subscription.kinds.destroy = false;
        spec.subscription.kinds.update = false;
    });
    let mut world = World::new([plugin("a"), narrow, news]);
    world.events([new(1), new(2), destroy(3), new(4)]);
    assert_eq!(world.flows("a"), [1, 2, 3, 4]);
    assert_eq!(world.flows("b"), [2, 4]);
    assert_eq!(world.flows("c"), [1, 2, 4]);
    assert_eq!(kinds(world.batch("a"))[2], EventKind::Destroy);
    world.answer("a", []);
    world.answer("b", [delete("b1", entry(1)), delete("b2", entry(2))]);
    world.answer("c", [delete("c1", entry(1))]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(4)), Effect::Delete(key_of(2))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["b b1 applied", "b b2 refused", "c c1 applied"]);
}

#[test]
fn own_changes_come_back_only_where_wanted() {
    let wants = plugin("b").with(|spec| spec.subscription.own_changes = true);
    let mut world = World::new([plugin("a"), wants]);
    let mut own = event(EventKind::Update, 1);
    own.by_us = true;
    world.events([own]);
    assert!(world.call("a").is_none());
    assert_eq!(world.flows("b"), [1]);
}

#[test]
fn own_ends_are_told_of_only_where_one_plugin_wants_both() {
    let own = |name| plugin(name).with(|spec| spec.subscription.own_changes = true);
    let without_ends = own("a").with(|spec| spec.subscription.kinds.destroy = false);
    let mut world = World::new([without_ends.clone(), plugin("b")]);
    assert!(world.engine.subscribed().kinds.destroy && !world.engine.subscribed().own_ends);
    assert!(World::new([without_ends, own("b")]).engine.subscribed().own_ends);
    // An end that no plugin receives counts as an event too.
    world.events([new(1)]);
    world.engine.handle_end(world.now, &key_of(2));
    assert_eq!(world.engine.status(world.now).events, 2);
}

#[test]
fn events_pile_up_into_one_batch_while_the_plugin_is_busy() {
    let mut world = World::new([plugin("a")]);
    for n in 1..=9 {
        world.events([new(n)]);
    }
    assert_eq!(world.flows("a"), [1]);
    world.answer("a", []);
    assert_eq!(world.flows("a"), [2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_call_has_no_more_entries_than_configured() {
    let config = bounded(|bounds| bounds.batch_entries = 4);
    let mut world = World::with(config, [plugin("a")]);
    world.events((1..=10).map(new));
    let mut seen = Vec::new();
    while world.call("a").is_some() {
        seen.push(world.flows("a").len());
        world.answer("a", []);
    }
    assert_eq!(seen, [4, 4, 2]);
}

#[test]
fn a_plugin_has_one_call_at_a_time_and_all_get_their_turn() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.events([new(2)]);
    assert_eq!(world.calls.len(), 2);
    world.answer("a", []);
    world.answer("b", []);
    assert_eq!((world.flows("a"), world.flows("b")), (vec![2], vec![2]));
}

#[test]
fn a_full_queue_drops_the_oldest_tells_it_and_asks_for_a_sweep() {
    let slow = plugin("slow").sweeps().queues(5);
    let mut world = World::new([slow, plugin("quick")]);
    world.sweep_of([]);
    world.answer_all();
    for n in 1..=20 {
        world.events([new(n)]);
        world.answer("quick", []);
    }
    assert_eq!(world.flows("slow"), [1]);
    assert_eq!(world.engine.status(world.now).plugins[0].queue_entries, 5);
    world.answer("slow", []);
    assert_eq!((world.batch("slow").missed, world.flows("slow")), (14, vec![16]));
    world.answer("slow", []);
    assert_eq!((world.batch("slow").missed, world.flows("slow")), (0, vec![17]));
    world.pass_millis(1_000);
    assert!(world.poll_sweep().is_none(), "its queue has not drained");
    for _ in 17..=20 {
        world.answer("slow", []);
    }
    assert!(world.poll_sweep().is_some());
    world.pump();
    assert_eq!(world.cause("slow"), Cause::SweepBegin(Extent::Subscribed));
    let missed = |notice: &Notice| if let Notice::Missed(_, entries) = notice { *entries } else { 0 };
    let missed: u64 = world.notices().iter().map(missed).sum();
    assert_eq!(missed, 14);
}

#[test]
fn an_answer_to_no_call_changes_nothing() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1)]);
    let call = world.take_call("a");
    world.engine.handle_answer(world.now, call, Answer::Verdicts(vec![delete("d", entry(0))]));
    for answer in [Answer::Verdicts(vec![delete("e", entry(0))]), Answer::Fault(Fault::Exited(1))] {
        world.engine.handle_answer(world.now, call, answer);
    }
    world.pump();
    world.ack_all();
    assert_eq!(world.outcomes(), ["a d applied"]);
}

#[test]
fn a_backlog_of_effects_holds_calls_back() {
    let config = bounded(|bounds| bounds.backlog = 2);
    let mut world = World::with(config, [plugin("a")]);
    world.events([new(1), new(2)]);
    world.answer("a", [delete("1", entry(0)), delete("2", entry(1))]);
    world.events([new(3)]);
    assert!(world.call("a").is_none());
    world.ack_all();
    world.pump();
    assert!(matches!(world.call("a"), Some(Call::Judge(_))));
}

#[test]
fn what_has_to_be_listened_to_is_what_anybody_wants() {
    let narrow = |name: &str, n: u8| plugin(name).with(|spec| spec.subscription.filters = vec![from(n)]);
    let rows_only =
        plugin("c").with(|spec| spec.subscription.kinds = EventKinds { row: true, ..EventKinds::default() });
    let world = World::new([narrow("a", 1), narrow("b", 2), rows_only]);
    assert_eq!(world.engine.subscribed().filters, [from(1), from(2)]);
    let world = World::new([narrow("a", 1), plugin("b")]);
    assert_eq!(world.engine.subscribed().filters, [], "one that wants every event wants every event");
}
