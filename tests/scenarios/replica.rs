//! The replica: verdicts on addresses find their flows without a sweep, and an incomplete replica gives no answers.

use std::process::Command;

use ctwarden_tests::{Daemon, Listener, Policy, Scene, Udp, eventually, insert, insert_all, remove, table};
use serde_json::Value;

fn follower() -> Policy {
    Policy::new("ban", "ban-follower").enforce().key("allow = [\"delete\", \"alert\", \"sweep\"]").config("sets = []")
}

fn many() -> impl Iterator<Item = String> {
    (0..400).map(|n| format!("-p udp -s 10.0.{}.{} -d 10.9.0.1 --sport 1000 --dport 53 -t 600", n / 200, n % 200 + 1))
}

fn wait_until_complete(daemon: &Daemon, flows: u64) {
    eventually("the replica is complete", || {
        let replica = &daemon.status()["replica"];
        (replica["complete"] == true && replica["flows"].as_u64() >= Some(flows)).then_some(())
    });
}

fn sweeps(daemon: &Daemon) -> u64 {
    let status = daemon.status();
    status["sweeps"].as_u64().unwrap() + status["sweeps_interrupted"].as_u64().unwrap()
}

fn is_left(address: &str) -> bool {
    table().iter().any(|entry| entry.has_address(address))
}

#[test]
fn a_ban_finds_its_flows_without_a_sweep() {
    let Some(scene) = Scene::new() else { return };
    insert_all(many());
    insert("-p tcp -s 2001:db8::7 -d 2001:db8::8 --sport 1 --dport 2 --state ESTABLISHED -u SEEN_REPLY -t 600");
    let mut daemon = scene.start(follower());
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    wait_until_complete(&daemon, 401);
    // The bans match one flow older than the daemon, one that began later, one with a banned receiver, and one in a
    // network.
    insert("-p udp -s 10.0.0.7 -d 10.9.0.2 --sport 1 --dport 2 -t 600");
    insert("-p udp -s 10.77.0.1 -d 10.0.0.7 --sport 1 --dport 2 -t 600");
    let before = sweeps(&daemon);
    let said = daemon.send("ban", "end 10.0.0.7").good();
    assert!(said.contains("3 applied"), "{said}");
    assert!(!is_left("10.0.0.7"));
    let said = daemon.send("ban", "end 2001:db8::/64").good();
    assert!(said.contains("1 applied"), "{said}");
    assert!(!is_left("2001:db8::7"));
    assert_eq!(sweeps(&daemon), before, "nobody read the table");
    assert_eq!(table().iter().filter(|entry| entry.has_address("10.9.0.1")).count(), 399);
    let report = daemon.verb("status").good();
    assert!(report.contains("\nreplica: ") && !report.contains("not complete"), "{report}");
    let _ = daemon.stop();
}

#[test]
fn flows_of_a_port_are_found_by_a_look_at_each() {
    let Some(scene) = Scene::new() else { return };
    insert_all(many());
    insert_all((1..=3).map(|n| format!("-p udp -s 2001:db8::{n} -d 2001:db8::9 --sport 1000 --dport 54 -t 600")));
    insert("-p tcp -s 10.0.0.8 -d 10.9.0.2 --sport 1 --dport 54 --state ESTABLISHED -u SEEN_REPLY -t 600");
    scene.configure_daemon("replica = \"on\"\n", Policy::scripted(&["new udp: log seen=1"]));
    let daemon = scene.start_again();
    wait_until_complete(&daemon, 404);
    let before = sweeps(&daemon);
    let said = daemon.send("scripted", "matching protocol udp dport 54: delete").good();
    assert!(said.contains("3 applied"), "{said}");
    assert_eq!(sweeps(&daemon), before, "nobody read the table");
    // The replica keeps no marks, so the daemon looks up each flow that may match.
    for (mark, left) in [("0x7", 401), ("0x0", 400)] {
        assert!(daemon.send("scripted", &format!("matching protocol tcp mark {mark}: delete")).is_good());
        assert_eq!(table().len(), left);
    }
    assert_eq!(sweeps(&daemon), before, "nor for these, as there are few");
    let _ = daemon.stop();
}

#[test]
fn the_copy_forgets_who_has_ended_whoever_ended_it() {
    let Some(scene) = Scene::new() else { return };
    // With 2, the default, the kernel sends no event for the end of an entry that is older than the daemon.
    scene.set("netfilter/nf_conntrack_events", 1);
    insert_all(many());
    let mut daemon = scene.start(follower());
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    wait_until_complete(&daemon, 400);
    let flows = |count: u64| (daemon.status()["replica"]["flows"] == count).then_some(());
    // No plugin asks for ends. The daemon reads only the key of each ended entry, and the zone is a part of the key.
    for flow in [
        "-p udp -s 10.1.0.1 -d 10.1.0.2 --sport 1 --dport 2 -t 600 -w 7",
        "-p udp -s 10.1.0.1 -d 10.1.0.2 --sport 1 --dport 2 -t 600",
        "-p udp -s 2001:db8::1 -d 2001:db8::2 --sport 1 --dport 2 -t 600",
    ] {
        insert(flow);
    }
    eventually("it knows the new ones", || flows(403));
    let events = daemon.status()["events"].as_u64().unwrap();
    remove("-p udp -s 10.1.0.1 -w 7");
    eventually("somebody else ended one", || flows(402));
    assert!(daemon.send("ban", "end 2001:db8::1").good().contains("1 applied"));
    assert!(daemon.send("ban", "end 10.0.1.0/24").good().contains("200 applied"));
    eventually("it ended the others itself", || flows(201));
    assert_eq!(daemon.status()["events"].as_u64().unwrap() - events, 202, "each end is an event");
    let _ = daemon.stop();
}

#[test]
fn a_ban_in_a_loss_still_finds_everything() {
    let Some(scene) = Scene::new() else { return };
    // 8 KiB hold about six events.
    scene.configure_daemon("receive-buffer = \"8KiB\"\nsweep-pause = \"50ms\"\n", follower());
    let mut daemon = scene.start_again();
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    wait_until_complete(&daemon, 0);
    daemon.pause();
    Udp::flood("127.0.0.1", "127.0.0.2", 10_000..10_500);
    insert("-p udp -s 10.0.0.7 -d 10.9.0.2 --sport 1 --dport 2 -t 600");
    daemon.resume();
    let said = daemon.send("ban", "end 10.0.0.7").good();
    assert!(said.contains("1 applied"), "{said}");
    assert!(!is_left("10.0.0.7"));
    wait_until_complete(&daemon, 500);
    let said = daemon.send("ban", "end 127.0.0.2").good();
    assert!(said.contains("500 applied"), "the repair made the replica whole: {said}");
    let _ = daemon.stop();
}

#[test]
fn a_ban_ends_what_the_copy_knows_before_a_sweep_finds_the_rest() {
    let Some(scene) = Scene::new() else { return };
    scene.configure_daemon("replica-memory = \"1MiB\"\nsweep-pause = \"50ms\"\n", follower());
    let daemon = scene.start_again();
    wait_until_complete(&daemon, 0);
    let of_banned = |ports: std::ops::Range<u16>| {
        ports.map(|port| format!("-p udp -s 10.0.0.7 -d 10.9.0.2 --sport {port} --dport 53 -t 600"))
    };
    insert_all(of_banned(1..21));
    wait_until_complete(&daemon, 20);
    // More flows than fit. Flows that come after them are not in the replica.
    insert_all(
        (0..30_000)
            .map(|n| format!("-p udp -s 10.1.{}.{} -d 10.9.0.1 --sport 1000 --dport 53 -t 600", n / 250, n % 250 + 1)),
    );
    eventually("it is full", || (daemon.status()["replica"]["turned_away"].as_u64() > Some(0)).then_some(()));
    insert_all(of_banned(21..41));
    let mut command = Command::new("conntrack");
    command.args(["-E", "-e", "DESTROY"]);
    let listener = Listener::start(command);
    let said = daemon.send("ban", "end 10.0.0.7").good();
    assert!(said.contains("flows: 40 applied"), "each is counted once: {said}");
    let ends = eventually("all ends are told", || {
        let told = listener.out();
        let sports = told.lines().filter_map(|line| line.split_once(" sport=")?.1.split(' ').next()?.parse().ok());
        let sports: Vec<u16> = sports.collect();
        (sports.len() == 40).then_some(sports)
    });
    assert!(ends[..20].iter().all(|port| *port < 21), "those that it knew come first: {ends:?}");
    assert!(!is_left("10.0.0.7"));
    let _ = listener.stop();
    let _ = daemon.stop();
}

#[test]
fn who_does_not_wait_has_the_answer_before_the_table_was_read() {
    let Some(scene) = Scene::new() else { return };
    scene.configure_daemon("replica = \"off\"\n", follower());
    insert_all(many());
    let mut daemon = scene.start_again();
    let said = daemon.send_without_waiting("ban", "end 10.0.0.7").good();
    assert!(said.contains("flows of 10.0.0.7 ended") && said.contains("1 still open"), "{said}");
    daemon.wait_for("its record", |record| record.came("delete", "applied"));
    assert!(!is_left("10.0.0.7"));
    let said = daemon.send_without_waiting("ban", "end nobody");
    assert!(!said.is_good() && said.err.contains("nobody"), "{said:?}");
    let _ = daemon.stop();
}

#[test]
fn it_is_kept_where_it_is_of_use_and_where_it_is_told() {
    let Some(scene) = Scene::new() else { return };
    let kept = |daemon: &Daemon| daemon.status()["replica"].is_object();
    scene.configure_daemon("replica = \"off\"\n", follower());
    insert("-p udp -s 10.0.0.7 -d 10.9.0.2 --sport 1 --dport 2 -t 600");
    let daemon = scene.start_again();
    assert!(!kept(&daemon));
    let said = daemon.send("ban", "end 10.0.0.7").good();
    assert!(said.contains("1 applied"), "found by a sweep: {said}");
    let _ = daemon.stop();
    scene.configure(Policy::scripted(&["new udp: log seen=1"]));
    let daemon = scene.start_again();
    assert!(!kept(&daemon), "nobody names flows by address");
    let _ = daemon.stop();
    scene.configure_daemon("replica = \"on\"\nreplica-memory = \"1MiB\"\n", Policy::scripted(&["new udp: log seen=1"]));
    let daemon = scene.start_again();
    wait_until_complete(&daemon, 0);
    assert_eq!(daemon.status()["replica"]["limit"], 1 << 20);
    insert("-p tcp -s 10.0.0.8 -d 10.9.0.2 --sport 1 --dport 2 --state ESTABLISHED -u SEEN_REPLY -t 600");
    wait_until_complete(&daemon, 1);
    let _ = daemon.stop();
}

/// The text of the status warning on this subject.
fn warning(status: &Value, about: &str) -> Option<String> {
    let warnings = status["warnings"].as_array().unwrap_or_else(|| panic!("no warnings: {status}"));
    let found = warnings.iter().find(|warning| warning["about"] == about)?;
    Some(found["text"].as_str().unwrap().to_owned())
}

#[test]
fn the_limit_of_memory_follows_the_table_and_one_that_is_too_low_is_told() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(follower());
    let said: Value = serde_json::from_str(&scene.verb("check --json").good()).unwrap();
    let too_little_memory = warning(&said, "replica").is_some();
    let daemon = scene.start_again();
    let status = daemon.status();
    let (limit, maximum) = (status["replica"]["limit"].as_u64().unwrap(), status["table"]["maximum"].as_u64().unwrap());
    assert!(too_little_memory || limit >= maximum * 124, "{status}");
    assert_eq!(warning(&status, "replica").is_some(), too_little_memory, "{status}");
    let _ = daemon.stop();

    // A full table always needs more memory than this: every machine's maximum is at least some thousand entries.
    scene.configure_daemon("replica-memory = \"64KiB\"\n", follower());
    let said = scene.verb("check").good();
    assert!(said.contains("warning: replica: ") && said.contains("write replica-memory = "), "{said}");
    let daemon = scene.start_again();
    daemon.wait_for_err(&["warning: replica: the replica"]);
    insert_all(many());
    insert_all(
        (0..2_000)
            .map(|n| format!("-p udp -s 10.1.{}.{} -d 10.9.0.1 --sport 1 --dport 2 -t 600", n / 250, n % 250 + 1)),
    );
    eventually("it is full, and says so", || {
        warning(&daemon.status(), "replica").filter(|text| text.contains("is full")).map(drop)
    });
    let said = daemon.send("ban", "end 10.1.7.250").good();
    assert!(said.contains("flows: 1 applied") && !is_left("10.1.7.250"), "{said}");
    let _ = daemon.stop();
}
