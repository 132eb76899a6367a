//! A fault affects only its own plugin, and the plugin starts again.

use core::time::Duration;

use ctwarden_engine::{MessageError, OnFailure, PluginState, Wait};
use ctwarden_model::{Cause, Effect, Extent, Fault, FaultRecord, Notice, Record};

use crate::words::*;
use crate::world::World;

fn faults(world: &World) -> Vec<FaultRecord> {
    let fault = |record: &Record| match record {
        Record::Fault(fault) => Some((**fault).clone()),
        Record::Verdict(_) | Record::Notice(..) => None,
    };
    world.records.iter().filter_map(fault).collect()
}

fn restart(world: &mut World, name: &str) {
    let id = world.poll_restart().expect("a plugin to be started");
    assert_eq!(world.names[&id], name);
    world.engine.handle_started(world.now, id);
    world.pump();
}

#[test]
fn a_failed_call_is_void_and_its_batch_is_not_delivered_again() {
    let mut world = World::new([plugin("a").sweeps(), plugin("b")]);
    world.sweep_of([]);
    world.answer_all();
    world.events([new(1), new(2)]);
    world.fault("a");
    world.answer("b", [delete("b1", entry(0))]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    let told = &faults(&world)[0];
    assert_eq!((told.plugin.as_str(), told.entries, told.quarantined), ("a", 2, false));
    assert_eq!(told.restart_in, Duration::from_millis(100));
    assert!(world.poll_restart().is_none());
    // Other plugins go on. Events that arrive meanwhile wait for the fresh instance.
    world.events([new(3)]);
    assert_eq!(world.flows("b"), [3]);
    world.pass_by_timeouts(Duration::from_millis(100));
    restart(&mut world, "a");
    assert_eq!(world.flows("a"), [3]);
    assert!(world.notices().contains(&Notice::Restarted(plugin("a").name)));
    world.answer("a", []);
    world.pass_millis(1_000);
    world.sweep();
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Subscribed));
}

#[test]
fn waits_grow_and_end_in_a_quarantine_that_ends() {
    let mut world = World::new([plugin("a")]);
    let waits = [100, 200, 400, 800];
    for wait in waits {
        world.events([new(1)]);
        world.fault("a");
        world.pass_millis(wait - 1);
        assert!(world.poll_restart().is_none());
        world.pass_millis(1);
        restart(&mut world, "a");
    }
    world.events([new(1)]);
    world.fault("a");
    assert!(faults(&world)[4].quarantined);
    let state = world.engine.status(world.now).plugins[0].state.clone();
    assert!(
        matches!(state, PluginState::Quarantined { ref reason, .. } if reason.contains("unreachable")),
        "{state:?}"
    );
    assert_eq!(
        world.engine.handle_message(world.now, "a", String::new(), Wait::Outcomes),
        Err(MessageError::NotRunning("a".into()))
    );
    world.events([new(2)]);
    assert!(world.call("a").is_none());
    world.pass_by_timeouts(Duration::from_secs(600));
    restart(&mut world, "a");
    world.events([new(3)]);
    assert_eq!(world.flows("a"), [3]);
    assert_eq!(world.engine.status(world.now).plugins[0].faults["trap"], 5);
}

#[test]
fn failures_far_apart_do_not_add_up() {
    let mut world = World::new([plugin("a")]);
    for _ in 0..20 {
        world.events([new(1)]);
        world.fault("a");
        assert_eq!(faults(&world).last().unwrap().restart_in, Duration::from_millis(100));
        world.pass(Duration::from_secs(600));
        restart(&mut world, "a");
    }
}

#[test]
fn a_start_that_fails_counts_as_a_failure() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1)]);
    world.fault("a");
    world.pass_millis(100);
    let id = world.poll_restart().unwrap();
    assert!(world.poll_restart().is_none(), "told once");
    assert_eq!(world.engine.status(world.now).plugins[0].state, PluginState::Starting);
    world.engine.handle_start_failed(world.now, id, Fault::Configuration("no".into()));
    world.pump();
    assert_eq!(faults(&world)[1].restart_in, Duration::from_millis(200));
    world.engine.handle_started(world.now, id);
    assert!(matches!(world.engine.status(world.now).plugins[0].state, PluginState::Backoff { .. }));
}

#[test]
fn the_operator_may_want_the_daemon_to_end_instead() {
    let mut world = World::new([plugin("a").with(|spec| spec.on_failure = OnFailure::Exit)]);
    world.events([new(1)]);
    world.fault("a");
    let why = world.poll_exit().unwrap();
    assert!(why.contains("plugin a trapped: unreachable"), "{why}");
    world.pass_by_timeouts(Duration::from_secs(3_600));
    assert!(world.poll_restart().is_none());
}

#[test]
fn a_failure_in_a_sweep_lets_the_sweep_go_on_for_the_others() {
    let mut world = World::new([plugin("a").sweeps(), plugin("b").sweeps()]);
    let id = world.sweep().id;
    world.fault("a");
    world.answer("b", []);
    world.rows(id, [flow(1)]);
    world.end_sweep(id, true);
    assert_eq!(world.flows("b"), [1]);
    assert!(world.call("a").is_none());
    world.pass_millis(1_000);
    restart(&mut world, "a");
    assert!(world.call("a").is_none(), "nothing of the old sweep is left");
    world.sweep();
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Subscribed));
}
