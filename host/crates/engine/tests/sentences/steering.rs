//! Pauses and changes of mode by the operator.

use core::time::Duration;

use ctwarden_engine::PauseStatus;
use ctwarden_model::{Mode, Notice};

use crate::words::*;
use crate::world::World;

#[test]
fn a_paused_plugin_is_called_and_changes_nothing() {
    let mut world = World::new([plugin("a")]);
    let id = world.engine.status(world.now).plugins[0].id;
    world.engine.handle_pause(world.now, id, None);
    world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a d observed"]);
    assert_eq!(world.engine.status(world.now).plugins[0].pause, PauseStatus::Paused { until: None });
    assert_eq!(world.engine.status(world.now).plugins[0].mode, Mode::Enforce);

    assert!(world.engine.handle_resume(world.now, id));
    assert!(!world.engine.handle_resume(world.now, id), "it is not paused any more");
    world.judge(new(2), [("a", vec![delete("e", entry(0))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a e applied"]);
    let name = || plugin("a").name;
    assert_eq!(world.notices(), [Notice::Paused(name(), None), Notice::Resumed(name())]);
}

#[test]
fn a_pause_ends_by_itself_and_goes_on_through_a_reload() {
    let mut world = World::new([plugin("a")]);
    let id = |world: &World| world.engine.status(world.now).plugins[0].id;
    let minute = Duration::from_secs(60);
    world.engine.handle_pause(world.now, id(&world), Some(minute));
    world.configure(ctwarden_engine::EngineConfig::default(), [plugin("a")]);
    world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    assert_eq!(world.outcomes(), ["a d observed"]);
    world.pass_by_timeouts(minute);
    world.judge(new(2), [("a", vec![delete("e", entry(0))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a e applied"]);
    let notices = world.notices();
    assert_eq!(notices.first(), Some(&Notice::Paused(plugin("a").name, Some(minute))));
    assert!(notices.contains(&Notice::Resumed(plugin("a").name)), "{notices:?}");
}

#[test]
fn the_protections_of_a_paused_plugin_hold_and_it_may_protect_more() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![protect("p", entry(0), 600)]), ("b", vec![])]);
    let id = world.engine.status(world.now).plugins[0].id;
    world.engine.handle_pause(world.now, id, None);
    world.judge(new(2), [("a", vec![protect("q", entry(0), 600)]), ("b", vec![])]);
    assert_eq!(world.outcomes(), ["a p applied", "a q applied"]);
    for flow in [1, 2] {
        world.judge(new(flow), [("a", vec![]), ("b", vec![delete("d", entry(0))])]);
        assert_eq!(world.effects(), []);
        assert_eq!(world.outcomes(), ["b d protected"]);
    }
}

#[test]
fn another_mode_holds_until_the_next_reload() {
    let mut world = World::new([plugin("a")]);
    let status = |world: &World| world.engine.status(world.now).plugins[0].clone();
    let id = status(&world).id;
    world.engine.handle_mode(world.now, id, Mode::Observe);
    assert_eq!((status(&world).mode, status(&world).configured_mode), (Mode::Observe, Mode::Enforce));
    world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    assert_eq!(world.outcomes(), ["a d observed"]);
    assert_eq!(world.notices(), [Notice::ModeChanged(plugin("a").name, Mode::Observe)]);
    world.configure(ctwarden_engine::EngineConfig::default(), [plugin("a")]);
    assert_eq!(status(&world).mode, Mode::Enforce);
    world.judge(new(2), [("a", vec![delete("e", entry(0))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a e applied"]);
}
