//! The checks between a plugin and the kernel: grants, protected flows, budgets, the breaker, and `observe`.
//!
//! The operator relies on these checks when a policy is wrong.

use std::net::UdpSocket;

use ctwarden_tests::{Daemon, Policy, Record, Scene, Tcp, Udp, elements, eventually, insert, insert_all, load, table};

fn entries(count: u32) {
    insert_all(
        (1..=count).map(|n| format!("-p udp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 53 -t 300 -m 0x100")),
    );
}

#[test]
fn what_was_not_granted_is_not_done() {
    let Some(scene) = Scene::new() else { return };
    entries(3);
    let policy = Policy::scripted_with(
        &["mark", "labels"],
        &["row udp 53: delete; mark 0x1/0xf; mark 0x10/0xf0; labels +9; timeout 9"],
    )
    .key("mark-mask = 0x0f\nlabel-bits = [1, 2]");
    let mut daemon = scene.start(policy);
    let verdicts = daemon.wait_for_many("all verdicts", 15, Record::is_verdict);
    let count = |action: &str, outcome: &str| verdicts.iter().filter(|record| record.came(action, outcome)).count();
    assert_eq!(
        (count("delete", "not-granted"), count("timeout", "not-granted"), count("labels", "not-granted")),
        (3, 3, 3)
    );
    assert_eq!(
        (count("mark", "applied"), count("mark", "not-granted")),
        (3, 3),
        "bits outside the granted mask are refused"
    );
    assert!(table().iter().all(|entry| entry.mark == 0x101 && entry.timeout > 60));
    let _ = daemon.stop();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let Some(scene) = Scene::new() else { return };
    entries(1);
    let mut daemon = scene.start(Policy::scripted(&[]));
    for (message, action) in [
        ("none: delete", "delete"),
        ("none: mark 1/1", "mark"),
        ("matching dport 53: alert k title", "alert"),
        ("matching dport 53: mark 0/0", "mark"),
    ] {
        let said = daemon.send("scripted", message).short();
        assert!(said.contains(&format!("{action}: 1 refused")), "{message}: {said}");
    }
    let refusals = daemon.wait_for_many("the refusals", 4, |record| record.text("outcome") == Some("refused"));
    assert!(refusals.iter().all(|record| record.text("refusal").is_some_and(|why| !why.is_empty())), "{refusals:?}");
    assert_eq!(table()[0].mark, 0x100);
    let _ = daemon.stop();
}

#[test]
fn protected_flows_are_not_touched_however_they_are_named() {
    let Some(scene) = Scene::new() else { return };
    entries(6);
    insert(
        "-p tcp -s 2001:db8:5::1 -d 2001:db8:5::2 --sport 1000 --dport 22 --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED",
    );
    let protect = "[[protect]]\ncomment = \"the way in\"\nprotocols = [\"tcp\"]\ndst-ports = [22]\n\
                   [[protect]]\noriginal-src = [\"10.0.0.2/31\"]\n";
    let rules = ["row udp: remember n$src; timeout 200", "row tcp: delete"];
    let mut daemon = scene.start(format!("{protect}{}", Policy::scripted(&rules)));
    let verdicts = daemon.wait_for_many("all verdicts", 7, Record::is_verdict);
    let protected = verdicts.iter().filter(|record| record.text("outcome") == Some("protected"));
    assert_eq!(protected.count(), 3);
    assert!(daemon.send("scripted", "key n10.0.0.3: delete").short().contains("delete: 1 protected"));
    let said = daemon.send("scripted", "matching protocol udp: delete").short();
    assert!(said.contains("4 applied") && said.contains("2 protected"), "{said}");
    let mut left: Vec<_> = table().iter().map(|entry| entry.original.src.to_string()).collect();
    left.sort();
    assert_eq!(left, ["10.0.0.2", "10.0.0.3", "2001:db8:5::1"]);
    assert!(table().iter().all(|entry| entry.timeout > 200), "nor were their timeouts");
    let _ = daemon.stop();
}

#[test]
fn a_filter_that_an_event_cannot_answer_is_answered_by_the_kernel() {
    let Some(scene) = Scene::new() else { return };
    insert(
        "-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED -m 0x8000",
    );
    insert("-p tcp -s 10.0.0.3 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED");
    let protect = "[[protect]]\nmark = \"0x8000/0x8000\"\n[[protect]]\nstatus = [\"!ASSURED\"]\n";
    let mut daemon = scene.start(format!("{protect}{}", Policy::scripted(&["row tcp: remember n$src; log seen=yes"])));
    daemon.wait_for_many("the rows", 2, |record| record.came("log", "applied"));
    // A flow key has neither mark nor status.
    assert!(daemon.send("scripted", "key n10.0.0.1: delete").short().contains("delete: 1 protected"));
    assert!(daemon.send("scripted", "key n10.0.0.3: delete").good().contains("delete: 1 applied"));
    assert_eq!(table().len(), 1);
    let _ = daemon.stop();
}

#[test]
fn a_network_with_a_protected_address_is_not_blocked() {
    let Some(scene) = Scene::new() else { return };
    load("table inet ward { set bad { type ipv4_addr; flags interval, timeout; }; }");
    let config =
        "[[protect]]\neither = [\"192.0.2.7\"]\n[block.bad]\ntable = \"inet ward\"\nipv4 = \"bad\"\nipv6 = false\n";
    let policy = Policy::scripted_with(&["block"], &[]).key("block-sets = [\"bad\"]");
    let daemon = scene.start(format!("{config}{policy}"));
    let said = daemon
        .send("scripted", "none: block bad 192.0.2.0/24 60; block bad 192.0.2.7 60; block bad 192.0.2.8 60")
        .short();
    assert!(said.contains("1 applied") && said.contains("2 protected"), "{said}");
    assert_eq!(elements("inet ward bad").len(), 1);
    let _ = daemon.stop();
}

#[test]
fn a_used_up_budget_stops_a_storm_of_changes() {
    let Some(scene) = Scene::new() else { return };
    entries(100);
    let daemon = scene.start(Policy::scripted(&[]).of("budget", "verdicts-per-second = 5"));
    let said = daemon.send("scripted", "matching dport 53: mark 0x1/0xf").short();
    let marked = table().iter().filter(|entry| entry.mark == 0x101).count();
    // The budget of two seconds at once, and perhaps a few more if the machine is slow.
    assert!((10..=30).contains(&marked), "{marked}");
    assert!(
        said.contains(&format!("{marked} applied")) && said.contains(&format!("{} over-budget", 100 - marked)),
        "{said}"
    );
    let _ = daemon.stop();
}

#[test]
fn deletes_are_held_to_a_share_of_the_table() {
    let Some(scene) = Scene::new() else { return };
    entries(100);
    let budget = "table-share-per-minute = 10\ntable-share-floor = 3";
    let daemon = scene.start(Policy::scripted(&["row 7: delete"]).of("budget", budget));
    let said = daemon.send("scripted", "matching dport 53: delete").short();
    let left = table().len();
    assert!((85..=97).contains(&left), "a tenth of them, or the floor if the table was not counted yet: {left}");
    assert!(said.contains(&format!("{} applied", 100 - left)) && said.contains("over-budget"), "{said}");
    for seconds in [0, 1, 30, 599] {
        let said = daemon.send("scripted", &format!("matching dport 53: timeout {seconds}")).short();
        assert!(
            said.contains("over-budget") && !said.contains("applied"),
            "what ends flows soon costs the same: {said}"
        );
    }
    assert!(table().iter().all(|entry| entry.timeout > 200), "nor were timeouts shortened");
    assert!(daemon.send("scripted", "matching dport 53: mark 1/1").good().contains("applied"), "marks end nothing");
    let _ = daemon.stop();
}

#[test]
fn a_host_whose_packets_nothing_drops_leaves_the_next_ban_its_budget() {
    let Some(scene) = Scene::new() else { return };
    load("table inet seen { chain out { type filter hook output priority 0; ct state new counter; }; }");
    let budget = "table-share-per-minute = 1\ntable-share-floor = 60";
    let mut daemon = scene.start(Policy::scripted(&["new udp: delete"]).of("budget", budget));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for time in 1..=11 {
        // Each datagram uses the same two ports, so the next one creates the entry again. The missing listener causes
        // one error.
        eventually("a datagram leaves", || socket.send_to(b"*", "127.0.0.2:4000").ok());
        daemon.wait_for_many("what came of the entry", time, Record::is_verdict);
    }
    let applied = |daemon: &Daemon| daemon.records.which(|record| record.came("delete", "applied")).len();
    assert_eq!(applied(&daemon), 10, "an eleventh delete would stop it no more than ten did");
    let told = daemon.wait_for("word of it", |record| record.is_notice("comes-back"));
    assert_eq!(told.text("plugin"), Some("scripted"));
    // Deletes of further new flows would not stop the host either, so the daemon limits them too.
    Udp::flood("127.0.0.1", "127.0.0.2", 5_000..5_200);
    daemon.wait_for_many("what came of its flows", 211, Record::is_verdict);
    assert_eq!(applied(&daemon), 30, "half of what may be deleted in a minute");
    insert_all((1..=25).map(|n| {
        format!(
            "-p tcp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 22 --state ESTABLISHED -t 300 -u SEEN_REPLY,ASSURED"
        )
    }));
    let said = daemon.send("scripted", "matching src 10.0.0.0/24: delete").good();
    assert!(said.contains("25 applied") && !said.contains("over-budget"), "{said}");
    assert_eq!(daemon.plugin_status("scripted")["state"], "running");
    let _ = daemon.stop();
}

#[test]
fn who_spends_its_budget_again_and_again_only_observes() {
    let Some(scene) = Scene::new() else { return };
    load("table inet ward { set bad { type ipv4_addr; flags interval, timeout; }; }");
    let rule = "tick: unblock bad 192.0.2.1; unblock bad 192.0.2.2; unblock bad 192.0.2.3; unblock bad 192.0.2.4";
    let policy = Policy::scripted_with(&["block", "unblock"], &[rule])
        .key("block-sets = [\"bad\"]")
        .of("budget", "verdicts-per-second = 1")
        .config("tick-every = 50");
    let mut daemon = scene.start(format!("[block.bad]\ntable = \"inet ward\"\nipv4 = \"bad\"\nipv6 = false\n{policy}"));
    let opened = daemon.wait_for("the breaker", |record| record.is_notice("breaker-opened"));
    let reason = daemon.plugin_status("scripted")["reason"].as_str().map(str::to_owned);
    assert!(reason.is_some_and(|reason| reason.contains("exceeded its budget by")), "it is told why");
    assert!(opened.is_of("scripted") && opened.number(&["seconds"]).is_some_and(|seconds| seconds >= 60), "{opened:?}");
    let status = daemon.plugin_status("scripted");
    assert_eq!(
        (status["state"].as_str(), status["mode"].as_str()),
        (Some("breaker-open"), Some("enforce")),
        "{status}"
    );
    let before = daemon.records.which(|record| record.came("unblock", "observed")).len();
    daemon.wait_for_many("it only observes", before + 1, |record| record.came("unblock", "observed"));
    let _ = daemon.stop();
}

#[test]
fn observing_changes_nothing_and_records_the_same() {
    let rules = [
        "row udp 53: mark 0x5/0xff; alert k$src seen; log a=b",
        "row tcp: delete because tcp|no",
        "row udp 54: timeout 9; labels +3",
    ];
    let config = "[[protect]]\noriginal-src = [\"10.0.0.4\"]\n[block.bad]\ntable = \"inet ward\"\nipv4 = \"bad\"\nipv6 = false\n";
    // First in observe mode, which is the default, then in enforce mode.
    let seen: Vec<_> = [true, false].into_iter().filter_map(|observe| {
        let scene = Scene::new()?;
        load("table inet ward { set bad { type ipv4_addr; flags interval, timeout; }; chain out { type filter hook output priority 0; ct label 3 counter; }; }");
        entries(4);
        insert_all((1..=3).map(|n| format!("-p udp -s 10.0.1.{n} -d 10.1.0.1 --sport 1000 --dport 54 -t 300")));
        let mut tcp = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
        assert!(tcp.works());
        let mut policy = Policy::new("scripted", "guest-scripted").key("mark-mask = 0xff\nlabel-bits = [3]\nblock-sets = [\"bad\"]")
            .key("allow = [\"mark\", \"alert\", \"log\", \"delete\", \"timeout\", \"labels\", \"block\", \"protect\"]")
            .needs(&["mark", "alert", "log", "delete", "timeout", "labels", "block", "protect"])
            .config(&format!("rules = {rules:?}"));
        if !observe {
            policy = policy.enforce();
        }
        let mut daemon = scene.start(format!("{config}{policy}"));
        daemon.wait_for_many("the sweep's verdicts", 4 * 3 + 1 + 3 * 2, Record::is_verdict);
        // Each `matching` verdict except the third leaves something undone: everything in observe mode, or a protected
        // flow.
        assert_eq!(daemon.send("scripted", "none: block bad 192.0.2.1 60").is_good(), !observe);
        assert!(!daemon.send("scripted", "matching src 10.0.0.0/24: mark 0x7/0xff").is_good());
        assert_eq!(daemon.send("scripted", "matching src 10.0.1.1: protect 60").is_good(), !observe);
        assert!(!daemon.send("scripted", "matching dport 54: delete").is_good());
        let table = table();
        let changed = (
            table.len(),
            table.iter().filter(|entry| entry.mark & 0xff != 0).count(),
            table.iter().filter(|entry| entry.timeout <= 10).count(),
            elements("inet ward bad").len(),
        );
        let records = daemon.stop().records;
        let mut verdicts: Vec<_> = records.iter().filter(|record| record.is_verdict()).map(|record| {
            let outcome = match (observe, record.text("outcome").unwrap()) {
                (true, "observed") | (false, "applied") => "done",
                (true, "applied") => panic!("observe did something: {record:?}"),
                (_, other) => other,
            };
            let matched = record.number(&["tally", "matched"]);
            [record.text("action"), record.text("code"), record.text("reason"), Some(outcome), record.0["flow"]["src"].as_str()]
                .map(|part| part.unwrap_or("-").to_owned()).join(" ") + &format!(" {matched:?}")
        }).collect();
        verdicts.sort();
        Some((changed, verdicts))
    }).collect();
    let [(observed, quietly), (enforced, loudly)] = seen.as_slice() else { return };
    assert_eq!(observed, &(8, 0, 0, 0), "nothing in the kernel has changed");
    assert_eq!(enforced, &(5, 3, 1, 1), "and in the other mode it would have");
    assert_eq!(quietly, loudly);
}
