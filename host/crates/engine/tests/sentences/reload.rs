//! Reloads: a new set of plugins replaces the old one.

use core::time::Duration;

use ctwarden_engine::{Ack, Answer, EngineConfig};
use ctwarden_model::{Cause, Effect, Extent, Outcome, Refusal};

use crate::words::*;
use crate::world::World;

#[test]
fn late_answers_of_old_plugins_are_refused_and_pending_effects_kept() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![delete("before", entry(0))]), ("b", vec![])]);
    world.events([new(2)]);
    world.answer("a", [mark("merged", entry(0), 1, 1)]);
    let late = world.take_call("b");
    world.configure(EngineConfig::default(), [plugin("b")]);
    assert_eq!(world.effects.len(), 2, "what was answered before is arbitrated by the old rules");
    world.engine.handle_answer(world.now, late, Answer::Verdicts(vec![delete("late", entry(0)), log("late-log")]));
    world.pump();
    assert_eq!(world.record("late").outcome, Outcome::Refused(Refusal::PluginGone));
    assert_eq!(world.record("late").flow, Some(key_of(2)));
    world.ack_all();
    assert_eq!(world.outcomes(), ["a before applied", "a merged applied", "b late refused", "b late-log refused"]);
    world.events([new(3)]);
    assert_eq!(world.flows("b"), [3]);
}

#[test]
fn ids_are_never_given_twice_and_a_sweep_comes_at_once() {
    let mut world = World::new([plugin("a").sweeps()]);
    world.sweep_of([flow(1)]);
    world.answer_all();
    world.configure(EngineConfig::default(), [plugin("a").sweeps()]);
    assert_eq!(world.names.len(), 2);
    world.sweep_of([flow(1)]);
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Subscribed));
}

#[test]
fn what_waits_goes_to_the_new_plugin_of_the_name() {
    let mut world = World::new([plugin("a").queues(100), plugin("gone")]);
    world.events([new(1)]);
    world.answer("gone", []);
    world.events([new(2)]);
    let ticket = world.message("gone", "hello");
    let late = world.take_call("a");
    world.configure(EngineConfig::default(), [plugin("a")]);
    assert_eq!(world.flows("a"), [2]);
    let (told, outcome) = world.replied().unwrap();
    assert_eq!((told, outcome.result.is_err()), (ticket, true));
    world.engine.handle_answer(world.now, late, Answer::Verdicts(Vec::new()));
}

#[test]
fn protections_outlive_the_plugin_that_asked_for_them() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![protect("p", entry(0), 60)])]);
    world.configure(EngineConfig::default(), [plugin("b")]);
    world.judge(new(1), [("b", vec![delete("d", entry(0))])]);
    assert_eq!(world.outcomes(), ["a p applied", "b d protected"]);
}

#[test]
fn selections_and_lookups_of_old_plugins_end() {
    let config = EngineConfig { protect: vec![filter(|f| f.mark = Some(masked(1, 1)))], ..EngineConfig::default() };
    let mut world = World::with(config, [plugin("a")]);
    world.events([new(1)]);
    world
        .answer("a", [delete("s", matching(from(1))), delete("doubtful", entry(0)), sweep("asked", matching(from(3)))]);
    let id = world.sweep().id;
    world.events([new(9)]);
    world.configure(EngineConfig::default(), [plugin("a")]);
    world.rows(id, [flow(1)]);
    world.end_sweep(id, true);
    assert_eq!(world.effects(), []);
    for code in ["s", "doubtful", "asked"] {
        assert_eq!(world.record(code).outcome, Outcome::Refused(Refusal::PluginGone), "{code}");
    }
}

#[test]
fn a_selection_under_way_tells_what_it_did() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![delete("s", matching(filter(|_| {})))])]);
    let id = world.sweep().id;
    world.rows(id, [flow(1)]);
    world.configure(EngineConfig::default(), [plugin("a")]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack(Ack::Done);
    assert_eq!(world.outcomes(), ["a s applied"]);
}

#[test]
fn a_budget_is_not_filled_by_a_reload() {
    let poor = || {
        plugin("a").with(|spec| {
            spec.limits.table_share_per_minute = 1;
            spec.limits.table_share_floor = 1;
        })
    };
    let mut world = World::new([poor()]);
    world.judge(new(1), [("a", vec![delete("d1", entry(0))])]);
    world.ack_all();
    world.configure(EngineConfig::default(), [poor()]);
    world.judge(new(2), [("a", vec![delete("d2", entry(0)), alert("al", "k")])]);
    world.configure(EngineConfig::default(), [poor()]);
    world.judge(new(2), [("a", vec![alert("again", "k")])]);
    assert_eq!(world.outcomes(), ["a again superseded", "a al applied", "a d1 applied", "a d2 over-budget"]);
    world.pass(Duration::from_secs(61));
    world.judge(new(2), [("a", vec![delete("d3", entry(0))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a d3 applied"]);
}
