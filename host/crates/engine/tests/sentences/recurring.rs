//! Keys that come back: a new flow with the tuple, the zone and the id of a flow that has ended.
//!
//! Linux computes the id from the place of the entry in memory and from its tuple. Only the order of reception, and the
//! time at which an entry began, tell the two flows apart.

use core::time::Duration;

use ctwarden_engine::{Ack, EngineConfig};
use ctwarden_model::{Effect, Flow, Timestamp, Update, Verdict};

use crate::words::*;
use crate::world::World;

/// One verdict of each kind that acts on a flow.
fn each(target: &ctwarden_model::Target) -> Vec<Verdict> {
    vec![
        delete("d", target.clone()),
        mark("m", target.clone(), 1, 1),
        labels("l", target.clone(), 1, 0),
        timeout("t", target.clone(), 600),
        timeout("t0", target.clone(), 0),
        protect("p", target.clone(), 60),
    ]
}

fn all(outcome: &str) -> Vec<String> {
    ["d", "l", "m", "p", "t", "t0"].map(|code| format!("a {code} {outcome}")).to_vec()
}

fn without_ends(name: &str) -> ctwarden_engine::PluginSpec {
    plugin(name).with(|spec| spec.subscription.kinds.destroy = false)
}

fn marked(n: u8) -> Effect {
    Effect::Update(Update { key: key_of(n), mark: Some(masked(1, 1)), labels: None, timeout: None })
}

#[test]
fn an_entry_that_has_ended_since_is_not_taken_for_the_next_of_its_name() {
    for (table, outcome) in [(vec![flow(1)], "replaced"), (vec![], "gone")] {
        let mut world = World::new([plugin("a")]);
        world.events([new(1)]);
        world.events([destroy(1), new(1)]);
        world.answer("a", each(&entry(0)));
        assert_eq!(world.effects(), []);
        assert_eq!(world.look_up_in(&table), 1);
        assert_eq!(world.effects(), []);
        assert_eq!(world.outcomes(), all(outcome));
        assert_eq!(world.engine.status(world.now).protections, 0);
    }
}

#[test]
fn an_end_that_nobody_subscribes_to_counts() {
    let mut world = World::new([without_ends("a")]);
    world.events([new(1)]);
    world.engine.handle_end(world.now, &key_of(1));
    world.answer("a", each(&entry(0)));
    world.look_up_in(&[flow(1)]);
    assert_eq!((world.effects(), world.outcomes()), (vec![], all("replaced")));
    // An end that arrives as an event counts too, even if no plugin subscribes to it and our own change caused it.
    let mut world = World::new([without_ends("a")]);
    let mut own = destroy(1);
    own.by_us = true;
    world.events([new(1)]);
    world.events([own]);
    world.answer("a", each(&entry(0)));
    world.look_up_in(&[flow(1)]);
    assert_eq!((world.effects(), world.outcomes()), (vec![], all("replaced")));
}

#[test]
fn in_one_batch_the_place_tells_which_flow_is_meant() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1), destroy(1), new(1)]);
    world.answer("a", [mark("old", entry(0), 2, 2), mark("new", entry(2), 1, 1)]);
    assert_eq!(world.look_up_in(&[flow(1)]), 0);
    assert_eq!(world.effects(), [marked(1)]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a new applied", "a old replaced"]);
    // If no verdict names the new flow, the key of the old flow is looked up.
    world.events([new(1), destroy(1), new(1)]);
    world.answer("a", [mark("old", entry(0), 2, 2)]);
    assert_eq!(world.look_up_in(&[flow(1)]), 1);
    assert_eq!((world.effects(), world.outcomes()), (vec![], vec!["a old replaced".to_owned()]));
    // A key means the last flow with this key in the batch.
    world.events([new(1), destroy(1), new(1)]);
    world.answer("a", [mark("key", key(1), 1, 1)]);
    assert_eq!(world.effects(), [marked(1)]);
}

#[test]
fn a_key_is_of_the_flow_that_its_plugin_was_last_told_of() {
    let mut world = World::new([without_ends("a"), plugin("b")]);
    let key_says = |world: &mut World, code: &str| {
        world.message("a", "word");
        world.reply("a", "", [mark(code, key(1), 1, 1)]);
        world.look_up_in(&[flow(1)]);
        world.ack_all();
        world.outcomes()
    };
    world.judge(new(1), [("a", vec![]), ("b", vec![])]);
    assert_eq!(key_says(&mut world, "lives"), ["a lives applied"]);
    world.events([destroy(1)]);
    assert_eq!(key_says(&mut world, "ended"), ["a ended replaced"]);
    // The plugin does not receive the entry of the next flow, because it did not subscribe to ctwarden's own changes.
    world.answer("b", []);
    world.events([ctwarden_model::Event { by_us: true, ..new(1) }]);
    assert_eq!(key_says(&mut world, "untold"), ["a untold replaced"]);
    // An entry that waits in the queue is not yet known to the plugin.
    world.message("a", "word");
    world.events([new(1)]);
    world.reply("a", "", [mark("waits", key(1), 1, 1)]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.outcomes(), ["a waits replaced"]);
    world.answer("a", []);
    assert_eq!(key_says(&mut world, "told"), ["a told applied"]);
}

#[test]
fn an_older_event_that_comes_late_is_no_word_of_the_next_flow() {
    let mut world = World::new([without_ends("a")]);
    world.events([new(9)]);
    world.events([new(1)]);
    world.engine.handle_end(world.now, &key_of(1));
    // The plugin now receives the event from before the end.
    world.answer("a", []);
    world.answer("a", []);
    world.message("a", "word");
    world.reply("a", "", [delete("d", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!((world.effects(), world.outcomes()), (vec![], vec!["a d replaced".to_owned()]));
}

#[test]
fn what_we_have_deleted_ourselves_has_ended_also_where_no_event_says_so() {
    let mut world = World::new([without_ends("a"), without_ends("b")]);
    world.judge(new(1), [("a", vec![delete("d", entry(0))]), ("b", vec![])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a d applied"]);
    world.message("b", "word");
    world.reply("b", "", [delete("e", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!((world.effects(), world.outcomes()), (vec![], vec!["b e replaced".to_owned()]));
    // The plugin has received an entry of the next flow, so its verdict may be about that flow.
    world.judge(new(1), [("a", vec![]), ("b", vec![delete("f", entry(0))])]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn a_delete_that_was_refused_has_ended_nothing() {
    for ack in [Ack::Refused(16), Ack::NoAnswer] {
        let mut world = World::new([plugin("a")]);
        world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
        world.ack(ack);
        world.message("a", "word");
        world.reply("a", "", [mark("m", key(1), 1, 1)]);
        world.look_up_in(&[flow(1)]);
        assert_eq!(world.effects(), [marked(1)]);
    }
}

#[test]
fn who_wants_the_delete_that_is_on_its_way_shares_its_outcome() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0))]);
    world.pass_millis(2);
    world.answer("b", [delete("b1", entry(0)), mark("b2", entry(0), 1, 1)]);
    world.message("b", "word");
    world.reply("b", "", [delete("b3", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "b b1 applied", "b b2 superseded", "b b3 applied"]);
}

#[test]
fn a_row_is_of_the_flow_that_lived_when_its_sweep_began() {
    let wants = || without_ends("a").sweeps();
    let sweep_and_say = |world: &mut World, row: Flow| {
        let sweep = world.sweep().id;
        world.answer_all();
        world.rows(sweep, [row]);
        (sweep, world.engine.handle_end(world.now, &key_of(1)))
    };
    // Nothing tells whether the row was read before the end or after it.
    let mut world = World::new([wants()]);
    let (sweep, ()) = sweep_and_say(&mut world, flow(1));
    world.end_sweep(sweep, true);
    world.answer("a", [delete("d", entry(0))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!((world.effects(), world.outcomes()), (vec![], vec!["a d replaced".to_owned()]));
    // The flow ended before the sweep began, so the row shows the next flow.
    world.pass(Duration::from_secs(60));
    world.message("a", "word");
    world.answer_all();
    world.overrun();
    world.answer_all();
    let sweep = world.sweep().id;
    world.answer_all();
    world.rows(sweep, [flow(1)]);
    world.end_sweep(sweep, true);
    world.answer("a", [delete("d", entry(0))]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    // The row itself tells that its flow began after the end.
    let mut world = World::new([wants()]);
    let mut later = flow(1);
    later.started = Some(Timestamp(world.now.wall.0 + 1));
    let (sweep, ()) = sweep_and_say(&mut world, later);
    world.end_sweep(sweep, true);
    world.answer("a", [delete("d", entry(0))]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn an_end_while_the_entry_is_asked_for_counts() {
    for (table, outcome) in [(vec![flow(1)], "a d replaced"), (vec![], "a d gone")] {
        let mut world = World::new([plugin("a")]);
        world.judge(new(9), [("a", vec![delete("d", key(1))])]);
        let lookups = world.lookups();
        world.engine.handle_end(world.now, &key_of(1));
        // The entry was read before the end, or after it and is the next flow.
        world.looked_up(lookups[0], Some(flow(1)));
        assert_eq!(world.effects(), []);
        assert_eq!(world.look_up_in(&table), 1);
        assert_eq!((world.effects(), world.outcomes()), (vec![], vec![outcome.to_owned()]));
    }
}

#[test]
fn an_end_while_others_are_waited_for_counts() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [mark("m", entry(0), 1, 1)]);
    world.engine.handle_end(world.now, &key_of(1));
    world.answer("b", []);
    assert_eq!(world.effects(), []);
    assert_eq!(world.look_up_in(&[flow(1)]), 1);
    assert_eq!((world.effects(), world.outcomes()), (vec![], vec!["a m replaced".to_owned()]));
}

#[test]
fn an_entry_that_began_after_the_plugin_was_called_is_another() {
    let say = |began: i64, asked: u64| {
        let mut world = World::new([plugin("a")]);
        world.message("a", "word");
        let called = world.now.wall.0;
        world.pass_millis(asked);
        world.reply("a", "", [mark("m", key(1), 1, 1)]);
        let mut found = flow(1);
        found.started = Some(Timestamp(called.checked_add_signed(began).unwrap()));
        world.look_up_in(&[found]);
        world.ack_all();
        world.outcomes()
    };
    assert_eq!(say(-1, 10), ["a m applied"]);
    assert_eq!(say(0, 10), ["a m applied"]);
    assert_eq!(say(1, 10), ["a m replaced"]);
    // A flow cannot begin in the future, so the clock was set back.
    assert_eq!(say(11_000_000, 10), ["a m applied"]);
}

#[test]
fn a_selection_means_whatever_matches() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1)]);
    world.engine.handle_end(world.now, &key_of(1));
    world.answer("a", [delete("d", matching(from(1)))]);
    world.sweep_of([flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn old_ends_are_forgotten() {
    let mut world = World::new([without_ends("a")]);
    world.judge(new(1), [("a", vec![])]);
    world.engine.handle_end(world.now, &key_of(1));
    for n in 0..20_000 {
        let key = ctwarden_model::FlowKey { id: ctwarden_model::FlowId(n + 1_000), ..key_of(2) };
        world.engine.handle_end(world.now, &key);
    }
    world.message("a", "word");
    world.reply("a", "", [delete("d", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn a_late_verdict_does_not_hit_the_next_flow_when_our_own_delete_has_no_answer() {
    let config = EngineConfig { protect: vec![filter(|f| f.mark = Some(masked(4, 4)))], ..EngineConfig::default() };
    let mut world = World::with(config, [plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0))]);
    world.pass_millis(2);
    let asked = world.lookups();
    world.looked_up(asked[0], Some(flow(1)));
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    // The flow ends by itself. The answer to the delete is lost.
    world.events([destroy(1)]);
    world.pass_millis(4_900);
    world.answer("b", [mark("b1", entry(0), 1, 1)]);
    let asked = world.lookups();
    world.pass_millis(200);
    world.effects.clear();
    // The entry that has the key now began later, and got the same id.
    world.looked_up(asked[0], Some(flow(1)));
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a a1 refused", "b b1 replaced"]);
}
