//! Sets that the packet filter mirrors: bans with real traffic between two hosts.

use std::time::{Duration, Instant};

use ctwarden_tests::{Daemon, Peer, Policy, Scene, Tcp, eventually, ip, load, stays};

/// A set in ctwarden's own table, and a policy that does what a message says.
fn managed() -> String {
    let policy = Policy::scripted_with(&["block", "unblock"], &[]).key("block-sets = [\"banned\"]");
    format!(
        "[[protect]]\ncomment = \"the management network\"\neither = [\"10.9.0.32/28\"]\n\
         [sets.banned]\nfirewall = true\n{policy}"
    )
}

fn peer() -> Peer {
    let there = ["10.9.0.2/24", "10.9.0.9/24", "2001:db8:9::2/64"];
    Peer::connect("outside", &["10.9.0.1/24", "2001:db8:9::1/64"], &there)
}

fn add(daemon: &Daemon, words: &str) {
    assert!(daemon.verb(&format!("add banned {words}")).is_good(), "{words}");
}

/// Whether a new connection from the peer's address comes about.
fn reaches(peer: &Peer, from: &str, to: &str, port: u16) -> bool {
    let _listener = Tcp::listen(to, port);
    peer.run(|| Tcp::can_dial(from, to, port))
}

#[test]
fn a_ban_stops_traffic_and_holds_whatever_happens() {
    let Some(scene) = Scene::new() else { return };
    let peer = peer();
    let mut old = peer.tcp_from("10.9.0.2", "10.9.0.1", 8000);
    let mut other = peer.tcp_from("10.9.0.9", "10.9.0.1", 8001);
    assert!(old.works() && other.works());
    let mut daemon = scene.start(managed());
    add(&daemon, "10.9.0.2 2001:db8:9::2 --for 1h --source alice");
    assert!(old.is_dead() && !reaches(&peer, "10.9.0.2", "10.9.0.1", 8002), "the answer came, so the ban holds");
    assert!(!reaches(&peer, "2001:db8:9::2", "2001:db8:9::1", 8003));
    assert!(other.works(), "another address is not concerned");
    let mut port = 9000;
    for command in ["flush ruleset", "flush set inet ctwarden banned4", "flush chain inet ctwarden blocked"] {
        load(command);
        let begin = Instant::now();
        while reaches(&peer, "10.9.0.2", "10.9.0.1", port) {
            port += 1;
            assert!(begin.elapsed() < Duration::from_secs(1), "after {command}");
        }
    }
    let repaired = daemon.wait_for("the repair", |record| record.is_notice("firewall-repaired"));
    assert!(repaired.text("text").unwrap().starts_with("table inet ctwarden: another program changed"));
    daemon.kill();
    assert!(!reaches(&peer, "10.9.0.2", "10.9.0.1", 8005), "a ban outlives the daemon");
    load("flush ruleset");
    let daemon = scene.start_again();
    assert!(!reaches(&peer, "10.9.0.2", "10.9.0.1", 8006), "and a flushed ruleset, with the next start");
    assert_eq!(daemon.verb("remove banned 10.9.0.2 --source alice").good(), "10.9.0.2 removed\n");
    assert!(reaches(&peer, "10.9.0.2", "10.9.0.1", 8007), "the answer came, so the ban is gone");
    assert!(!reaches(&peer, "2001:db8:9::2", "2001:db8:9::1", 8008));
    let _ = daemon.stop();
}

#[test]
fn one_service_is_banned_and_the_others_go_on() {
    let Some(scene) = Scene::new() else { return };
    let peer = peer();
    let daemon = scene.start(managed());
    add(&daemon, "10.9.0.2/31 --service tcp/8000-8009 --source alice");
    assert!(!reaches(&peer, "10.9.0.2", "10.9.0.1", 8005));
    assert!(reaches(&peer, "10.9.0.2", "10.9.0.1", 8010) && reaches(&peer, "10.9.0.9", "10.9.0.1", 8006));
    assert!(daemon.send("scripted", "none: block banned 10.9.0.9 60").is_good());
    assert!(!reaches(&peer, "10.9.0.9", "10.9.0.1", 8011));
    let claims = daemon.verb("claims banned").good();
    assert!(claims.contains("10.9.0.2/31 tcp/8000-8009 by alice since "), "{claims}");
    let whole = daemon.verb("remove banned 10.9.0.2/31 --source alice").good();
    assert_eq!(whole, "10.9.0.2/31 is not in the set\n", "only the service was banned");
    assert!(daemon.verb("remove banned 10.9.0.2/31 --service tcp/8000-8009 --source alice").is_good());
    assert!(reaches(&peer, "10.9.0.2", "10.9.0.1", 8005));
    let _ = daemon.stop();
}

#[test]
fn policies_and_people_ban_beside_each_other() {
    let Some(scene) = Scene::new() else { return };
    let peer = peer();
    let daemon = scene.start(managed());
    assert!(daemon.send("scripted", "none: block banned 10.9.0.2 600").is_good());
    add(&daemon, "10.9.0.2/31 --source alice");
    assert!(!reaches(&peer, "10.9.0.2", "10.9.0.1", 8000));
    daemon.kill();
    let daemon = scene.start_again();
    let claims = daemon.verb("claims banned").good();
    assert!(
        claims.contains("10.9.0.2 by policy scripted since ") && claims.contains("10.9.0.2/31 by alice"),
        "{claims}"
    );
    let left = daemon.verb("remove banned 10.9.0.2/31 --source alice").good();
    assert_eq!(left, "10.9.0.2/31 removed\n");
    assert!(!reaches(&peer, "10.9.0.2", "10.9.0.1", 8001), "the policy still bans the narrower address");
    assert!(daemon.send("scripted", "none: unblock banned 10.9.0.2").is_good());
    assert!(reaches(&peer, "10.9.0.2", "10.9.0.1", 8002));
    let _ = daemon.stop();
}

#[test]
fn what_must_not_be_banned_is_refused_by_name() {
    let Some(scene) = Scene::new() else { return };
    let _peer = peer();
    ip("route add default via 10.9.0.2");
    let daemon = scene.start(managed());
    let refused = daemon.verb("add banned 10.9.0.2 10.9.0.1 10.9.0.40 10.9.0.0/24 ::ffff:10.9.0.1 127.0.0.9 10.9.0.9");
    assert!(!refused.is_good());
    let lines: Vec<&str> = refused.out.lines().collect();
    assert_eq!(lines[0], "10.9.0.2 not banned: protected (the default gateway)");
    assert_eq!(lines[1], "10.9.0.1 not banned: protected (an address of this host)");
    assert_eq!(lines[2], "10.9.0.40 not banned: protected (the management network)");
    assert_eq!(lines[3], "10.9.0.0/24 not banned: protected (the management network: 10.9.0.32/28 is in it)");
    assert_eq!(lines[4], "10.9.0.1 not banned: protected (an address of this host)");
    assert_eq!(lines[5], "127.0.0.9 not banned: protected (loopback)");
    assert!(lines[6].starts_with("10.9.0.9 added "), "{lines:?}");
    let claims = daemon.verb("claims banned").good();
    assert!(claims.ends_with("set banned: 1 claim, 1 network\n"), "{claims}");
    let _ = daemon.stop();
}

#[test]
fn a_list_is_in_the_firewall_but_for_what_it_must_not_hold() {
    let Some(scene) = Scene::new() else { return };
    let peer = peer();
    scene.write("feed.txt", "10.9.0.2\n10.9.0.0/24\n198.51.100.0/24\n");
    let policy = Policy::scripted_with(&["delete"], &[]);
    let mut daemon = scene.start(format!("[sets.feed]\nfile = \"feed.txt\"\nfirewall = \"reject\"\n{policy}"));
    assert!(!reaches(&peer, "10.9.0.2", "10.9.0.1", 8000));
    assert!(reaches(&peer, "10.9.0.9", "10.9.0.1", 8001), "the network around this host is held back");
    let status = daemon.status();
    let firewall = &status["sets"][0]["firewall"];
    assert_eq!((&firewall["elements"], &firewall["held_back"]), (&2.into(), &1.into()), "{status}");
    scene.write("new.txt", "10.9.0.9\n");
    std::fs::rename(scene.path("new.txt"), scene.path("feed.txt")).unwrap();
    eventually("the new list is in force", || (!reaches(&peer, "10.9.0.9", "10.9.0.1", 8002)).then_some(()));
    eventually("the old one is not", || reaches(&peer, "10.9.0.2", "10.9.0.1", 8003).then_some(()));
    // Without a firewall the table goes.
    scene.configure(format!("[sets.feed]\nfile = \"feed.txt\"\n{policy}"));
    assert_eq!(daemon.reload(), None);
    assert!(reaches(&peer, "10.9.0.9", "10.9.0.1", 8004));
    stays("no table", || ctwarden_tests::try_load("list table inet ctwarden").is_err());
    let _ = daemon.stop();
}

#[test]
fn a_packet_filter_that_cannot_hold_the_set_is_told_before_anything_runs() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table inet t { set single { type ipv4_addr; flags timeout; }; set lasting { type ipv4_addr; flags interval; }; \
         set wrong { type ipv6_addr; flags interval, timeout; }; }; table inet ctwarden { set mine { type ipv4_addr; }; }",
    );
    let policy = Policy::scripted(&[]);
    let told = |set: &str| {
        scene.configure(format!("[sets.banned]\n{set}\n{policy}"));
        let checked = scene.verb("check").failed();
        let started = scene.verb("run").failed();
        let finding =
            checked.lines().find(|line| line.contains("banned") || line.contains("firewall")).unwrap().to_owned();
        assert!(started.contains(&finding), "{started}\n{finding}");
        finding
    };
    let table = |ipv4: &str| told(&format!("table = \"inet t\"\nipv4 = \"{ipv4}\"\nipv6 = false"));
    assert!(table("single").contains("lacks \"flags interval\" and holds no networks"));
    assert!(table("lasting").contains("lacks \"flags timeout\""));
    assert!(table("wrong").contains("does not hold IPv4 addresses"));
    assert!(table("gone").contains("there is no nftables set gone in table inet t; create it with: nft 'add table"));
    let none = told("table = \"inet t\"\nipv4 = \"single\"");
    assert!(none.contains("no set is named, so addresses of this family would not be blocked"), "{none}");
    let foreign = told("firewall = true");
    assert!(foreign.contains("there is a table inet ctwarden that ctwarden did not create"), "{foreign}");
}
