//! The bundled policy `connection-cap`: a maximum number of connections for each source.
//!
//! The policy counts across calls. These scenarios therefore show that its state, the ends of flows and the recounts
//! after losses agree.

use std::collections::BTreeMap;

use ctwarden_tests::{Peer, Policy, Scene, Tcp, elements, eventually, insert, insert_all, load, remove, table};

fn cap(config: &str) -> Policy {
    let policy = Policy::new("cap", "connection-cap").enforce().key("allow = [\"alert\", \"delete\", \"sweep\"]");
    policy.config(config)
}

fn counts() -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in table() {
        *counts.entry(entry.original.src.to_string()).or_default() += 1;
    }
    counts
}

fn udp(source: &str, port: u16) -> String {
    let receiver = if source.contains(':') { "2001:db8:9::9" } else { "10.9.9.9" };
    format!("-p udp -s {source} -d {receiver} --sport {port} --dport 53 -t 300")
}

#[test]
fn the_newest_over_the_cap_ends_and_people_are_told() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(cap("limit = 3\naction = \"delete\""));
    daemon.wait_for("the first count", |record| record.is_notice("swept"));
    insert_all((1..=5).map(|n| udp("10.0.0.1", 1000 + n)));
    insert_all((1..=3).map(|n| udp("10.0.0.2", 1000 + n)));
    daemon.wait_for_many("two end", 2, |record| record.came("delete", "applied"));
    assert_eq!(counts(), BTreeMap::from([("10.0.0.1".to_owned(), 3), ("10.0.0.2".to_owned(), 3)]));
    let mut left: Vec<_> =
        table().iter().filter(|e| e.has_address("10.0.0.1")).filter_map(|e| e.original.src_port).collect();
    left.sort_unstable();
    assert_eq!(left, [1001, 1002, 1003], "the newest are the ones over it");
    let alert = daemon.wait_for("the alert", |record| record.came("alert", "applied"));
    assert_eq!(alert.0["alert"]["fields"]["limit"], "3", "{alert:?}");
    assert!(alert.0["alert"]["title"].as_str().is_some_and(|title| title.contains("10.0.0.1")), "{alert:?}");

    // Ends count too, whether the policy or another program caused them.
    remove("-p udp -s 10.0.0.1 --sport 1002");
    insert_all([udp("10.0.0.1", 2001), udp("10.0.0.1", 2002)].into_iter());
    daemon.wait_for_many("one of the two ends", 3, |record| record.came("delete", "applied"));
    assert_eq!(counts()["10.0.0.1"], 3);
    assert!(!table().iter().any(|entry| entry.has_port(2002)));
    let _ = daemon.stop();
}

#[test]
fn connections_older_than_the_daemon_are_counted() {
    let Some(scene) = Scene::new() else { return };
    // With timestamps, the kernel reports which connection is older.
    scene.set("netfilter/nf_conntrack_timestamp", 1);
    for n in 1..=6 {
        insert(&udp("10.0.0.1", 1000 + n));
        insert(&udp(&format!("2001:db8:5:6::{n}"), 1000));
    }
    let mut daemon = scene.start(cap("limit = 4\naction = \"delete\"\nexempt = [\"10.0.7.0/24\"]"));
    daemon.wait_for_many("two of each end", 4, |record| record.came("delete", "applied"));
    let mut left: Vec<_> = table().iter().map(|e| e.original.src_port.unwrap()).filter(|port| *port > 1000).collect();
    left.sort_unstable();
    assert_eq!(left, [1001, 1002, 1003, 1004]);
    assert_eq!(table().len(), 8, "a /64 is one source");
    insert_all((1..=9).map(|n| udp("10.0.7.1", n)));
    insert(&udp("10.0.0.1", 3001));
    daemon.wait_for("the next one over it", |record| record.came("delete", "applied") && record.has_port(3001));
    assert_eq!(counts()["10.0.7.1"], 9, "who is exempt may have any number");
    let _ = daemon.stop();
}

#[test]
fn only_the_ports_that_are_named_count() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(cap("limit = 2\naction = \"delete\"\nprotocols = [\"tcp\"]\nports = [8080]"));
    daemon.wait_for("the first count", |record| record.is_notice("swept"));
    let listener = Tcp::listen("127.0.0.2", 8080);
    let mut within: Vec<_> = (0..2).map(|_| Tcp::to(&listener, "127.0.0.1", "127.0.0.2", 8080)).collect();
    let mut elsewhere: Vec<_> = (0..3).map(|n| Tcp::connect("127.0.0.1", "127.0.0.2", 9000 + n)).collect();
    assert!(within.iter_mut().chain(&mut elsewhere).all(Tcp::works));
    let over = Tcp::to(&listener, "127.0.0.1", "127.0.0.2", 8080);
    let record = daemon.wait_for("the third", |record| record.came("delete", "applied"));
    assert!(record.has_port(over.port()), "{record:?}");
    assert!(within.iter_mut().chain(&mut elsewhere).all(Tcp::works));
    let _ = daemon.stop();
}

#[test]
fn who_is_over_the_cap_can_be_blocked() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table inet ward { set greedy { type ipv4_addr; flags interval, timeout; }; chain in { type filter hook input priority 0; ip saddr @greedy ct state new drop; }; }",
    );
    let policy = Policy::new("cap", "connection-cap")
        .enforce()
        .key("allow = [\"alert\", \"delete\", \"block\", \"sweep\"]\nblock-sets = [\"greedy\"]");
    let policy = policy
        .config("limit = 2\naction = \"block\"\nblock-set = \"greedy\"\nblock-seconds = 120\nprotocols = [\"tcp\"]");
    let mut daemon =
        scene.start(format!("[block.greedy]\ntable = \"inet ward\"\nipv4 = \"greedy\"\nipv6 = false\n{policy}"));
    daemon.wait_for("the first count", |record| record.is_notice("swept"));
    // Another host, because this host cannot be blocked.
    let host = Peer::connect("outside", &["10.9.0.1/24"], &["10.9.0.7/24", "10.9.0.8/24"]);
    let mut within: Vec<_> = (0..2).map(|n| host.tcp_from("10.9.0.7", "10.9.0.1", 8080 + n)).collect();
    let _over = host.tcp_from("10.9.0.7", "10.9.0.1", 8090);
    daemon.wait_for("the block", |record| record.came("block", "applied"));
    let element = elements("inet ward greedy").remove(0);
    assert_eq!(element.address.to_string(), "10.9.0.7");
    // The kernel may hold an element up to ten seconds longer than the daemon.
    assert!(element.lifetime.is_some_and(|lifetime| (115..=131).contains(&lifetime)), "{element:?}");
    assert!(within.iter_mut().all(Tcp::works), "what was within the cap goes on");
    assert!(host.tcp_from("10.9.0.8", "10.9.0.1", 8081).works(), "and so does everybody else");
    let _ = daemon.stop();
}

#[test]
fn the_cap_holds_again_after_events_were_lost() {
    let Some(scene) = Scene::new() else { return };
    scene.configure_daemon("receive-buffer = \"8KiB\"\n", cap("limit = 5\naction = \"delete\""));
    let mut daemon = scene.start_again();
    daemon.wait_for("the first count", |record| record.is_notice("swept"));
    daemon.pause();
    insert_all((0..400).map(|n| udp(&format!("10.0.{}.1", n / 20), 1000 + n)));
    // The daemon does not hear of these ends either.
    remove("-p udp -s 10.0.3.1");
    daemon.resume();
    daemon.wait_for("the overrun", |record| record.is_notice("overrun"));
    eventually("every source has what it may have", || {
        let counts = counts();
        (counts.len() == 19 && counts.values().all(|count| *count == 5)).then_some(())
    });
    insert_all((0..5).map(|n| udp("10.0.3.1", 5000 + n)));
    insert(&udp("10.0.4.1", 6000));
    daemon.wait_for("one over it", |record| record.came("delete", "applied") && record.has_port(6000));
    assert_eq!(counts()["10.0.3.1"], 5, "what ended unheard of is not held against it");
    let _ = daemon.stop();
}

#[test]
fn an_alert_is_all_that_is_done_unless_more_is_asked_for() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(cap("limit = 1"));
    daemon.wait_for("the first count", |record| record.is_notice("swept"));
    insert_all((1..=4).map(|n| udp("10.0.0.1", n)));
    daemon.wait_for("the alert", |record| record.came("alert", "applied"));
    let ended = daemon.stop();
    assert_eq!(counts()["10.0.0.1"], 4);
    assert!(!ended.records.iter().any(|record| record.text("action") == Some("delete")));
}
