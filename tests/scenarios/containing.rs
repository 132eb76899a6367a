//! Plugins that fail, each in its own way. The daemon contains each of them, and another plugin goes on working.
//!
//! Operators of such systems complain most about one bad policy that stops all the others.

use ctwarden_tests::{Daemon, Policy, Record, Scene, Udp, eventually, table};

/// A flow to this port provokes the hostile guests.
const PROVOCATION: u16 = 6666;

/// The plugin that has to go on.
fn worker() -> Policy {
    let rule = "[[plugin.config.rules]]\nname = \"all\"\nprotocols = [\"udp\"]\nto = [\"127.0.0.2\"]\nmark = \"1/1\"";
    Policy::new("worker", "mark-by-service").enforce().key("allow = [\"mark\"]\nmark-mask = 1").config(rule)
}

fn hostile(guest: &str) -> Policy {
    Policy::new("hostile", guest).enforce().key("allow = [\"log\", \"alert\"]")
}

/// Makes a flow and waits until the worker has marked it.
fn works(port: u16) {
    assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
    eventually("the worker goes on", || table().into_iter().find(|entry| entry.has_port(port) && entry.mark == 1));
}

/// Provokes the guest with a flow and returns its fault. The worker has to go on meanwhile, and the guest has to come
/// back.
fn provoked(scene: &Scene, policy: Policy) -> (Daemon, Record) {
    let mut daemon = scene.start(format!("{policy}{}", worker()));
    works(5001);
    daemon.wait_for("the guest works before", |record| record.came("log", "applied") && record.has_port(5001));
    Udp::flood("127.0.0.1", "127.0.0.3", PROVOCATION..=PROVOCATION);
    works(5002);
    let fault = daemon.wait_for("the fault", |record| record.is_fault("hostile"));
    works(5003);
    assert_eq!(daemon.plugin_status("worker")["faults"], 0);
    assert!(daemon.plugin_status("hostile")["faults"].as_u64() >= Some(1));
    assert!(fault.number(&["restart_ms"]).is_some() && fault.number(&["entries"]) >= Some(1), "{fault:?}");
    (daemon, fault)
}

/// Checks a guest for a fault of this kind whose text contains these words.
fn contained(policy: Policy, fault: &str, words: &[&str]) {
    let Some(scene) = Scene::new() else { return };
    let (mut daemon, record) = provoked(&scene, policy);
    assert_eq!(record.text("fault"), Some(fault), "{record:?}");
    let text = record.text("text").unwrap();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
    let last = daemon.plugin_status("hostile")["last_fault"].clone();
    assert_eq!(last["kind"], fault, "{last}");
    // Otherwise the sweep for the fresh instance would deliver the provoking flow again.
    ctwarden_tests::remove("-p udp --dport 6666");
    daemon.wait_for("a fresh instance", |record| record.is_notice("restarted") && record.is_of("hostile"));
    eventually("it works again", || {
        works(5004);
        daemon.records.all().into_iter().rev().find(|record| record.came("log", "applied") && record.has_port(5004))
    });
    let ended = daemon.stop();
    let voided = |record: &&Record| record.is_verdict() && record.is_of("hostile") && record.has_port(PROVOCATION);
    assert_eq!(ended.records.iter().filter(voided).count(), 0, "the verdicts of a failed call are void");
}

#[test]
fn a_trap() {
    contained(hostile("guest-trap"), "trap", &["unreachable"]);
}

#[test]
fn a_panic() {
    contained(hostile("guest-panic"), "panic", &["no flow like this was ever planned for"]);
}

#[test]
fn an_endless_loop() {
    contained(hostile("guest-spin").of("limits", "call-cpu = \"200ms\""), "out-of-time", &["200ms"]);
}

#[test]
fn an_endless_sleep() {
    contained(hostile("guest-sleeper").of("limits", "call-wall = \"700ms\""), "stuck", &["700ms"]);
}

#[test]
fn hunger_for_memory() {
    let policy = hostile("guest-hungry").of("limits", "memory = \"32MiB\"\ncall-cpu = \"10s\"");
    contained(policy, "out-of-memory", &["33554432"]);
}

#[test]
fn a_million_verdicts() {
    let policy = hostile("guest-storm").of("limits", "memory = \"1GiB\"\ncall-cpu = \"10s\"");
    contained(policy, "too-much", &["in one call, more than"]);
}

#[test]
fn endless_talk() {
    let Some(scene) = Scene::new() else { return };
    let (daemon, fault) = provoked(&scene, hostile("guest-chatty").of("limits", "call-cpu = \"200ms\""));
    assert_eq!(fault.text("fault"), Some("out-of-time"));
    let said = daemon.err().lines().filter(|line| line.contains("for ever")).count();
    assert!((1..2_000).contains(&said), "{said} lines of it are in the log");
    assert!(!daemon.err().contains('\u{1b}'), "a plugin's words cannot move a terminal's cursor");
    let _ = daemon.stop();
}

#[test]
fn endless_recursion() {
    contained(hostile("guest-recursive").of("limits", "call-cpu = \"10s\""), "trap", &["stack"]);
}

#[test]
fn an_exit() {
    contained(hostile("guest-exits"), "exited", &["exited with status"]);
}

#[test]
fn verdicts_out_of_range() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("{}{}", hostile("guest-malformed"), worker()));
    works(5001);
    Udp::flood("127.0.0.1", "127.0.0.3", PROVOCATION..=PROVOCATION);
    let refused = |record: &Record| record.is_of("hostile") && record.text("outcome") == Some("refused");
    let refusals = daemon.wait_for_many("each of them is refused", 12, refused);
    assert!(refusals.iter().all(|record| record.text("refusal").is_some_and(|why| !why.is_empty())), "{refusals:?}");
    daemon.wait_for("the good one among them", |record| record.came("log", "applied") && record.has_port(PROVOCATION));
    works(5002);
    let ended = daemon.stop();
    assert!(!ended.records.iter().any(|record| record.text("record") == Some("fault")), "none of it is a fault");
}

#[test]
fn nothing_outside_is_within_reach() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("{}{}", hostile("guest-escape"), worker()));
    works(5001);
    Udp::flood("127.0.0.1", "127.0.0.3", PROVOCATION..=PROVOCATION);
    let told =
        |record: &Record| record.is_of("hostile") && record.text("reason").is_some_and(|reason| !reason.is_empty());
    let tries = daemon.wait_for_many("what came of each try", 13, told);
    for record in tries {
        assert!(record.text("reason").is_some_and(|reason| reason.ends_with(" denied")), "{record:?}");
    }
    works(5002);
    let _ = daemon.stop();
}

#[test]
fn who_fails_again_and_again_is_quarantined_for_all_to_see() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("{}{}", hostile("guest-panic"), worker()));
    works(5001);
    // The flow stays in the table, so the sweep of each fresh instance delivers it again.
    Udp::flood("127.0.0.1", "127.0.0.3", PROVOCATION..=PROVOCATION);
    let last =
        daemon.wait_for("the quarantine", |record| record.is_fault("hostile") && record.0["quarantined"] == true);
    let faults = daemon.records.which(|record| record.is_fault("hostile"));
    assert_eq!(faults.len(), 5, "{faults:?}");
    let waits: Vec<_> = faults[..4].iter().filter_map(|fault| fault.number(&["restart_ms"])).collect();
    assert!(waits.is_sorted() && waits[0] < waits[3], "each wait is longer than the one before: {waits:?}");
    assert!(last.number(&["restart_ms"]) >= Some(60_000), "{last:?}");

    let status = daemon.plugin_status("hostile");
    assert_eq!((&status["state"], &status["faults"]), (&"quarantined".into(), &5.into()), "{status}");
    assert!(status["until_ms"].as_u64() > Some(1_000), "{status}");
    assert!(status["last_fault"]["text"].as_str().is_some_and(|text| text.contains("planned for")), "{status}");
    let text = daemon.verb("status").good();
    assert!(text.contains("quarantined") && text.contains("planned for"), "{text}");
    let why = daemon.send("hostile", "hello").failed();
    assert!(why.contains("hostile") && why.contains("ctwarden status"), "{why}");
    works(5002);

    // An operator who repairs the plugin does not have to wait.
    scene.configure(format!("{}{}", hostile("guest-exits"), worker()));
    assert_eq!(daemon.reload(), None);
    eventually("the mended one runs", || (daemon.plugin_status("hostile")["state"] == "running").then_some(()));
    let _ = daemon.stop();
}

#[test]
fn a_message_that_kills_is_answered_and_not_delivered_again() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("{}{}", hostile("guest-trap"), worker()));
    assert_eq!(daemon.send("hostile", "hello").good().trim(), "hello");
    let why = daemon.send("hostile", "provoke").failed();
    assert!(why.contains("hostile") || why.contains("trap"), "{why}");
    daemon.wait_for("a fresh instance", |record| record.is_notice("restarted"));
    eventually("it answers again", || Some(daemon.send("hostile", "hello")).filter(ctwarden_tests::Said::is_good));
    assert_eq!(daemon.records.which(|record| record.is_fault("hostile")).len(), 1);
    works(5001);
    let _ = daemon.stop();
}

#[test]
fn whoever_would_rather_have_no_warden_than_half_of_one_gets_none() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(format!("{}{}", hostile("guest-trap").key("on-failure = \"exit\""), worker()));
    works(5001);
    Udp::flood("127.0.0.1", "127.0.0.3", PROVOCATION..=PROVOCATION);
    let ended = daemon.wait_for_end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    assert!(ended.err.contains("hostile") && ended.err.contains("unreachable"), "{}", ended.err);
    assert!(!scene.control().exists());
}

#[test]
fn who_fails_before_the_first_entry_is_not_started() {
    let Some(scene) = Scene::new() else { return };
    for (guest, words) in
        [("guest-configure-traps", "this configuration was too much"), ("guest-bad-descriptor", "name")]
    {
        scene.configure(format!("{}{}", Policy::new("hostile", guest), worker()));
        // The guest itself may have written a line too.
        let said = scene.verb("run").failed();
        let said: Vec<_> = said.lines().filter(|line| line.starts_with("ctwarden: ")).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        let said = said[0];
        assert!(said.contains("plugin hostile") && said.contains(guest) && said.contains(words), "{said}");
    }
}
