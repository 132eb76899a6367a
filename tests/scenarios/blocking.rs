//! The verdicts `block` and `unblock`: networks in nftables sets.
//!
//! A delete alone does not end a connection: with an accept policy, the next packet creates the entry again. Only a
//! block that comes before the delete ends the connection for good.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ctwarden_tests::{Daemon, Element, Peer, Policy, Scene, Tcp, elements, eventually, ip, load, stays, table};

const SETS: &str = "table inet ward {
    set bad4 { type ipv4_addr; flags interval, timeout; };
    set bad6 { type ipv6_addr; flags interval, timeout; };
    chain in { type filter hook input priority 0; ip saddr @bad4 drop; ip6 saddr @bad6 drop; };
    chain out { type filter hook output priority 0; ip saddr @bad4 drop; ip6 saddr @bad6 drop; };
    }";

const BLOCK: &str = "[block.bad]\ntable = \"inet ward\"\nipv4 = \"bad4\"\nipv6 = \"bad6\"\n";

fn policy(rules: &[&str]) -> String {
    let policy = Policy::scripted_with(&["block", "unblock", "delete"], rules).key("block-sets = [\"bad\"]");
    format!("{BLOCK}{policy}")
}

/// Another host, because the daemon never blocks this host.
fn another_host() -> Peer {
    let there = ["10.9.0.2/24", "10.9.0.9/24", "10.9.0.10/24", "2001:db8:9::2/64"];
    Peer::connect("outside", &["10.9.0.1/24", "2001:db8:9::1/64"], &there)
}

#[test]
fn this_host_and_its_way_out_are_never_blocked() {
    let Some(scene) = Scene::new() else { return };
    load(SETS);
    let host = another_host();
    ip("route add default via 10.9.0.2");
    ip("-6 route add default via 2001:db8:9::2");
    let mut daemon = scene.start(policy(&[]));
    for network in [
        "10.9.0.1",
        "10.9.0.0/24",
        "2001:db8:9::1",
        "10.9.0.2",
        "2001:db8:9::2",
        "127.0.0.1",
        "127.0.0.0/16",
        "::1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let said = daemon.send("scripted", &format!("none: block bad {network} 60"));
        assert!(said.err.contains("belongs to this host"), "{network}: {said:?}");
        assert!(said.short().contains("block: 1 protected"), "{network}");
    }
    assert!(elements("inet ward bad4").is_empty() && elements("inet ward bad6").is_empty());
    assert!(daemon.send("scripted", "none: block bad 10.9.0.9 60; block bad 2001:db8:9::3 60").is_good());
    // An address that is added later is protected as well, after a moment.
    ip("addr add 10.9.0.77/24 dev outside");
    eventually("it is noticed", || {
        let said = daemon.send("scripted", "none: block bad 10.9.0.77 1; unblock bad 10.9.0.77");
        (!said.is_good()).then_some(())
    });
    daemon.wait_for("its record", |record| record.came("block", "protected"));
    drop(host);
    let _ = daemon.stop();
}

fn element(address: &str, length: u8, lifetime: Option<u64>) -> Element {
    Element { address: address.parse().unwrap(), length, lifetime }
}

#[test]
fn networks_go_in_for_a_time_and_out_again() {
    let Some(scene) = Scene::new() else { return };
    load(SETS);
    let daemon = scene.start(policy(&[]));
    let send = |message: &str| daemon.send("scripted", message).good();
    assert!(
        send("none: block bad 192.0.2.1 600; block bad 198.51.100.0/24 60; block bad 2001:db8:7::/48 60")
            .contains("3 applied")
    );
    // The kernel's lifetime is a reserve of ten seconds longer.
    let mut v4 = elements("inet ward bad4");
    v4.sort_by_key(|element| element.address);
    assert_eq!(v4, [element("192.0.2.1", 32, Some(610)), element("198.51.100.0", 24, Some(70))]);
    assert_eq!(elements("inet ward bad6"), [element("2001:db8:7::", 48, Some(70))]);

    assert!(send("none: unblock bad 198.51.100.0/24; unblock bad 2001:db8:7::/48").contains("2 applied"));
    assert_eq!((elements("inet ward bad4").len(), elements("inet ward bad6").len()), (1, 0));
    assert!(send("none: unblock bad 203.0.113.1").contains("1 gone"), "one that is not there is no error");
    assert!(send("none: block bad 203.0.113.7 0").contains("1 applied"));
    let lifeless = elements("inet ward bad4").into_iter().find(|e| e.address.to_string() == "203.0.113.7").unwrap();
    assert_eq!(lifeless.lifetime, None, "0 is until unblocked");
    let _ = daemon.stop();
}

#[test]
fn too_wide_a_network_is_refused_and_a_foreign_set_not_granted() {
    let Some(scene) = Scene::new() else { return };
    load(SETS);
    load("table inet ward { set other { type ipv4_addr; flags interval, timeout; }; }");
    let other = "[block.other]\ntable = \"inet ward\"\nipv4 = \"other\"\nipv6 = false\n";
    let mut daemon = scene.start(format!("{other}{}", policy(&[])));
    assert!(daemon.send("scripted", "none: block bad 0.0.0.0/0 60").short().contains("block: 1 refused"));
    assert!(daemon.send("scripted", "none: block bad 10.0.0.0/7 60").short().contains("block: 1 refused"));
    assert!(daemon.send("scripted", "none: block other 10.0.0.1 60").short().contains("block: 1 not-granted"));
    assert!(elements("inet ward bad4").is_empty() && elements("inet ward other").is_empty());
    let record = daemon.wait_for("the refusal", |record| record.came("block", "refused"));
    assert!(record.text("refusal").is_some_and(|why| why.contains("wider")), "{record:?}");
    let _ = daemon.stop();
}

#[test]
fn the_address_is_in_the_set_before_its_flows_end() {
    let Some(scene) = Scene::new() else { return };
    load(SETS);
    let host = another_host();
    let daemon = scene.start(policy(&["new udp 5353: remember flow"]));
    let server = UdpSocket::bind("10.9.0.1:5353").unwrap();
    let client = host.run(|| UdpSocket::bind("10.9.0.9:5353")).unwrap();
    client.connect("10.9.0.1:5353").unwrap();
    eventually("packets arrive", || {
        client.send(b"*").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        server.recv(&mut [0]).ok()
    });
    eventually("the plugin knows the flow", || {
        daemon.send("scripted", "get flow").good().contains("id ").then_some(())
    });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // If the block came after the delete, one of these packets would get through and create the entry again.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // The send fails once the address is blocked.
                let _ = client.send(b"*");
            }
        });
        let said = daemon.send("scripted", "key flow: delete; block bad 10.9.0.9 600");
        let gone = table().iter().all(|entry| !entry.has_port(5353));
        stays("no packet makes the entry anew", || table().iter().all(|entry| !entry.has_port(5353)));
        stop.store(true, Ordering::Relaxed);
        let said = said.good();
        assert!(said.contains("delete: 1 applied") && said.contains("block: 1 applied") && gone, "{said}");
    });
    let records = daemon.stop().records;
    let place = |action: &str| records.iter().position(|record| record.came(action, "applied")).unwrap();
    assert!(place("block") < place("delete"));
}

#[test]
fn a_blocked_connection_is_dead_in_both_directions() {
    let Some(scene) = Scene::new() else { return };
    load(SETS);
    load(
        "table inet ward { chain back { type filter hook output priority 0; ip daddr @bad4 drop; ip6 daddr @bad6 drop; }; }",
    );
    let host = another_host();
    let mut connections = [
        host.tcp_from("10.9.0.9", "10.9.0.1", 8080),
        host.tcp_from("2001:db8:9::2", "2001:db8:9::1", 8080),
        host.tcp_from("10.9.0.10", "10.9.0.1", 8081),
    ];
    assert!(connections.iter_mut().all(Tcp::works));
    let daemon = scene.start(policy(&[]));
    let said = daemon.send("scripted", "none: block bad 10.9.0.9 600; block bad 2001:db8:9::2 600").good();
    assert!(said.contains("2 applied"), "{said}");
    assert!(daemon.send("scripted", "matching dport 8080: delete").good().contains("2 applied"));
    let [v4, v6, other] = &mut connections;
    assert!(v4.is_dead() && v6.is_dead() && other.works());
    let _ = daemon.stop();
}

#[test]
fn a_block_set_that_is_not_there_is_named_with_the_command_that_makes_it() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(policy(&[]));
    let said = scene.verb("run").failed();
    assert!(said.contains("bad4") && said.contains("nft 'add table inet ward; add set inet ward bad4"), "{said}");
    load(
        "table inet ward { set bad4 { type ipv6_addr; flags interval, timeout; }; \
         set bad6 { type ipv6_addr; flags interval, timeout; }; }",
    );
    let said = scene.verb("check").failed();
    assert!(said.contains("bad4") && !said.contains("bad6"), "only the wrong one is named: {said}");
}

/// The answer to a message, from both streams and with any status.
fn told(daemon: &Daemon, message: &str) -> String {
    let said = daemon.send("scripted", message);
    format!("{}{}", said.out, said.err)
}

/// Checks that a block is refused. The answer, the record and the status contain these words, and nothing is applied.
fn refused(daemon: &mut Daemon, network: &str, words: &str) {
    let before = daemon.records.which(|record| record.came("block", "refused")).len();
    let said = told(daemon, &format!("none: block bad {network} 600"));
    assert!(said.contains("block: 1 refused") && said.contains(words), "{said}");
    assert!(!said.contains("applied"), "{said}");
    let record =
        daemon.wait_for_many("the record", before + 1, |record| record.came("block", "refused")).remove(before);
    assert!(record.text("refusal").is_some_and(|why| why.contains(network) && why.contains(words)), "{record:?}");
    let status = daemon.plugin_status("scripted");
    assert!(status["last_refusal"]["text"].as_str().is_some_and(|why| why.contains(words)), "{status}");
    assert!(daemon.verb("status").good().contains(words));
}

#[test]
fn a_block_that_the_set_cannot_take_says_why() {
    let Some(scene) = Scene::new() else { return };
    load("table inet ward { set bad4 { type ipv4_addr; flags interval, timeout; size 2; }; }");
    let policy = Policy::scripted_with(&["block", "unblock", "delete"], &[]).key("block-sets = [\"bad\"]");
    let mut daemon =
        scene.start(format!("[block.bad]\ntable = \"inet ward\"\nipv4 = \"bad4\"\nipv6 = false\n{policy}"));
    refused(&mut daemon, "2001:db8::7", "no nftables set is named for addresses of its family");
    let said = daemon.send("scripted", "none: block bad 192.0.2.1 600; block bad 192.0.2.2 600").good();
    assert!(said.contains("block: 2 applied"), "{said}");
    refused(&mut daemon, "192.0.2.3", "the nftables set is full");
    assert_eq!(elements("inet ward bad4").len(), 2);
    let said = told(&daemon, "none: block bad 192.0.2.1 900; block bad 2001:db8::8 600");
    assert!(said.contains("block: 1 applied, 1 refused") && said.contains("2001:db8::8"), "each by itself: {said}");
    let _ = daemon.stop();
}

#[test]
fn a_set_that_a_reload_of_the_rules_took_away_or_made_anew_is_noticed() {
    let Some(scene) = Scene::new() else { return };
    load(SETS);
    let mut daemon = scene.start(policy(&[]));
    assert!(daemon.send("scripted", "none: block bad 192.0.2.1 600").good().contains("block: 1 applied"));
    load("delete table inet ward");
    for network in ["192.0.2.2", "198.51.100.0/24", "3fff::/32"] {
        refused(&mut daemon, network, "the nftables set is gone");
    }
    // Sets with the same names, but of other kinds.
    load(
        "table inet ward { set bad4 { type ipv4_addr; flags timeout; }; set bad6 { type ipv6_addr; flags interval; }; }",
    );
    refused(&mut daemon, "198.51.100.0/24", "the nftables set lacks \"flags interval\"");
    refused(&mut daemon, "3fff::/32", "the nftables set lacks \"flags ");
    // Right sets get everything that was claimed, also what was refused while they were gone.
    load(&format!("delete table inet ward\n{SETS}"));
    eventually("all is there", || (elements("inet ward bad4").len() == 3).then_some(()));
    eventually("all is there", || (elements("inet ward bad6").len() == 1).then_some(()));
    let said = daemon.send("scripted", "none: block bad 198.51.100.0/24 60; block bad 3fff::/32 60").good();
    assert!(said.contains("block: 2 applied"), "{said}");
    let _ = daemon.stop();
}
