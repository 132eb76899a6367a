//! The order of ticks, overruns and changed sets.

use core::time::Duration;

use ctwarden_engine::Call;
use ctwarden_model::{Cause, Extent, Member, Notice, SetChange, SetName};

use crate::words::*;
use crate::world::World;

#[test]
fn late_ticks_are_one() {
    let mut world = World::new([plugin("a").ticks_every(100)]);
    assert_eq!(world.engine.poll_timeout(), Some(world.now.steady.plus(Duration::from_millis(100))));
    world.pass_millis(100);
    assert!(matches!(world.call("a"), Some(Call::Tick(now)) if *now == world.now.wall));
    for _ in 0..30 {
        world.pass_millis(100);
    }
    world.answer("a", [delete("d", key(1))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.effects().len(), 1);
    assert!(matches!(world.call("a"), Some(Call::Tick(_))));
    world.answer("a", []);
    assert!(world.call("a").is_none());
}

#[test]
fn an_overrun_is_told_where_it_was_and_then_swept() {
    let mut world = World::new([plugin("a").sweeps()]);
    world.sweep_of([]);
    world.answer_all();
    world.events([new(1)]);
    world.engine.handle_event(world.now, new(2));
    world.overrun();
    world.overrun();
    world.events([new(3)]);
    world.answer("a", []);
    assert_eq!((world.cause("a"), world.flows("a")), (Cause::Events, vec![2]));
    world.answer("a", []);
    assert_eq!(world.cause("a"), Cause::Overrun);
    world.answer("a", []);
    assert_eq!(world.flows("a"), [3]);
    world.answer("a", []);
    assert!(world.call("a").is_none(), "two overruns without an event between them are one");
    world.pass_millis(1_000);
    world.sweep_of([flow(1)]);
    assert_eq!(world.cause("a"), Cause::SweepBegin(Extent::Subscribed));
    world.answer("a", []);
    assert_eq!((world.cause("a"), world.flows("a")), (Cause::SweepRows, vec![1]));
    world.answer("a", []);
    assert_eq!(world.cause("a"), Cause::SweepComplete);
    assert_eq!(world.notices().iter().filter(|notice| **notice == Notice::Overrun).count(), 2);
    assert_eq!(world.engine.status(world.now).overruns, 2);
}

#[test]
fn lasting_loss_does_not_become_a_storm_of_sweeps() {
    let mut world = World::new([plugin("a").sweeps()]);
    let mut sweeps = 0;
    for _ in 0..1_000 {
        world.overrun();
        world.answer_all();
        if let Some(request) = world.poll_sweep() {
            sweeps += 1;
            world.end_sweep(request.id, true);
            world.answer_all();
        }
        world.pass_millis(10);
    }
    assert!((9..=11).contains(&sweeps), "{sweeps} in ten seconds");
}

#[test]
fn changed_sets_are_told_once_by_name_to_those_who_asked() {
    let set = |name: &str| SetName(name.into());
    let change = |name: &str| SetChange { set: set(name), added: None };
    let wants = plugin("a").with(|spec| spec.subscription.sets = vec![set("feed"), set("more"), set("quiet")]);
    let mut world = World::new([wants, plugin("b").with(|spec| spec.subscription.sets = vec![set("quiet")])]);
    world.events([new(1)]);
    for name in ["more", "feed", "more", "foreign", "feed"] {
        world.engine.handle_set_changed(world.now, changed(&set(name)), None);
    }
    world.answer("a", []);
    assert_eq!(world.cause("a"), Cause::SetsChanged(vec![change("more"), change("feed")]));
    world.engine.handle_set_changed(world.now, changed(&set("feed")), None);
    world.answer("a", []);
    assert_eq!(world.cause("a"), Cause::SetsChanged(vec![change("feed")]), "it has changed again since it was told");
    world.answer("a", [delete("d", matching(from(1)))]);
    assert!(world.call("a").is_none());
    world.answer("b", []);
    assert!(world.call("b").is_none());
    assert!(world.poll_sweep().is_some());
}

#[test]
fn what_a_set_gained_is_told_while_it_can_be_listed() {
    let feed = SetName("feed".into());
    let gained = |numbers: std::ops::Range<u16>| -> Vec<Member> {
        let network = |n: u16| {
            let [high, low] = n.to_be_bytes();
            format!("10.0.{high}.{low}").parse().unwrap()
        };
        numbers.map(network).collect()
    };
    let told = |changes: &[Option<Vec<Member>>]| {
        let mut world = World::new([plugin("a").with(|spec| spec.subscription.sets = vec![feed.clone()])]);
        world.events([new(1)]);
        for added in changes {
            world.engine.handle_set_changed(world.now, changed(&feed), added.as_deref());
        }
        world.answer("a", []);
        let Cause::SetsChanged(told) = world.cause("a") else { panic!("{:?}", world.cause("a")) };
        told[0].added.clone()
    };
    assert_eq!(told(&[Some(gained(0..2))]), Some(gained(0..2)));
    assert_eq!(told(&[Some(Vec::new())]), Some(Vec::new()), "networks were only removed");
    assert_eq!(told(&[Some(gained(0..2)), Some(gained(2..3))]), Some(gained(0..3)), "two changes in one turn");
    assert_eq!(told(&[Some(gained(0..1_024))]), Some(gained(0..1_024)));
    for unlisted in [
        &[None][..],
        &[Some(gained(0..1_025))],
        &[Some(gained(0..1_000)), Some(gained(1_000..1_025))],
        &[None, Some(gained(0..1))],
        &[Some(gained(0..1)), None],
    ] {
        assert_eq!(told(unlisted), None);
    }
}
