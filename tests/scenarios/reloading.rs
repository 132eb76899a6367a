//! Reload and stop: SIGHUP replaces everything or nothing, SIGTERM leaves nothing unfinished.
//!
//! A reload that leaves a half-dead process that looks healthy is worse than no reload.

use std::process::Command;

use ctwarden_tests::{Policy, Said, Scene, Udp, ctwarden, eventually, insert_all, table};

fn flow(port: u16) -> u32 {
    assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
    eventually("the flow is marked", || {
        table().iter().find(|entry| entry.has_port(port)).map(|e| e.mark).filter(|m| *m != 0)
    })
}

#[test]
fn a_good_configuration_takes_over() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&["new udp: mark 1/0xf"]).config("farewell = true"));
    assert_eq!(flow(5001), 1);
    assert!(daemon.send("scripted", "store word kept").is_good());
    scene.configure(format!("{}{}", Policy::scripted(&["new udp: mark 2/0xf"]), Policy::new("more", "guest-scripted")));
    assert_eq!(daemon.reload(), None);
    assert_eq!(flow(5002), 2, "the new one acts and the old one does not");
    assert_eq!(daemon.status()["plugins"].as_array().unwrap().len(), 2);
    assert_eq!(daemon.send("scripted", "load word").good().trim(), "kept");
    eventually("the old instance had its last call", || daemon.err().contains("stopped in order").then_some(()));

    // From now on, the plugin only observes.
    scene.configure(Policy::scripted(&["new udp: mark 4/0xf"]).observe());
    assert_eq!(daemon.reload(), None);
    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5003).works());
    daemon.wait_for("it observes", |record| record.came("mark", "observed") && record.has_port(5003));
    assert_eq!(table().iter().find(|entry| entry.has_port(5003)).unwrap().mark, 0);
    assert!(daemon.send("more", "load word").failed().contains("more"), "who is gone is gone");
    let _ = daemon.stop();
}

#[test]
fn a_broken_configuration_changes_nothing() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&["new udp: mark 1/0xf"]));
    let good = std::fs::read_to_string(scene.configuration()).unwrap();

    scene.configure(Policy::scripted(&["new udp: mark 2/0xf"]).key("speed = 3"));
    let why = daemon.reload().expect("it is not taken");
    assert!(why.contains("speed") && why.contains("ctwarden.toml:"), "{why}");
    daemon.wait_for_err(&["speed"]);
    assert_eq!(flow(5001), 1);

    scene.configure(format!(
        "{}{}",
        Policy::scripted(&["new udp: mark 2/0xf"]),
        Policy::new("odd", "guest-scripted").config("rules = [\"no\"]")
    ));
    assert!(daemon.reload().is_some_and(|why| why.contains("plugin odd")));
    let more = Policy::scripted_with(&["mark"], &["new udp: mark 2/0xf"]).key("mark-mask = 0xf");
    scene.configure(more.to_string().replace("needs = [\"mark\"]", "needs = [\"mark\", \"timeout\"]"));
    assert!(daemon.reload().is_some_and(|why| why.contains("needs timeout, which is not granted")));
    scene.write("guest-scripted.wasm", b"\0asm\x01\0\0\0");
    scene.write("ctwarden.toml", &good);
    assert!(daemon.reload().is_some_and(|why| why.contains("core module")));
    assert_eq!(flow(5002), 1);
    assert_eq!(daemon.plugin_status("scripted")["state"], "running");

    std::fs::remove_file(scene.path("guest-scripted.wasm")).unwrap();
    scene.configure(Policy::scripted(&["new udp: mark 2/0xf"]));
    assert_eq!(daemon.reload(), None, "and once it is good it is taken");
    assert_eq!(flow(5003), 2);
    let _ = daemon.stop();
}

#[test]
fn no_flow_falls_between_the_old_and_the_new() {
    let Some(scene) = Scene::new() else { return };
    let policy =
        |mark: u8| Policy::scripted(&[&format!("new udp: mark {mark}/0xf"), &format!("row udp: mark {mark}/0xf")]);
    let mut daemon = scene.start(policy(1));
    std::thread::scope(|scope| {
        // A thread inherits the namespace of the thread that starts it.
        let flood = scope.spawn(|| {
            for round in 0..20 {
                Udp::flood("127.0.0.1", "127.0.0.2", 10_000 + round * 100..10_100 + round * 100);
            }
        });
        for mark in [2, 3, 2, 1] {
            scene.configure(policy(mark));
            assert_eq!(daemon.reload(), None);
        }
        flood.join().unwrap();
    });
    eventually("every flow is marked by the last one", || {
        let table = table();
        (table.len() == 2_000 && table.iter().all(|entry| entry.mark == 1)).then_some(())
    });
    let _ = daemon.stop();
}

#[test]
fn it_ends_in_order_with_every_verdict_told() {
    let Some(scene) = Scene::new() else { return };
    insert_all(
        (0..3_000)
            .map(|n| format!("-p udp -s 10.{}.{}.1 -d 10.9.9.9 --sport 1000 --dport 53 -t 300", n / 250, n % 250)),
    );
    let daemon = scene.start(Policy::scripted(&["row udp: mark 1/1; log told=yes"]).config("farewell = true"));
    // Most likely, this is in the middle of the sweep.
    let ended = daemon.stop();
    let count = |action: &str| {
        ended.records.iter().filter(|record| record.is_verdict() && record.text("action") == Some(action)).count()
    };
    assert_eq!(count("mark"), count("log"), "both verdicts of an answer have their record, or neither was given");
    let marked = table().iter().filter(|entry| entry.mark == 1).count();
    assert_eq!(ended.records.iter().filter(|record| record.came("mark", "applied")).count(), marked);
    assert!(ended.records[0].is_notice("started"), "{:?}", ended.records[0]);
    assert!(ended.err.contains("stopped in order"), "{}", ended.err);
    assert!(!scene.control().exists(), "the socket is removed");
}

#[test]
fn records_go_to_standard_output_and_alerts_to_a_place_of_their_own() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(Policy::scripted(&["new udp: alert k$dst seen; log a=b"]));
    let text = std::fs::read_to_string(scene.configuration()).unwrap();
    let own = format!("records = \"stdout\"\nalerts = \"{}\"\n", scene.path("alerts.jsonl").display());
    let kept: Vec<_> = text.lines().filter(|line| !line.starts_with("records")).collect();
    scene.write("ctwarden.toml", kept.join("\n").replacen("[daemon]\n", &format!("[daemon]\n{own}"), 1));
    let daemon = scene.start_again();
    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5001).works());
    eventually("both records are there", || {
        (daemon.out().lines().filter(|line| line.contains("\"verdict\"")).count() == 2).then_some(())
    });
    let alerts = eventually("the alert is there", || {
        std::fs::read_to_string(scene.path("alerts.jsonl")).ok().filter(|text| text.contains('\n'))
    });
    assert_eq!(alerts.lines().count(), 1, "{alerts}");
    assert!(alerts.contains("\"seen\"") && alerts.contains("k127.0.0.2"), "{alerts}");
    let _ = daemon.verb("status").good();
    daemon.ask_to_stop();
    assert!(daemon.wait_for_end().status.success());
}

#[test]
fn repeated_alerts_are_one() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&["new udp: alert flood many of them"]));
    for port in 5001..5006 {
        assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
    }
    let alerts =
        daemon.wait_for_many("five alerts", 5, |record| record.is_verdict() && record.text("action") == Some("alert"));
    let shown: Vec<_> = alerts.iter().filter(|record| record.came("alert", "applied")).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].0["alert"]["title"].as_str(), shown[0].0["alert"]["key"].as_str()),
        (Some("many of them"), Some("flood"))
    );
    assert!(alerts.iter().filter(|record| record.came("alert", "superseded")).count() == 4, "{alerts:?}");
    let _ = daemon.stop();
}

#[test]
fn help_and_version_are_there() {
    let run = |word: &str| {
        let mut command: Command = ctwarden();
        command.arg(word);
        Said::of(command, "")
    };
    let help = run("--help").good();
    for verb in ["run", "check", "status", "send", "doctor"] {
        assert!(help.contains(verb), "{help}");
    }
    assert!(run("--version").good().starts_with("ctwarden "));
    assert!(run("rum").failed().contains("run"), "a typing error is answered with what was meant");
}
