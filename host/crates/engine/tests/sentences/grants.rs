//! Grants: a verdict must be requested by the component, needed by its configuration, and granted by the operator.
//! Malformed verdicts are refused.

use ctwarden_model::{Action, Alert, Flaw, Outcome, Refusal, Target, VerdictKind, VerdictKinds};

use crate::words::*;
use crate::world::World;

#[test]
fn a_kind_must_be_asked_for_needed_and_granted() {
    let only = |kind: VerdictKind| [kind].into_iter().collect::<VerdictKinds>();
    for (wants, needs, grants, outcome) in [
        (VerdictKind::Delete, VerdictKind::Delete, VerdictKind::Delete, "applied"),
        (VerdictKind::Mark, VerdictKind::Delete, VerdictKind::Delete, "not-granted"),
        (VerdictKind::Delete, VerdictKind::Mark, VerdictKind::Delete, "not-granted"),
        (VerdictKind::Delete, VerdictKind::Delete, VerdictKind::Mark, "not-granted"),
    ] {
        let mut world = World::new([plugin("a").with(|spec| {
            spec.wants = only(wants);
            spec.subscription.needs = only(needs);
            spec.grants.kinds = only(grants);
        })]);
        world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
        world.ack_all();
        assert_eq!(world.outcomes(), [format!("a d {outcome}")], "asked {wants}, needed {needs}, granted {grants}");
    }
}

#[test]
fn no_kind_passes_without_a_grant() {
    let mut world = World::new([plugin("a").with(|spec| spec.grants.kinds = VerdictKinds::NONE)]);
    world.judge(
        new(1),
        [(
            "a",
            vec![
                delete("v", entry(0)),
                mark("v", entry(0), 1, 1),
                labels("v", entry(0), 1, 0),
                timeout("v", entry(0), 1),
                alert("v", "k"),
                log("v"),
                block("v", "10.0.0.1", None),
                unblock("v", "10.0.0.1"),
                protect("v", entry(0), 1),
                sweep("v", Target::None),
            ],
        )],
    );
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a v not-granted"; 10]);
}

#[test]
fn bits_outside_the_grant_void_the_whole_verdict() {
    let narrow = plugin("a").with(|spec| {
        spec.grants.mark_mask = 0xff;
        spec.grants.label_mask = 0b111;
    });
    let mut world = World::new([narrow]);
    world.judge(
        new(1),
        [(
            "a",
            vec![
                mark("m1", entry(0), 0x1, 0x1ff),
                mark("m2", entry(0), 0x1, 0xff),
                labels("l1", entry(0), 0b1, 0b1000),
                labels("l2", entry(0), 0b1, 0b100),
            ],
        )],
    );
    world.ack_all();
    assert_eq!(world.outcomes(), ["a l1 not-granted", "a l2 applied", "a m1 not-granted", "a m2 applied"]);
}

#[test]
fn a_set_must_be_granted() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(1), [("a", vec![block_in("b1", "other", "10.0.0.1", None), block("b2", "10.0.0.1", None)])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a b1 not-granted", "a b2 applied"]);
}

#[test]
fn malformed_verdicts_are_refused_with_the_reason() {
    let mut world = World::new([plugin("a")]);
    let too_severe = Alert { severity: 8, title: String::new(), key: String::new(), fields: Vec::new() };
    let backwards = filter(|f| f.rare_mut().reply_dst_ports = [ctwarden_model::PortRange { first: 9, last: 8 }].into());
    let mut two_families = key_of(1);
    two_families.original.dst = "::1".parse().unwrap();
    let verdicts = vec![
        verdict("severe", Target::None, Action::Alert(too_severe)),
        verdict("bad code", Target::None, Action::Sweep),
        verdict(&"x".repeat(65), Target::None, Action::Sweep),
        block("everyone4", "0.0.0.0/0", Some(60)),
        block("everyone6", "::/0", Some(60)),
        block("wide4", "10.0.0.0/7", Some(60)),
        block("wide6", "2000::/15", Some(60)),
        mark("no-mask", entry(0), 0, 0),
        labels("no-bits", entry(0), 0, 0),
        protect("no-time", entry(0), 0),
        delete("backwards", matching(backwards)),
        delete("families", Target::Key(two_families)),
        verdict(
            "told",
            Target::None,
            Action::Malformed(VerdictKind::Mark, "a bit of the mark is outside its mask".into()),
        ),
        verdict("set", Target::None, Action::Malformed(VerdictKind::Delete, Flaw::Set("there is no set feed".into()))),
    ];
    let count = verdicts.len();
    world.judge(new(1), [("a", verdicts)]);
    assert_eq!(world.effects(), []);
    assert!(world.poll_sweep().is_none());
    let refused = |outcome: Outcome| matches!(outcome, Outcome::Refused(Refusal::Malformed(_) | Refusal::NoSuchSet));
    assert_eq!(world.record("set").refusal().as_deref(), Some("there is no set feed"));
    assert_eq!(world.record("no-time").refusal().as_deref(), Some("a protection of 0 seconds protects nothing"));
    for record in world.verdicts() {
        assert!(refused(record.outcome), "{} {:?}", record.verdict.code, record.outcome);
    }
    assert_eq!(world.verdicts().count(), count);
    assert_eq!(
        world.record("told").outcome,
        Outcome::Refused(Refusal::Malformed("a bit of the mark is outside its mask"))
    );
}

#[test]
fn an_action_goes_only_with_its_targets() {
    let mut world = World::new([plugin("a")]);
    let all = || matching(filter(|_| {}));
    let with = |code: &str, target: Target, base: ctwarden_model::Verdict| verdict(code, target, base.action);
    world.judge(
        new(1),
        [(
            "a",
            vec![
                delete("w", Target::None),
                mark("w", Target::None, 1, 1),
                timeout("w", Target::None, 1),
                protect("w", Target::None, 1),
                with("w", all(), alert("", "k")),
                with("w", all(), log("")),
                with("w", all(), block("", "10.0.0.1", None)),
                with("w", all(), unblock("", "10.0.0.1")),
                sweep("w", entry(0)),
                sweep("w", key(1)),
            ],
        )],
    );
    assert_eq!(world.verdicts().count(), 10);
    for record in world.verdicts() {
        assert_eq!(record.outcome, Outcome::Refused(Refusal::WrongTarget), "{:?}", record.verdict);
    }
}

#[test]
fn an_entry_counts_in_the_batch_that_is_answered_and_nowhere_else() {
    let mut world = World::new([plugin("a").ticks_every(100)]);
    world.judge(new(1), [("a", vec![delete("d", entry(1)), delete("e", entry(u32::MAX))])]);
    world.pass_millis(100);
    world.answer("a", [delete("f", entry(0)), verdict("g", entry(0), log("").action)]);
    for code in ["d", "e", "f", "g"] {
        assert_eq!(world.record(code).outcome, Outcome::Refused(Refusal::NoSuchEntry), "{code}");
    }
}

#[test]
fn alert_and_block_may_say_which_flow_they_are_about() {
    let mut world = World::new([plugin("a")]);
    let about = |base: ctwarden_model::Verdict, code: &str| verdict(code, entry(0), base.action);
    world.judge(new(1), [("a", vec![about(alert("", "k"), "al"), about(block("", "10.0.0.1", None), "bl")])]);
    world.ack_all();
    assert_eq!(world.record("al").flow, Some(key_of(1)));
    assert_eq!(world.record("bl").flow, Some(key_of(1)));
    assert_eq!(world.outcomes(), ["a al applied", "a bl applied"]);
}

#[test]
fn an_observing_plugin_gets_the_same_records_and_no_effect() {
    let verdicts = || {
        vec![
            delete("delete", entry(0)),
            mark("mark", entry(1), 1, 1),
            block("block", "10.0.0.1", None),
            unblock("unblock", "10.0.0.2"),
            alert("alert", "k"),
            alert("again", "k"),
            log("log"),
            timeout("none", entry(7), 1),
        ]
    };
    let run = |spec: ctwarden_engine::PluginSpec| {
        let mut world = World::new([spec]);
        world.events([new(1), new(2)]);
        world.answer("a", verdicts());
        let effects = world.effects().len();
        world.ack_all();
        let shown = (world.shown_alerts(), world.logs());
        let modes: Vec<String> = world.verdicts().map(|v| format!("{:?}", v.mode)).collect();
        (world.outcomes(), effects, shown, modes)
    };
    let (enforced, effects, shown, _) = run(plugin("a"));
    let (observed, no_effects, shown_too, modes) = run(plugin("a").observes());
    assert_eq!((effects, no_effects), (3, 0), "blocks hold the delete back until they are answered");
    assert_eq!((shown, shown_too), ((1, 1), (1, 1)));
    assert_eq!(observed, enforced.iter().map(|told| told.replace("applied", "observed")).collect::<Vec<_>>());
    assert!(modes.iter().all(|mode| mode == "Observe"));
}
