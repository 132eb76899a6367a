//! The orderly stop of the engine.

use ctwarden_engine::{Ack, Answer, MessageError, Wait};
use ctwarden_model::{Outcome, Refusal};

use crate::words::*;
use crate::world::World;

#[test]
fn after_stop_nothing_new_begins_and_what_runs_is_finished() {
    let mut world = World::new([plugin("a").sweeps().ticks_every(100)]);
    world.sweep_of([]);
    world.answer_all();
    world.events([new(1)]);
    world.engine.handle_stop(world.now);
    world.events([new(2)]);
    world.overrun();
    assert_eq!(world.engine.handle_message(world.now, "a", String::new(), Wait::Outcomes), Err(MessageError::Stopping));
    assert!(!world.engine.is_quiet());
    world.answer("a", [delete("d", entry(0)), delete("s", matching(from(1)))]);
    assert!(world.call("a").is_none());
    world.pass_millis(5_000);
    assert!(world.poll_sweep().is_none());
    assert!(world.calls.is_empty());
    world.events([]);
    assert_eq!(world.outcomes(), ["a d refused", "a s refused"]);
    assert!(world.engine.is_quiet());
}

#[test]
fn acks_are_still_taken_after_stop() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    world.engine.handle_stop(world.now);
    assert!(!world.engine.is_quiet());
    world.ack(Ack::Done);
    assert_eq!(world.outcomes(), ["a d applied"]);
    assert!(world.engine.is_quiet());
}

#[test]
fn at_the_end_everything_open_gets_its_record() {
    let config =
        ctwarden_engine::EngineConfig { protect: vec![filter(|f| f.mark = Some(masked(1, 1)))], ..Default::default() };
    let mut world = World::with(config, [plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", [mark("in-round", entry(0), 1, 1)]);
    world.message("a", "ban");
    world.reply(
        "a",
        "soon",
        [
            block("block", "10.0.0.1", None),
            delete("behind-block", key(1)),
            delete("selection", matching(from(1))),
            sweep("asked", ctwarden_model::Target::None),
        ],
    );
    let ticket = world.message("a", "unheard");
    let late = world.take_call("b");
    world.engine.handle_stop(world.now);
    world.engine.handle_finish(world.now);
    world.pump();
    for code in ["in-round", "block", "behind-block", "selection", "asked"] {
        assert_eq!(world.record(code).outcome, Outcome::Refused(Refusal::NoAnswer), "{code}");
    }
    assert_eq!(world.replied().unwrap().1.result, Ok("soon".into()));
    let (told, unheard) = world.replied().unwrap();
    assert_eq!((told, unheard.result.is_err()), (ticket, true));
    world.engine.handle_answer(world.now, late, Answer::Verdicts(vec![delete("late", entry(0))]));
    world.pump();
    assert_eq!(world.record("late").outcome, Outcome::Refused(Refusal::PluginGone));
    assert_eq!(world.effects.len(), 1, "the block that had left already");
    world.ack(Ack::Done);
    assert_eq!(world.verdicts().count(), 6);
    let status = world.engine.status(world.now);
    assert_eq!((status.open_verdicts, status.effects_in_flight), (0, 0));
    assert_eq!(status.plugins.len(), 2, "counters can still be read");
}
