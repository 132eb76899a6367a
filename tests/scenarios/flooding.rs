//! Plugins with far too much output: the daemon's memory, its records and the other plugins are not affected.

use std::fs;

use ctwarden_tests::{Daemon, Policy, Scene, eventually};

/// The plugin that has to go on: it bans at once.
fn neighbour() -> Policy {
    Policy::scripted_with(&["delete", "log"], &[])
}

/// A plugin in the mode `observe`, without grants, that returns far too much at each tick.
fn flood(how: &str) -> Policy {
    Policy::new("hostile", "guest-flood").config(&format!("how = \"{how}\""))
}

/// The number of verdicts that the plugin has returned.
fn verdicts(daemon: &Daemon) -> u64 {
    let status = daemon.plugin_status("hostile");
    let kinds = status["verdicts"].as_object().unwrap().values();
    kinds.flat_map(|outcomes| outcomes.as_object().unwrap().values()).map(|count| count.as_u64().unwrap()).sum()
}

fn wait_for_verdicts(daemon: &Daemon, count: u64) {
    eventually("it goes on with what it does", || (verdicts(daemon) >= count).then_some(()));
}

/// Waits for `more` further verdicts of the flood, and checks the neighbour, the memory and the records meanwhile.
fn holds(how: &str, hostile: Policy, first: u64, more: u64) {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("{}{}", hostile, neighbour()));
    wait_for_verdicts(&daemon, first);
    let before = daemon.memory();
    let end = verdicts(&daemon) + more;
    let mut asked = 0;
    while verdicts(&daemon) < end || asked < 5 {
        asked += 1;
        assert!(asked < 10_000, "{how}: it says nothing any more");
        let told = daemon.send("scripted", &format!("matching either 192.0.2.{}: delete", asked % 250));
        assert!(told.is_good(), "{told:?}");
    }
    let after = daemon.memory();
    assert!(after < before * 2, "{how}: {before} KiB became {after} KiB");
    daemon.wait_for("the neighbour's records", |record| record.is_of("scripted") && record.is_verdict());
    assert_eq!(daemon.plugin_status("scripted")["faults"], 0);
    assert_eq!(daemon.status()["records_lost"], 0);
    let written = fs::metadata(scene.path("records.jsonl")).unwrap().len();
    assert!(written < 16 << 20, "{how}: {written} bytes of records");
    let told = verdicts(&daemon);
    let ended = daemon.stop();
    let own = ended.records.iter().filter(|record| record.is_of("hostile") && record.is_verdict()).count() as u64;
    let folded: u64 = ended
        .records
        .iter()
        .filter(|record| record.is_notice("records-folded") && record.is_of("hostile"))
        .flat_map(|record| record.0["verdicts"].as_object().unwrap().values().cloned().collect::<Vec<_>>())
        .flat_map(|outcomes| {
            outcomes.as_object().unwrap().values().filter_map(serde_json::Value::as_u64).collect::<Vec<_>>()
        })
        .sum();
    assert!(own + folded >= told, "{own} records and {folded} folded verdicts of {told}");
}

#[test]
fn reasons_of_a_megabyte() {
    holds("reason", flood("reason"), 20, 200);
}

#[test]
fn fields_by_the_thousand() {
    holds("fields", flood("fields"), 20, 200);
}

#[test]
fn as_many_verdicts_as_a_call_may_return() {
    let few = flood("verdicts").of("budget", "records-per-second = 100");
    holds("verdicts", few, 50_000, 500_000);
}

#[test]
fn nothing_that_a_plugin_says_is_obeyed() {
    let Some(scene) = Scene::new() else { return };
    let allowed = flood("text").enforce().key("allow = [\"alert\"]");
    let alerts = format!("alerts = \"{}\"", scene.path("alerts.jsonl").display());
    scene.configure_daemon(&alerts, allowed);
    let mut daemon = scene.start_again();
    daemon.wait_for("an alert", |record| record.text("action") == Some("alert"));
    let refused = daemon.send("hostile", "refuse").failed();
    assert_eq!(
        refused.lines().count(),
        1,
        "a refusal is one line, and not as long as its plugin likes: {}",
        refused.len()
    );
    assert!(refused.len() < 3_000, "{}", refused.len());
    let reply = daemon.send("hostile", "a\u{1b}[2Jb\u{9b}c\u{202e}d\u{2028}e").good();
    assert!(reply.len() < 300_000 && reply.trim_end().ends_with("(cut)"), "{}", reply.len());
    let status = daemon.verb("status").good();
    let ended = daemon.stop();
    let records = fs::read_to_string(scene.path("records.jsonl")).unwrap();
    let alerts = fs::read_to_string(scene.path("alerts.jsonl")).unwrap();
    assert!(alerts.contains("gpj.exe") && records.contains("gpj.exe"));
    for (what, text) in [
        ("refusal", &refused),
        ("reply", &reply),
        ("status", &status),
        ("records", &records),
        ("alerts", &alerts),
        ("log", &ended.err),
    ] {
        let obeyed =
            |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}');
        assert!(
            !text.contains(obeyed),
            "{what}: {:?}",
            text.find(obeyed).and_then(|at| text.get(at.saturating_sub(20)..))
        );
    }
    for record in ended.records.iter().filter(|record| record.text("action") == Some("alert")) {
        assert!(!record.0.to_string().contains("\\u") && !record.0["alert"]["title"].as_str().unwrap().contains('\n'));
    }
}
