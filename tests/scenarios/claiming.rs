//! Networks that people and programs add to a set: policies act on them, and they outlive the daemon.

use ctwarden_tests::{Daemon, Policy, Scene, eventually, holds, insert, table};

/// The set as the daemon keeps it in the kernel.
const HELD: &str = "inet ctwarden banned4";

/// A daemon whose set has only what is added, and a policy that ends the flows of what is in it.
fn following() -> String {
    let policy = Policy::new("ban", "ban-follower").enforce();
    let policy = policy.key("allow = [\"delete\", \"alert\", \"sweep\"]\nread-sets = [\"banned\"]");
    let policy = policy.config("sets = [\"banned\"]");
    format!("[sets.banned]\nfirewall = true\n{policy}")
}

fn claims(daemon: &Daemon) -> String {
    daemon.verb("claims banned").good()
}

fn begin(port: u16) {
    insert(&format!("-p udp -s 10.0.0.1 -d 198.51.100.7 --sport {port} --dport 53 -t 300"));
}

#[test]
fn what_is_added_ends_flows_and_survives_a_kill() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(following());
    begin(1000);
    let added = daemon.verb("add banned 198.51.100.7 --for 1h --reason scan --source alice").good();
    assert!(added.starts_with("198.51.100.7 added until 2"), "{added}");
    eventually("the flow ends", || table().is_empty().then_some(()));
    eventually("the firewall has it", || holds(HELD, "198.51.100.7").then_some(()));
    let told = daemon.wait_for("the record", |record| record.is_notice("claims-changed"));
    assert_eq!(
        (told.text("source"), told.text("change"), told.text("reason")),
        (Some("alice"), Some("added"), Some("scan"))
    );
    assert_eq!((told.text("set"), told.0["members"][0].as_str()), (Some("banned"), Some("198.51.100.7")));
    // The answer came, so the claim is on the disk.
    let listed = claims(&daemon);
    daemon.kill();
    let daemon = scene.start_again();
    assert_eq!(claims(&daemon), listed);
    assert!(listed.starts_with("198.51.100.7 by alice since 2") && listed.contains(": scan\n"), "{listed}");
    assert!(listed.ends_with("set banned: 1 claim, 1 network\n"), "{listed}");
    begin(1001);
    eventually("and holds", || table().is_empty().then_some(()));
    assert_eq!(daemon.verb("remove banned 198.51.100.7 --source alice").good(), "198.51.100.7 removed\n");
    begin(1002);
    // The plugin has seen the flow before it answers.
    assert!(daemon.send("ban", "list").failed().contains("ctwarden claims"));
    assert_eq!(table().len(), 1, "nobody claims the address");
    assert_eq!(claims(&daemon), "set banned: 0 claims, 0 networks\n");
    daemon.kill();
    let daemon = scene.start_again();
    assert_eq!(claims(&daemon), "set banned: 0 claims, 0 networks\n", "the removal is on the disk, too");
    let _ = daemon.stop();
}

#[test]
fn a_network_stays_while_anyone_claims_it() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("[sets.banned]\nentries = [\"203.0.113.0/24\"]\n{}", Policy::scripted(&[])));
    assert!(daemon.verb("add banned 198.51.100.7 203.0.113.9 --source alice").is_good());
    assert!(daemon.verb("add banned 198.51.100.0/24 --source fail2ban --for 1h").is_good());
    let left = daemon.verb("remove banned 198.51.100.7 203.0.113.9 --source alice");
    assert!(!left.is_good(), "{left:?}");
    let lines: Vec<&str> = left.out.lines().collect();
    assert!(lines[0].starts_with("198.51.100.7 removed, but stays in the set: fail2ban claims 198.51.100.0/24 until "));
    assert_eq!(lines[1], "203.0.113.9 removed, but stays in the set: its list has 203.0.113.0/24");
    // A reload keeps the claims.
    assert_eq!(daemon.reload(), None);
    assert!(claims(&daemon).ends_with("set banned: 1 claim, 2 networks\n"));
    let unknown = daemon.verb("add baned 198.51.100.7").failed();
    assert!(
        unknown.contains("the configuration has no set \"baned\": it has banned; add a section [sets.baned]"),
        "{unknown}"
    );
    let wrong = daemon.verb("add banned 198.51.100.7:22").failed();
    assert!(wrong.contains("has a port; write the address alone"), "{wrong}");
    let _ = daemon.stop();
}

#[test]
fn a_claim_ends_by_itself() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(following());
    assert!(daemon.verb("add banned 198.51.100.7 --for 1s").is_good());
    eventually("it ends", || claims(&daemon).starts_with("set banned: 0 claims, 0 networks").then_some(()));
    daemon.wait_for("the end", |record| record.text("change") == Some("ended"));
    begin(1000);
    assert_eq!(table().len(), 1);
    let _ = daemon.stop();
}
