//! The daemon without events of every flow, or where no flow is tracked: it reports this, and does not answer from
//! incomplete knowledge.

use ctwarden_tests::{Daemon, Policy, Scene, Udp, eventually, insert, load, table};
use serde_json::Value;

fn follower() -> Policy {
    Policy::new("ban", "ban-follower").enforce().key("allow = [\"delete\", \"alert\", \"sweep\"]").config("sets = []")
}

fn is_complete(daemon: &Daemon) -> bool {
    daemon.status()["replica"]["complete"] == true
}

fn wait_until_complete(daemon: &Daemon) {
    eventually("the replica is complete", || is_complete(daemon).then_some(()));
}

fn is_left(address: &str) -> bool {
    table().iter().any(|entry| entry.has_address(address))
}

/// The subjects of the warnings in the status.
fn warned(status: &Value) -> Vec<String> {
    let warnings = status["warnings"].as_array().unwrap_or_else(|| panic!("no warnings: {status}"));
    warnings.iter().map(|warning| warning["about"].as_str().unwrap().to_owned()).collect()
}

/// Begins a flow and bans its sender.
fn meet_and_ban(daemon: &Daemon, address: &str) {
    let udp = Udp::between(address, "127.0.0.2", 5353);
    assert!(udp.works());
    assert!(is_left(address));
    let said = daemon.send("ban", &format!("end {address}")).good();
    assert!(said.contains("flows: 1 applied") && !is_left(address), "{said}");
}

#[test]
fn flows_that_begin_unheard_are_ended_all_the_same() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(follower());
    wait_until_complete(&daemon);
    scene.set("netfilter/nf_conntrack_events", 0);
    meet_and_ban(&daemon, "127.0.0.9");
    let told = daemon.wait_for("the warning", |record| record.is_notice("warned"));
    assert_eq!(told.0["about"], "events", "{told:?}");
    assert!(told.text("text").is_some_and(|text| text.contains("nf_conntrack_events = 0")), "{told:?}");
    let status = daemon.status();
    assert_eq!((warned(&status), &status["replica"]["complete"]), (vec!["events".to_owned()], &Value::Bool(false)));
    let words = daemon.verb("status").good();
    assert!(words.contains("not used") && words.contains("warning: events: "), "{words}");

    // The following sweep finds a flow that began without an event and is still there.
    let udp = Udp::between("127.0.0.10", "127.0.0.2", 5354);
    assert!(udp.works());
    scene.set("netfilter/nf_conntrack_events", 1);
    daemon.wait_for("it is over", |record| record.is_notice("warning-over"));
    wait_until_complete(&daemon);
    let before = daemon.status()["sweeps"].clone();
    let said = daemon.send("ban", "end 127.0.0.10").good();
    assert!(said.contains("flows: 1 applied") && !is_left("127.0.0.10"), "{said}");
    assert_eq!(daemon.status()["sweeps"], before, "and by the replica");
    assert_eq!(warned(&daemon.status()), [""; 0]);
    let _ = daemon.stop();
}

#[test]
fn a_rule_that_mutes_flows_is_noticed_before_the_next_ban() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(follower());
    wait_until_complete(&daemon);
    for (mask, address) in [("destroy", "127.0.0.11"), ("new", "127.0.0.12"), ("assured", "127.0.0.13")] {
        // The rule runs before the kernel confirms the entry, as in nft's documentation.
        load(&format!(
            "table inet mute {{ chain out {{ type filter hook output priority 0; udp dport 5353 ct event set {mask}; }}; }}"
        ));
        meet_and_ban(&daemon, address);
        let status = daemon.status();
        assert_eq!(status["replica"]["complete"], false);
        eventually("it says so", || (warned(&daemon.status()) == ["event_rules"]).then_some(()));
        load("delete table inet mute");
        eventually("it is over", || warned(&daemon.status()).is_empty().then_some(()));
        wait_until_complete(&daemon);
    }
    let about = |name: &str| daemon.records.which(|record| record.is_notice(name)).len();
    assert_eq!((about("warned"), about("warning-over")), (3, 3));
    let _ = daemon.stop();
}

#[test]
fn a_rule_that_mutes_for_a_moment_only_is_not_forgotten() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(follower());
    wait_until_complete(&daemon);
    load("table inet mute { chain out { type filter hook output priority 0; ct event set destroy; }; }");
    let udp = Udp::between("127.0.0.9", "127.0.0.2", 5353);
    assert!(udp.works());
    load("delete table inet mute");
    let said = daemon.send("ban", "end 127.0.0.9").good();
    assert!(said.contains("flows: 1 applied") && !is_left("127.0.0.9"), "{said}");
    wait_until_complete(&daemon);
    let _ = daemon.stop();
}

#[test]
fn elements_of_sets_do_not_make_the_copy_doubtful() {
    let Some(scene) = Scene::new() else { return };
    load("table inet ward { set bad { type ipv4_addr; flags interval, timeout; }; }");
    let daemon = scene.start(follower());
    wait_until_complete(&daemon);
    let before = daemon.status()["sweeps"].clone();
    let elements: Vec<String> = (0..2000).map(|n| format!("10.{}.{}.0/25", n / 250, n % 250)).collect();
    load(&format!("add element inet ward bad {{ {} }}", elements.join(", ")));
    assert!(is_complete(&daemon));
    insert("-p udp -s 10.0.0.7 -d 10.9.0.2 --sport 1 --dport 2 -t 600");
    let said = daemon.send("ban", "end 10.0.0.7").good();
    assert!(said.contains("flows: 1 applied"), "{said}");
    assert_eq!(daemon.status()["sweeps"], before);
    let _ = daemon.stop();
}

#[test]
fn a_daemon_that_starts_deaf_says_so_and_bans_by_sweeps() {
    let Some(scene) = Scene::new() else { return };
    scene.set("netfilter/nf_conntrack_events", 0);
    load("table inet mute { chain out { ct event set new; }; }");
    scene.configure(follower());
    let said = scene.verb("check").good();
    assert!(said.contains("warning: events: ") && said.contains("warning: event_rules: "), "{said}");
    let said: Value = serde_json::from_str(&scene.verb("check --json").good()).unwrap();
    assert_eq!(warned(&said), ["events", "event_rules"]);
    let daemon = scene.start_again();
    assert_eq!(warned(&daemon.status()), ["events", "event_rules"]);
    daemon.wait_for_err(&["warning: events: ", "sysctl -w"]);
    meet_and_ban(&daemon, "127.0.0.9");
    assert!(!is_complete(&daemon));
    let _ = daemon.stop();
}

#[test]
fn where_nothing_is_tracked_no_ban_claims_that_flows_ended() {
    let Some(scene) = Scene::new() else { return };
    load("delete table inet watch");
    scene.configure(follower());
    let said = scene.verb("check").good();
    assert!(said.contains("warning: hooks: conntrack is not active in this network namespace"), "{said}");
    let mut daemon = scene.start_again();
    daemon.wait_for_err(&["warning: hooks: conntrack is not active"]);
    assert_eq!(warned(&daemon.status()), ["hooks"]);
    let udp = Udp::between("127.0.0.9", "127.0.0.2", 5353);
    assert!(udp.works() && table().is_empty(), "it goes on without an entry");
    for address in ["127.0.0.9", "2001:db8::2"] {
        let said = daemon.send("ban", &format!("end {address}"));
        let words = format!("{}{}", said.out, said.err);
        assert!(words.contains("delete: 1 refused") && !words.contains("delete: 1 applied"), "{words}");
        assert!(words.contains("conntrack is off in this network namespace"), "{words}");
    }
    let record = daemon.wait_for("the record", |record| record.came("delete", "refused"));
    assert!(record.text("refusal").is_some_and(|why| why.contains("conntrack is off")), "{record:?}");
    let refusal = daemon.plugin_status("ban")["last_refusal"].clone();
    assert!(refusal["text"].as_str().is_some_and(|why| why.contains("conntrack is off")), "{refusal}");

    // Rules that are loaded later switch conntrack on, for their family only.
    load("table ip watch { chain out { type filter hook output priority 0; ct state invalid counter; }; }");
    let udp = Udp::between("127.0.0.10", "127.0.0.2", 5354);
    assert!(udp.works());
    let said = daemon.send("ban", "end 127.0.0.10").good();
    assert!(said.contains("flows: 1 applied"), "{said}");
    let said = daemon.send("ban", "end 2001:db8::2");
    assert!(format!("{}{}", said.out, said.err).contains("conntrack is off"), "{said:?}");
    let said = daemon.send("ban", "end 127.0.0.77").good();
    assert!(said.contains("delete: 1 applied"), "nobody of that address is there, for certain: {said}");
    let _ = daemon.stop();
}

#[test]
fn rules_that_go_while_it_runs_are_noticed_by_the_next_ban() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(follower());
    wait_until_complete(&daemon);
    assert_eq!(warned(&daemon.status()), [""; 0]);
    load("delete table inet watch");
    let said = daemon.send("ban", "end 127.0.0.9");
    assert!(format!("{}{}", said.out, said.err).contains("conntrack is off"), "{said:?}");
    eventually("the status says so", || (warned(&daemon.status()) == ["hooks"]).then_some(()));
    let _ = daemon.stop();
}
