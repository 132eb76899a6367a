//! The bundled policy `ban-follower`: established flows to and from banned addresses end.
//!
//! This is the most requested rule. A usual ban keeps new connections out, but lets the old ones go on.

use std::net::TcpStream;

use ctwarden_tests::{Daemon, Peer, Policy, Scene, Tcp, elements, eventually, insert, insert_all, load, table};

fn follower() -> Policy {
    Policy::new("ban", "ban-follower").enforce()
}

/// The policy ends flows, and messages ban addresses.
fn blocking() -> String {
    let policy = follower().key(
        "allow = [\"delete\", \"block\", \"unblock\", \"alert\", \"sweep\"]\nblock-sets = [\"banned\"]\nread-sets = [\"banned\"]",
    );
    format!("[sets.banned]\nfirewall = true\n{}", policy.config("sets = [\"banned\"]\nblock-set = \"banned\""))
}

/// The policy only deletes flows.
fn deleting(config: &str) -> Policy {
    follower().key("allow = [\"delete\", \"alert\", \"sweep\"]").config(config)
}

/// Another host, because the daemon never blocks this host.
fn another_host() -> Peer {
    Peer::connect("outside", &["10.9.0.1/24", "2001:db8:9::1/64"], &["10.9.0.2/24", "10.9.0.9/24", "2001:db8:9::2/64"])
}

fn say(daemon: &Daemon, message: &str) -> String {
    daemon.send("ban", message).good()
}

/// Waits until the policy has seen what came before.
fn wait_for_the_policy(daemon: &Daemon) {
    assert!(daemon.send("ban", "list").failed().contains("ctwarden claims"));
}

#[test]
fn a_ban_by_message_ends_established_connections_in_both_directions() {
    let Some(scene) = Scene::new() else { return };
    let host = another_host();
    let mut banned = [
        host.tcp_from("10.9.0.9", "10.9.0.1", 8080),
        host.tcp_to("10.9.0.1", "10.9.0.9", 8081),
        host.tcp_from("2001:db8:9::2", "2001:db8:9::1", 8080),
        host.tcp_to("2001:db8:9::1", "2001:db8:9::2", 8081),
    ];
    let mut other = host.tcp_from("10.9.0.2", "10.9.0.1", 8082);
    assert!(banned.iter_mut().all(Tcp::works) && other.works());
    insert("-p udp -s 10.9.0.9 -d 10.9.0.1 --sport 1000 --dport 53 -t 300");
    let daemon = scene.start(blocking());

    let said = say(&daemon, "ban 10.9.0.9");
    assert!(
        said.contains("10.9.0.9 banned") && said.contains("block: 1 applied") && said.contains("3 applied"),
        "{said}"
    );
    let said = say(&daemon, "{\"ban\": [\"2001:db8:9::2\"], \"seconds\": 90}");
    assert!(said.contains("2 applied"), "{said}");
    assert!(banned.iter_mut().all(Tcp::is_dead), "nothing gets through any more, in either direction");
    assert!(other.works());
    assert!(!table().iter().any(|entry| entry.has_address("10.9.0.9") || entry.has_address("2001:db8:9::2")));
    let held = |set: &str| -> Vec<(String, u8)> {
        elements(set).iter().map(|element| (element.address.to_string(), element.length)).collect()
    };
    assert_eq!(held("inet ctwarden banned4"), [("10.9.0.9".to_owned(), 32)]);
    assert_eq!(held("inet ctwarden banned6"), [("2001:db8:9::2".to_owned(), 128)]);
    assert_eq!(elements("inet ctwarden banned4")[0].lifetime, None);
    // The kernel may hold an element up to ten seconds longer than the daemon.
    assert!(elements("inet ctwarden banned6")[0].lifetime.is_some_and(|lifetime| (90..=101).contains(&lifetime)));

    // An address of this host is never banned, and no list says that it is.
    assert!(!daemon.send("ban", "ban 10.9.0.1").is_good());
    let claims = daemon.verb("claims banned").good();
    assert!(claims.contains("10.9.0.9 by policy ban") && claims.contains("2001:db8:9::2 by policy ban"), "{claims}");
    assert!(!claims.contains("10.9.0.1 "), "{claims}");

    assert!(say(&daemon, "unban 10.9.0.9").contains("unblock: 1 applied"));
    assert!(elements("inet ctwarden banned4").is_empty());
    assert!(host.tcp_from("10.9.0.9", "10.9.0.1", 8083).works(), "whoever is unbanned may come back");
    let _ = daemon.stop();
}

#[test]
fn a_ban_by_file_ends_established_connections() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "192.0.2.1 an old one\n");
    insert_all((1..=9).map(|n| format!("-p udp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 53 -t 300")));
    insert_all((1..=9).map(|n| format!("-p udp -s 2001:db8:1::1 -d 2001:db8:2::{n} --sport 1000 --dport 53 -t 300")));
    let policy = deleting("sets = [\"feed\"]").key("read-sets = [\"feed\"]");
    let mut daemon = scene.start(format!("[sets.feed]\nfile = \"feed.txt\"\n{policy}"));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    assert_eq!(table().len(), 18, "nobody is banned yet");

    scene.write("feed.txt", "192.0.2.1\n10.0.0.4/31 scanner\n2001:db8:2::7\n");
    daemon.wait_for_many("three flows end", 3, |record| record.came("delete", "applied"));
    let left = table();
    assert_eq!(left.len(), 15);
    assert!(
        !left.iter().any(|e| ["10.0.0.4", "10.0.0.5", "2001:db8:2::7"].iter().any(|address| e.has_address(address)))
    );
    let record = daemon.wait_for("why", |record| record.0["flow"]["src"] == "10.0.0.4");
    assert!(record.text("reason").is_some_and(|why| why.contains("feed") && why.contains("scanner")), "{record:?}");

    // While the ban holds, the first packet of a new flow is enough to end it.
    insert("-p udp -s 10.0.0.5 -d 10.1.0.1 --sport 1001 --dport 53 -t 300");
    daemon.wait_for_many("the newcomer ends", 4, |record| record.came("delete", "applied"));
    scene.write("feed.txt", "192.0.2.1\n");
    eventually("the file was read", || {
        (daemon.records.which(|record| record.is_notice("set-changed")).len() >= 2).then_some(())
    });
    insert("-p udp -s 10.0.0.5 -d 10.1.0.1 --sport 1002 --dport 53 -t 300");
    wait_for_the_policy(&daemon);
    let _ = daemon.stop();
    assert!(table().iter().any(|entry| entry.has_address("10.0.0.5")));
}

/// The dumps of the table so far, and the dump entries in them.
fn readings(daemon: &Daemon) -> (u64, u64) {
    let status = daemon.status();
    let number = |name: &str| status[name].as_u64().unwrap();
    (number("sweeps") + number("sweeps_interrupted"), number("rows"))
}

/// Fills a table in which the list matches four flows. One of them belongs to an address that is never banned.
fn fill_around_a_list() {
    insert_all((1..=200).map(|n| format!("-p udp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 53 -t 600")));
    insert_all((1..=50).map(|n| format!("-p udp -s 2001:db8:1::{n} -d 2001:db8:2::1 --sport 1000 --dport 53 -t 600")));
}

/// Writes that list and waits until its flows have ended.
fn load_the_list(scene: &Scene, daemon: &mut Daemon) {
    // Far more networks than the table has flows.
    let absent: String = (0..3_000).map(|n| format!("172.{}.{}.0/24\n", 16 + n / 256, n % 256)).collect();
    scene.write("feed.txt", format!("{absent}10.0.0.4/31 scanner\n10.0.0.9\n2001:db8:1::7\n"));
    daemon.wait_for_many("three flows end", 3, |record| record.came("delete", "applied"));
    let asked = daemon.wait_for("the sweep is over", |record| record.came("sweep", "applied"));
    assert_eq!(asked.0["selection"]["filter"], serde_json::json!({ "sets": ["feed"] }), "by name, not by network");
    wait_for_the_policy(daemon);
    let ended = daemon.records.which(|record| record.is_verdict() && record.0["action"] == "delete");
    let mut ended: Vec<&str> = ended.iter().filter_map(|record| record.0["flow"]["src"].as_str()).collect();
    ended.sort_unstable();
    assert_eq!(ended, ["10.0.0.4", "10.0.0.5", "2001:db8:1::7"], "and nothing of who is never banned");
    assert_eq!(table().len(), 247);
    assert!(table().iter().any(|entry| entry.has_address("10.0.0.9")));
}

fn listing() -> String {
    let policy = deleting("sets = [\"feed\"]\nnever = [\"10.0.0.9\"]").key("read-sets = [\"feed\"]");
    format!("[sets.feed]\nfile = \"feed.txt\"\n{policy}")
}

#[test]
fn a_list_that_changes_finds_its_flows_without_reading_the_table() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "192.0.2.1\n");
    fill_around_a_list();
    let mut daemon = scene.start(listing());
    eventually("the replica is complete and at rest", || {
        let status = daemon.status();
        (status["replica"]["complete"] == true && status["sweeping"] == false).then_some(())
    });
    let (before, swept) = (readings(&daemon), daemon.records.which(|record| record.is_notice("swept")).len());
    load_the_list(&scene, &mut daemon);
    assert_eq!(readings(&daemon), before, "nobody read the table");
    assert_eq!(daemon.records.which(|record| record.is_notice("swept")).len(), swept);
    let _ = daemon.stop();
}

#[test]
fn a_list_that_changes_finds_its_flows_without_a_copy_of_the_table() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "192.0.2.1\n");
    fill_around_a_list();
    scene.configure_daemon("replica = \"off\"\n", listing());
    let mut daemon = scene.start_again();
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    let (sweeps, rows) = readings(&daemon);
    load_the_list(&scene, &mut daemon);
    daemon.wait_for_many("one that read the table", 2, |record| record.is_notice("swept"));
    assert_eq!(readings(&daemon), (sweeps + 1, rows + 250));
    let _ = daemon.stop();
}

#[test]
fn a_set_that_is_not_there_or_not_granted_selects_nothing() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    let sets =
        "[sets.all]\nentries = [\"0.0.0.0/0\"]\n[sets.none]\nentries = []\n[sets.other]\nentries = [\"0.0.0.0/0\"]\n";
    let policy = Policy::scripted(&["new tcp: delete"]).key("read-sets = [\"all\", \"none\"]");
    let mut daemon = scene.start(format!("{sets}{policy}"));
    for (set, why) in [
        ("lost", "the set lost is not granted to scripted; add it to its read-sets"),
        ("other", "the set other is not granted to scripted; add it to its read-sets"),
    ] {
        let said = daemon.send("scripted", &format!("matching set {set}: delete")).short();
        assert!(said.contains("1 refused"), "{said}");
        daemon.wait_for(why, |record| record.came("delete", "refused") && record.text("refusal") == Some(why));
    }
    let said = daemon.send("scripted", "matching set none: delete").good();
    assert!(!said.contains("flows"), "{said}");
    assert_eq!(table().len(), 1);
    let said = daemon.send("scripted", "matching set none set all: delete").good();
    assert!(said.contains("1 applied"), "{said}");
    assert!(table().is_empty());
    let _ = daemon.stop();
}

#[test]
fn a_ban_may_be_for_some_ports_only() {
    let Some(scene) = Scene::new() else { return };
    for port in [22, 80, 443] {
        insert(&format!(
            "-p tcp -s 10.0.0.1 -d 10.1.0.1 --sport 1000 --dport {port} --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED"
        ));
        insert(&format!("-p udp -s 10.0.0.1 -d 10.1.0.1 --sport 1000 --dport {port} -t 300"));
    }
    insert("-p icmp -s 10.0.0.1 -d 10.1.0.1 --icmp-type 8 --icmp-code 0 --icmp-id 7 -t 30");
    let daemon = scene.start(deleting("protocols = [\"tcp\"]\nports = [80, \"400-500\"]"));
    assert!(say(&daemon, "end 10.0.0.0/24").contains("2 applied"));
    let left = table();
    assert_eq!(left.len(), 5);
    assert!(!left.iter().any(|entry| entry.protocol == "tcp" && (entry.has_port(80) || entry.has_port(443))));
    let _ = daemon.stop();
}

#[test]
fn who_may_never_be_banned_is_not() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    insert("-p udp -s 10.0.7.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    let protect = "[[protect]]\noriginal-src = [\"10.0.7.1\"]\n";
    let daemon = scene.start(format!("{protect}{}", deleting("never = [\"10.0.0.0/30\"]")));
    for (message, words) in [
        ("end 10.0.0.1", "never"),
        ("end 10.0.0.0/24", "never"),
        ("end 0.0.0.0/0", "wider"),
        ("end 10.0.0", "not an address"),
        ("bann 10.0.0.1", "ban ADDRESS"),
        ("ban 192.0.2.9", "there is no block-set"),
        ("unban 192.0.2.9", "there is no block-set"),
    ] {
        let why = daemon.send("ban", message).failed();
        assert!(why.contains(words), "{message}: {why}");
    }
    let said = daemon.send("ban", "end 10.0.7.0/24").short();
    assert!(said.contains("1 protected") && !said.contains("ended"), "{said}");
    assert_eq!(table().len(), 2);
    let _ = daemon.stop();
}

#[test]
fn bans_by_message_outlive_the_daemon() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(blocking());
    assert!(say(&daemon, "ban 10.0.0.0/24 for 3600").contains("3600"));
    let _ = daemon.stop();
    // These flows begin while no daemon runs.
    insert("-p udp -s 10.0.0.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    insert("-p udp -s 10.0.1.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    let mut daemon = scene.start_again();
    daemon.wait_for("the sweep at the start ends it", |record| record.came("delete", "applied"));
    assert_eq!(table().iter().map(|entry| entry.original.src.to_string()).collect::<Vec<_>>(), ["10.0.1.1"]);
    assert!(daemon.verb("claims banned").good().starts_with("10.0.0.0/24 by policy ban"));
    let _ = daemon.stop();
}

#[test]
fn a_client_behind_nat_is_cut_off_in_the_middle_of_a_transfer() {
    let Some(scene) = Scene::new() else { return };
    load("table ip nat { chain post { type nat hook postrouting priority 100; oifname \"inside\" masquerade; }; }");
    scene.set("ipv4/ip_forward", 1);
    let client = Peer::connect("outside", &["198.51.100.1/24"], &["198.51.100.7/24", "198.51.100.8/24"]);
    let server = Peer::connect("inside", &["10.8.0.1/24"], &["10.8.0.2/24"]);
    let listener = server.run(|| Tcp::listen("10.8.0.2", 8080));
    let connect = |from: &str| -> Tcp {
        let dialled: TcpStream = eventually("a connection", || client.run(|| Tcp::dial(from, "10.8.0.2", 8080)).ok());
        Tcp { client: dialled, server: listener.accept().unwrap().0 }
    };
    let (mut bad, mut good) = (connect("198.51.100.7"), connect("198.51.100.8"));
    assert!(bad.works() && good.works());
    let hidden = table().into_iter().find(|entry| entry.has_address("198.51.100.7")).unwrap();
    assert_eq!(hidden.reply.dst.to_string(), "10.8.0.1", "the server sees this host");

    let daemon = scene.start(blocking());
    let said = say(&daemon, "ban 198.51.100.7");
    assert!(said.contains("1 applied"), "{said}");
    assert!(bad.is_dead());
    assert!(good.works());
    assert!(!table().iter().any(|entry| entry.has_address("198.51.100.7")));
    let _ = daemon.stop();
}
