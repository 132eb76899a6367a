//! Messages to plugins, and the replies to their senders.

use core::time::Duration;

use ctwarden_engine::{Ack, Answer, Call, MessageError, Wait};
use ctwarden_model::{Cause, SetName, VerdictKind};

use crate::words::*;
use crate::world::World;

#[test]
fn a_reply_waits_for_the_outcomes_of_its_verdicts() {
    let mut world = World::new([plugin("a")]);
    let ticket = world.message("a", "ban 10.0.0.1");
    assert!(matches!(world.call("a"), Some(Call::Message { text, .. }) if text == "ban 10.0.0.1"));
    world.reply("a", "banned", [block("b", "10.0.0.1", None), delete("d", matching(from(1))), delete("k", key(2))]);
    world.look_up_in(&[flow(2)]);
    world.ack(Ack::Done);
    world.ack(Ack::Gone);
    assert!(world.replied().is_none());
    world.sweep_of([flow(1), flow(2)]);
    world.ack(Ack::Done);
    let (told, outcome) = world.replied().unwrap();
    assert_eq!(told, ticket);
    assert_eq!(outcome.result, Ok("banned".into()));
    assert_eq!(outcome.verdicts.get(VerdictKind::Block, "applied"), 1);
    assert_eq!(outcome.verdicts.get(VerdictKind::Delete, "applied"), 1);
    assert_eq!(outcome.verdicts.get(VerdictKind::Delete, "gone"), 1);
    assert_eq!((outcome.flows.matched, outcome.flows.applied, outcome.flows.gone, outcome.open), (2, 1, 1, 0));
}

#[test]
fn it_does_not_wait_for_ever() {
    let mut world = World::new([plugin("a")]);
    world.message("a", "");
    world.reply("a", "", [delete("d", matching(from(1)))]);
    world.pass_by_timeouts(Duration::from_secs(10));
    let (_, outcome) = world.replied().unwrap();
    assert_eq!((outcome.result, outcome.open), (Ok(String::new()), 1));
    world.sweep_of([flow(1)]);
    world.ack_all();
    assert!(world.replied().is_none());
    assert_eq!(world.outcomes(), ["a d applied"], "its record comes all the same");
}

#[test]
fn whoever_waits_for_the_answer_only_has_it_at_once() {
    let mut world = World::new([plugin("a")]);
    let ticket = world.message_of("a", "ban", Wait::Answer);
    assert!(world.replied().is_none());
    world.reply("a", "banned", [delete("d", matching(from(1))), log("l")]);
    let (told, outcome) = world.replied().unwrap();
    assert_eq!((told, outcome.result, outcome.open), (ticket, Ok("banned".into()), 1));
    assert_eq!(outcome.verdicts.get(VerdictKind::Log, "applied"), 1, "what is known is told");
    world.sweep_of([flow(1)]);
    world.ack_all();
    assert!(world.replied().is_none());
    assert_eq!(world.record("d").tally.as_deref().unwrap().applied, 1);
    world.message_of("a", "nonsense", Wait::Answer);
    world.give("a", Answer::MessageRefused("not an address".into()));
    assert_eq!(world.replied().unwrap().1.result, Err("not an address".into()));
}

#[test]
fn refusals_and_faults_are_told() {
    let mut world = World::new([plugin("a")]);
    world.message("a", "nonsense");
    world.give("a", Answer::MessageRefused("not an address".into()));
    assert_eq!(world.replied().unwrap().1.result, Err("not an address".into()));
    world.message("a", "poison");
    world.fault("a");
    assert_eq!(world.replied().unwrap().1.result, Err("trapped: unreachable".into()));
}

#[test]
fn messages_come_in_their_turn() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1)]);
    world.engine.handle_event(world.now, new(2));
    world.message("a", "first");
    world.message("a", "second");
    world.answer("a", []);
    assert_eq!(world.flows("a"), [2]);
    world.answer("a", []);
    assert!(matches!(world.call("a"), Some(Call::Message { text, .. }) if text == "first"));
    world.reply("a", "", []);
    assert!(matches!(world.call("a"), Some(Call::Message { text, .. }) if text == "second"));
}

#[test]
fn a_message_and_a_changed_set_wait_behind_events_but_not_behind_rows() {
    let banned = SetName("banned".into());
    let config = bounded(|bounds| bounds.batch_entries = 1);
    let mut world =
        World::with(config, [plugin("a").sweeps().with(|spec| spec.subscription.sets = vec![banned.clone()])]);
    let id = world.sweep().id;
    world.answer("a", []);
    world.rows(id, [flow(1), flow(2)]);
    world.events([new(3)]);
    world.rows(id, [flow(4), flow(5)]);
    world.message("a", "first");
    world.message("a", "second");
    world.engine.handle_set_changed(world.now, changed(&banned), None);
    let mut came = Vec::new();
    while let Some(call) = world.call("a") {
        if let Call::Message { text, .. } = call {
            came.push(text.clone());
            world.reply("a", "", []);
            continue;
        }
        let cause = world.cause("a");
        came.push(if matches!(cause, Cause::SetsChanged(_)) {
            "set".to_owned()
        } else {
            format!("{cause:?} {:?}", world.flows("a"))
        });
        world.answer("a", []);
    }
    let rows = |n: u32| format!("SweepRows [{n}]");
    let said = ["first", "second", "set"].map(str::to_owned);
    let expected = [rows(1), rows(2), "Events [3]".to_owned()].into_iter().chain(said).chain([rows(4), rows(5)]);
    assert_eq!(came, expected.collect::<Vec<_>>());
}

#[test]
fn too_many_or_for_nobody_are_errors() {
    let mut world = World::new([plugin("a").with(|spec| spec.limits.bounds.queue_messages = 2)]);
    for _ in 0..3 {
        world.message("a", "one is under way, two wait");
    }
    assert_eq!(
        world.engine.handle_message(world.now, "a", String::new(), Wait::Outcomes),
        Err(MessageError::QueueFull { plugin: "a".into(), waiting: 2 })
    );
    assert_eq!(
        world.engine.handle_message(world.now, "b", String::new(), Wait::Outcomes),
        Err(MessageError::Unknown("b".into()))
    );
}

#[test]
fn a_message_survives_a_short_failure_and_a_reload() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1)]);
    let ticket = world.message("a", "ban");
    world.fault("a");
    world.configure(Default::default(), [plugin("a")]);
    world.reply("a", "done", []);
    assert_eq!(world.replied().map(|(told, outcome)| (told, outcome.result)), Some((ticket, Ok("done".into()))));
}

#[test]
fn two_bans_of_one_address_are_both_told_what_came_of_the_flow() {
    for (ack, shortfalls) in [(Ack::Done, 0), (Ack::Refused(16), 1)] {
        let mut world = World::new([plugin("a")]);
        for code in ["d1", "d2"] {
            world.message("a", "ban");
            world.reply("a", "banned", [delete(code, matching(from(1)))]);
        }
        world.sweep_of([flow(1)]);
        assert!(world.replied().is_none(), "nothing is deleted yet");
        world.ack(ack);
        for _ in 0..2 {
            let (_, outcome) = world.replied().unwrap();
            assert_eq!((outcome.flows.matched, outcome.shortfalls.len()), (1, shortfalls), "{ack:?}");
        }
    }
}

#[test]
fn flows_without_an_outcome_at_the_end_are_a_shortfall() {
    let mut world = World::new([plugin("a")]);
    world.message("a", "ban");
    world.reply("a", "banned", [delete("d", matching(from(1)))]);
    world.sweep_of([flow(1)]);
    world.engine.handle_stop(world.now);
    world.engine.handle_finish(world.now);
    world.pump();
    let (_, outcome) = world.replied().unwrap();
    let told: Vec<_> = outcome.shortfalls.iter().map(|s| (s.outcome.name(), s.of_flows, s.count)).collect();
    assert_eq!(told, [("refused", true, 1)]);
}
