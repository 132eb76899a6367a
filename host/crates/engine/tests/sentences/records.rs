//! Records are bounded. No plugin fills the disk or the memory, or displaces the records of another plugin. Every
//! verdict is counted.

use core::time::Duration;
use std::collections::BTreeMap;

use ctwarden_engine::{CodeCounts, MessageError, PluginSpec, Wait};
use ctwarden_engine::{Output, TableReader};
use ctwarden_model::{Action, Flaw, Flow, Notice, Outcome, Record, Verdict, VerdictKind, VerdictKinds};

use crate::words::*;
use crate::world::World;

const BURST: u32 = 3;
const VERDICTS: u64 = 50;

/// A plugin with a low rate of records.
fn slow(name: &str) -> PluginSpec {
    plugin(name).with(|spec| {
        spec.limits.records_per_second = 1;
        spec.limits.record_burst = BURST;
    })
}

/// Number of folded verdicts that notices report for the plugin, by kind and outcome.
fn folded(world: &World, plugin: &str) -> BTreeMap<(VerdictKind, &'static str), u64> {
    let mut counts = BTreeMap::new();
    for notice in world.notices() {
        if let Notice::RecordsFolded(name, folded) = notice
            && name.as_str() == plugin
        {
            for one in folded {
                *counts.entry((one.kind, one.outcome)).or_default() += one.count;
            }
        }
    }
    counts
}

fn own_records(world: &World, plugin: &str) -> u64 {
    world.verdicts().filter(|record| record.plugin.as_str() == plugin).count() as u64
}

/// Lets the plugin return [`VERDICTS`] verdicts at once. Those above the rate must be folded, and none may be lost.
#[track_caller]
fn all_above_the_rate_are_folded(
    spec: PluginSpec,
    verdict: impl Fn(u8) -> Verdict,
    kind: VerdictKind,
    outcome: &'static str,
) {
    let mut world = World::new([spec]);
    world.judge(new(1), [("a", (1..=VERDICTS).map(|n| verdict(n as u8)).collect())]);
    let table: Vec<Flow> = (1..=VERDICTS).map(|n| flow(n as u8)).collect();
    world.look_up_in(&table);
    assert_eq!(own_records(&world, "a"), u64::from(BURST), "{kind} {outcome}");
    assert!(world.verdicts().all(|record| record.outcome.name() == outcome), "{kind} {outcome}");
    assert_eq!(folded(&world, "a"), BTreeMap::new(), "it is told after a second, once");
    world.pass_by_timeouts(Duration::from_millis(1_500));
    assert_eq!(folded(&world, "a"), BTreeMap::from([((kind, outcome), VERDICTS - u64::from(BURST))]));
    let status = &world.engine.status(world.now).plugins[0];
    assert_eq!(status.verdicts.get(kind, outcome), VERDICTS, "every verdict is counted");
    assert_eq!(status.folded, VERDICTS - u64::from(BURST));
}

#[test]
fn verdicts_of_every_outcome_that_changes_nothing_are_folded_above_the_rate() {
    let nothing = |spec: PluginSpec| spec.with(|spec| spec.grants.kinds = VerdictKinds::NONE);
    let no_budget = |spec: PluginSpec| spec.with(|spec| spec.limits.verdict_burst = 0);
    let malformed = |_| verdict("m", entry(0), Action::Malformed(VerdictKind::Mark, Flaw::Value("wrong")));
    let logs = |_| log("l");
    let deletes = |n| delete("d", key(n));
    let blocks = |n| block("b", &format!("203.0.113.{n}"), None);
    all_above_the_rate_are_folded(slow("a").observes(), deletes, VerdictKind::Delete, "observed");
    all_above_the_rate_are_folded(slow("a").observes(), blocks, VerdictKind::Block, "observed");
    all_above_the_rate_are_folded(slow("a"), logs, VerdictKind::Log, "applied");
    all_above_the_rate_are_folded(slow("a").observes(), logs, VerdictKind::Log, "observed");
    all_above_the_rate_are_folded(nothing(slow("a")), deletes, VerdictKind::Delete, "not-granted");
    all_above_the_rate_are_folded(nothing(slow("a")), logs, VerdictKind::Log, "not-granted");
    all_above_the_rate_are_folded(no_budget(slow("a")), blocks, VerdictKind::Block, "over-budget");
    all_above_the_rate_are_folded(slow("a"), |_| delete("d", entry(9)), VerdictKind::Delete, "refused");
    all_above_the_rate_are_folded(slow("a"), malformed, VerdictKind::Mark, "refused");
    all_above_the_rate_are_folded(slow("a"), |_| protect("p", entry(0), 0), VerdictKind::Protect, "refused");
}

#[test]
fn verdicts_are_counted_by_the_codes_that_the_plugin_declares() {
    let mut world =
        World::new([plugin("a").with(|spec| spec.codes = ["known".to_owned(), "unused".to_owned()].into())]);
    let said = vec![log("known"), log("made-up"), log("made-up-too"), log(""), delete("known", entry(0))];
    world.judge(new(1), [("a", said)]);
    world.ack_all();
    let status = &world.engine.status(world.now).plugins[0];
    let counted: Vec<_> = status
        .codes
        .iter()
        .flat_map(|(code, counts)| counts.iter().map(move |(kind, outcome, count)| (code, kind, outcome, count)))
        .collect();
    let expected = [
        ("known", VerdictKind::Delete, "applied", 1),
        ("known", VerdictKind::Log, "applied", 1),
        (CodeCounts::OTHER, VerdictKind::Log, "applied", 3),
    ];
    assert_eq!(counted, expected);
}

#[test]
fn a_long_record_counts_more_than_a_short_one() {
    let long = Verdict { reason: "x".repeat(900), ..log("l") };
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.records_per_second = 1;
        spec.limits.record_burst = 10;
    })]);
    world.judge(new(1), [("a", vec![long; 50])]);
    // Each record counts as two of the burst of ten.
    assert_eq!(own_records(&world, "a"), 5);
}

#[test]
fn what_changed_the_kernel_has_a_record_of_its_own_however_much_is_said_beside_it() {
    let mut world = World::new([slow("a")]);
    let flood = (0..1_000).map(|_| log("noise"));
    world.judge(new(1), [("a", flood.chain([delete("deed", entry(0)), alert("alarm", "k")]).collect())]);
    world.ack_all();
    assert_eq!(world.record("deed").outcome, Outcome::Applied);
    assert!(world.record("alarm").is_alert());
}

#[test]
fn another_plugins_records_are_not_touched() {
    let mut world = World::new([slow("a"), plugin("b")]);
    let own = (0..500).map(|n| log(&format!("n{n}"))).collect();
    world.judge(new(1), [("a", vec![log("noise"); 5_000]), ("b", own)]);
    assert_eq!((own_records(&world, "a"), own_records(&world, "b")), (BURST.into(), 500));
    world.pass_by_timeouts(Duration::from_millis(1_500));
    assert_eq!(folded(&world, "b"), BTreeMap::new());
}

#[test]
fn what_was_folded_is_told_at_a_reload_and_at_the_end() {
    let mut world = World::new([slow("a")]);
    world.judge(new(1), [("a", vec![log("l"); 10])]);
    world.configure(ctwarden_engine::EngineConfig::default(), [slow("a")]);
    assert_eq!(folded(&world, "a"), BTreeMap::from([((VerdictKind::Log, "applied"), 7)]));
    // A reload does not reset the rate.
    world.judge(new(1), [("a", vec![log("l"); 10])]);
    world.engine.handle_stop(world.now);
    world.engine.handle_finish(world.now);
    world.pump();
    assert_eq!(folded(&world, "a"), BTreeMap::from([((VerdictKind::Log, "applied"), 17)]));
    assert_eq!(own_records(&world, "a"), u64::from(BURST));
}

#[test]
fn a_plugin_whose_open_verdicts_hold_too_much_is_not_called_and_the_others_are() {
    let limits = |spec: PluginSpec| spec.with(|spec| spec.limits.bounds.open_bytes = 100_000);
    let mut world = World::new([limits(plugin("a")), limits(plugin("b"))]);
    let large = |n: u8| {
        let ports = (0..10_000).step_by(2).map(|port| ctwarden_model::PortRange { first: port, last: port }).collect();
        delete("d", matching(filter(|f| (f.src_ports, f.zones) = (ports, [ctwarden_model::Zone(n.into())].into()))))
    };
    let mut calls = 0;
    for n in 0..50 {
        world.events([new(n)]);
        if world.call("a").is_some() {
            calls += 1;
            world.answer("a", [large(n)]);
        }
        world.answer("b", []);
    }
    assert!((2..10).contains(&calls), "{calls} calls of about 20,000 bytes each");
    // The plugin is called again after these verdicts have ended.
    world.sweep_of([]);
    assert!(world.call("a").is_some());
}

#[test]
fn messages_and_replies_are_bounded_in_bytes() {
    let mut world = World::new([plugin("a").with(|spec| spec.limits.bounds.queue_message_bytes = 1_000)]);
    world.message("a", "under way");
    world.message("a", &"x".repeat(900));
    let refused = world.engine.handle_message(world.now, "a", "x".repeat(200), Wait::Outcomes);
    assert_eq!(refused, Err(MessageError::QueueFull { plugin: "a".into(), waiting: 1 }));
    world.message("a", "short");

    let config = bounded(|bounds| bounds.reply_bytes = 2_500);
    let mut world = World::with(config, [plugin("a")]);
    let tickets: Vec<_> = (0..4).map(|_| world.message("a", "m")).collect();
    for _ in &tickets {
        world.reply("a", &"x".repeat(1_000), [delete("d", key(1)), delete("d", matching(from(2)))]);
    }
    // Two replies may wait for their outcomes. The older replies came without the unknown outcomes.
    let early: Vec<_> = std::iter::from_fn(|| world.replied()).collect();
    assert_eq!(early.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), tickets[..2]);
    assert!(early.iter().all(|(_, outcome)| outcome.open > 0 && outcome.result.is_ok()));
}

#[test]
fn records_in_one_turn_are_never_without_an_end() {
    let mut world = World::new([plugin("a").with(|spec| {
        spec.limits.records_per_second = u32::MAX;
        spec.limits.record_burst = u32::MAX;
    })]);
    world.events([new(1)]);
    let call = world.take_call("a");
    let long = Verdict { reason: "x".repeat(512), ..log("l") };
    world.engine.handle_answer(world.now, call, ctwarden_engine::Answer::Verdicts(vec![long; 100_000]));
    world.engine.handle_event(world.now, new(2));
    world.engine.handle_flush(world.now);
    let outputs: Vec<Output> = std::iter::from_fn(|| world.engine.poll(TableReader::Busy)).collect();
    let first_call = outputs.iter().position(|output| matches!(output, Output::Call(_)));
    let before = outputs.iter().take(first_call.unwrap());
    let records = before.filter(|output| matches!(output, Output::Record(Record::Verdict(_)))).count();
    assert_eq!(records, 100_000, "nobody is called before the records are taken");
}
