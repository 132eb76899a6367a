//! Blocks and unblocks: sent before the deletes of the same answer, and carried out for each plugin on its own.

use ctwarden_engine::{Ack, REFUSALS};
use ctwarden_model::{
    Block, BlockRefusal, Effect, Outcome, PluginName, PolicyBlock, PolicyUnblock, Refusal, SetName, Unblock,
    VerdictKind,
};

use crate::words::*;
use crate::world::World;

fn blocked(policy: &str, code: &str, network: &str, seconds: Option<u32>) -> Effect {
    let block = Block { set: SetName("banned".into()), network: network.parse().unwrap(), service: None, seconds };
    Effect::Block(PolicyBlock { policy: PluginName::new(policy).unwrap(), block, reason: code.into() })
}

fn unblocked(policy: &str, network: &str) -> Effect {
    let unblock = Unblock { set: SetName("banned".into()), network: network.parse().unwrap(), service: None };
    Effect::Unblock(PolicyUnblock { policy: PluginName::new(policy).unwrap(), unblock })
}

#[test]
fn deletes_wait_until_the_blocks_of_the_same_answer_are_in_place() {
    let mut world = World::new([plugin("a")]);
    world.events([new(1), new(2)]);
    world.answer(
        "a",
        [
            delete("d1", entry(0)),
            block("b1", "10.0.0.1", Some(60)),
            delete("d2", entry(1)),
            block("b2", "10.0.0.2", Some(60)),
        ],
    );
    assert_eq!(world.effects(), [blocked("a", "b1", "10.0.0.1", Some(60)), blocked("a", "b2", "10.0.0.2", Some(60))]);
    world.ack(Ack::Done);
    assert_eq!(world.effects(), [blocked("a", "b2", "10.0.0.2", Some(60))], "one of two is not enough");
    world.ack(Ack::Done);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Delete(key_of(2))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a b1 applied", "a b2 applied", "a d1 applied", "a d2 applied"]);
}

#[test]
fn a_block_that_fails_or_is_lost_does_not_keep_the_delete_for_ever() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![block("b1", "10.0.0.1", None), delete("d1", entry(0))])]);
    world.ack(Ack::Refused(2));
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    world.judge(new(2), [("a", vec![block("b2", "10.0.0.2", None), delete("d2", entry(0))])]);
    world.effects.clear();
    world.pass_by_timeouts(core::time::Duration::from_secs(5));
    assert_eq!(world.effects(), [Effect::Delete(key_of(2))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a b1 refused", "a b2 refused", "a d1 applied", "a d2 applied"]);
}

#[test]
fn selections_wait_for_the_blocks_too() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(from(1))), block("b", "10.0.0.1", None)])]);
    assert!(world.poll_sweep().is_none());
    world.ack(Ack::Done);
    world.sweep_of([flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
}

#[test]
fn each_plugin_claims_the_network_for_itself() {
    let mut world = World::new([plugin("a"), plugin("b"), plugin("c").observes()]);
    world.judge(
        new(1),
        [
            ("a", vec![block("a1", "10.0.0.1", Some(60))]),
            ("b", vec![block("b1", "10.0.0.1", Some(3_600)), block("b2", "10.0.0.2", None)]),
            ("c", vec![block("c1", "10.0.0.1", None)]),
        ],
    );
    let expected = [
        blocked("a", "a1", "10.0.0.1", Some(60)),
        blocked("b", "b1", "10.0.0.1", Some(3_600)),
        blocked("b", "b2", "10.0.0.2", None),
    ];
    assert_eq!(world.effects(), expected);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "b b1 applied", "b b2 applied", "c c1 observed"]);
}

#[test]
fn the_last_word_of_one_plugin_counts_and_no_plugin_unblocks_for_another() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![block("b", "10.0.0.1", None), unblock("u", "10.0.0.1")])]);
    assert_eq!(world.effects(), [unblocked("a", "10.0.0.1")]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a b superseded", "a u applied"]);
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![unblock("u", "10.0.0.1")]), ("b", vec![block("b", "10.0.0.1", Some(1))])]);
    assert_eq!(world.effects(), [unblocked("a", "10.0.0.1"), blocked("b", "b", "10.0.0.1", Some(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a u applied", "b b applied"]);
}

#[test]
fn a_network_that_was_not_in_the_set_is_gone_not_refused() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![unblock("u", "10.0.0.1")])]);
    world.ack(Ack::Gone);
    assert_eq!(world.outcomes(), ["a u gone"]);
}

#[test]
fn why_a_network_was_not_blocked_is_told_in_record_reply_and_status() {
    for why in [
        BlockRefusal::NoSetForFamily,
        BlockRefusal::SetFull,
        BlockRefusal::SetGone,
        BlockRefusal::WrongKind("lacks \"flags timeout\""),
        BlockRefusal::InPart(12),
    ] {
        let mut world = World::new([plugin("a")]);
        world.message("a", "ban");
        world.reply("a", "banned", [block("b1", "10.0.0.1", None), block("b2", "2001:db8::/32", None)]);
        world.ack(Ack::Done);
        world.ack(Ack::NotBlocked(why));
        let record = world.record("b2");
        assert_eq!(record.outcome, Outcome::Refused(Refusal::Block(why)));
        let text = record.refusal().unwrap();
        assert_eq!(text, format!("2001:db8::/32 was not added to block set banned: {why}"));
        let (_, told) = world.replied().unwrap();
        assert_eq!(told.verdicts.get(VerdictKind::Block, "applied"), 1, "and never the other one");
        assert_eq!((told.verdicts.get(VerdictKind::Block, "refused"), told.refusals), (1, vec![text.clone()]));
        let status = world.engine.status(world.now);
        let (_, kind, last) = status.plugins[0].last_refusal.clone().unwrap();
        assert_eq!((kind, last), (VerdictKind::Block, text));
    }
}

#[test]
fn a_reply_tells_each_reason_once_and_not_more_than_some() {
    let mut world = World::new([plugin("a")]);
    world.message("a", "ban");
    let networks = (0..20).map(|n| format!("10.0.{n}.0/24"));
    let twice = networks.clone().chain(networks);
    world.reply("a", "", twice.map(|network| block("b", &network, None)));
    while !world.effects.is_empty() {
        world.ack(Ack::NotBlocked(BlockRefusal::SetFull));
    }
    let (_, told) = world.replied().unwrap();
    assert_eq!(told.refusals.len(), REFUSALS);
    assert!(told.refusals.is_sorted(), "{:?}", told.refusals);
}
