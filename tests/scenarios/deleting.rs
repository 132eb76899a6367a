//! The verdict `delete`: for each protocol and family, by entry, key and selection, with every outcome.
//!
//! People want this verdict most, and it does most harm to the wrong flow.

use ctwarden_tests::{
    Policy, Record, Scene, Tcp, Udp, counter, eventually, insert, insert_all, load, ping, remove, table,
};

/// Checks that exactly one record has this action and this flow id, and that it has this outcome.
fn only(records: &[Record], action: &str, id: u32, outcome: &str) {
    let found: Vec<_> = records
        .iter()
        .filter(|r| r.text("action") == Some(action) && r.number(&["flow", "id"]) == Some(id.into()))
        .collect();
    assert_eq!(found.len(), 1, "{action} of {id}: {found:?}");
    assert_eq!(found[0].text("outcome"), Some(outcome), "{:?}", found[0]);
}

#[test]
fn real_flows_of_each_protocol_and_family_end() {
    let Some(scene) = Scene::new() else { return };
    let mut flows = Vec::new();
    for (from, to) in [("127.0.0.1", "127.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        let mut tcp = Tcp::connect(from, to, 8080);
        let udp = Udp::between(from, to, 5353);
        assert!(tcp.works() && udp.works() && ping(from, to, 7));
        flows.push((tcp, udp));
    }
    let spared = Udp::between("127.0.0.1", "127.0.0.2", 5354);
    assert!(spared.works());
    let (condemned, others): (Vec<_>, Vec<_>) = table().into_iter().partition(|entry| !entry.has_port(5354));
    assert_eq!((condemned.len(), others.len()), (6, 1));

    let rules = ["row tcp 8080: delete", "row udp 5353: delete", "row icmp: delete", "row icmpv6: delete"];
    let mut daemon = scene.start(Policy::scripted(&rules));
    daemon.wait_for_many("six deletes", 6, |record| record.came("delete", "applied"));
    let left = table();
    assert_eq!(left.iter().map(|entry| entry.id).collect::<Vec<_>>(), [others[0].id], "only what was asked for ended");
    let ended = daemon.stop();
    for entry in &condemned {
        only(&ended.records, "delete", entry.id, "applied");
    }
    assert_eq!(ended.records.iter().filter(|record| record.is_verdict()).count(), 6);
}

#[test]
fn a_selection_ends_every_match_and_nothing_else() {
    let Some(scene) = Scene::new() else { return };
    insert_all((1..=40).map(|n| format!("-p udp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 53 -t 300")));
    insert_all((1..=40).map(|n| format!("-p udp -s 2001:db8:1::{n} -d 2001:db8:2::1 --sport 1000 --dport 53 -t 300")));
    let daemon = scene.start(Policy::scripted(&[]));
    let said = daemon.send("scripted", "matching src 10.0.0.0/28 dport 53: delete").good();
    assert!(said.contains("flows: 15 applied"), "{said}");
    // The kernel's own filter on IPv6 addresses deletes everything except the match (Linux up to 6.18).
    let said = daemon.send("scripted", "matching src 2001:db8:1::20/124: delete").good();
    assert!(said.contains("flows: 10 applied"), "{said}");
    let said = daemon.send("scripted", "matching v6 dport 53 limit 4: delete").good();
    assert!(said.contains("flows: 4 applied"), "{said}");
    let said = daemon.send("scripted", "matching dport 54: delete").good();
    assert!(!said.contains("flows") && !said.contains("refused"), "that nothing matches is no failure: {said}");
    let (v4, v6): (Vec<_>, Vec<_>) = table().into_iter().partition(|entry| entry.original.src.is_ipv4());
    assert_eq!((v4.len(), v6.len()), (25, 26));
    assert!(!v6.iter().any(|entry| entry.has_address("2001:db8:1::21")));

    let records: Vec<_> = daemon.stop().records.into_iter().filter(Record::is_verdict).collect();
    assert_eq!(records.len(), 4, "one record for each verdict, however many flows it hit: {records:?}");
    let tallies: Vec<_> =
        records.iter().map(|r| (r.number(&["tally", "matched"]), r.number(&["tally", "applied"]))).collect();
    assert_eq!(tallies, [(Some(15), Some(15)), (Some(10), Some(10)), (Some(4), Some(4)), (Some(0), None)]);
}

#[test]
fn a_zone_is_part_of_the_name_of_a_flow() {
    let Some(scene) = Scene::new() else { return };
    for zone in [0, 7, 8] {
        insert(&format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300 -w {zone}"));
    }
    let daemon = scene.start(Policy::scripted(&["row udp: remember z$zone"]));
    assert!(daemon.send("scripted", "matching zone 7: delete").good().contains("delete: 1 applied"));
    assert_eq!(table().iter().map(|entry| entry.zone).filter(|zone| *zone == 7).count(), 0);
    assert!(daemon.send("scripted", "key z8: delete").good().contains("delete: 1 applied"));
    assert_eq!(table().iter().map(|entry| entry.zone).collect::<Vec<_>>(), [0]);
    let _ = daemon.stop();
}

#[test]
fn the_reply_direction_finds_what_nat_has_hidden() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table ip nat { chain out { type nat hook output priority -100; ip daddr 127.0.0.5 tcp dport 8080 dnat to 127.0.0.2:9090; }; }",
    );
    // Otherwise the next packet creates the entry again, and the rule translates it as before.
    scene.set("netfilter/nf_conntrack_tcp_loose", 0);
    let listener = Tcp::listen("127.0.0.2", 9090);
    let mut through = Tcp::to(&listener, "127.0.0.1", "127.0.0.5", 8080);
    let mut direct = Tcp::to(&listener, "127.0.0.1", "127.0.0.2", 9090);
    assert!(through.works() && direct.works());
    let hidden = table().into_iter().find(|entry| entry.has_port(8080)).unwrap();
    assert_eq!((hidden.reply.src.to_string(), hidden.reply.src_port), ("127.0.0.2".to_owned(), Some(9090)));

    let daemon = scene.start(Policy::scripted(&[]));
    assert!(daemon.send("scripted", "matching dst 127.0.0.5 reply-src 127.0.0.2: delete").good().contains("1 applied"));
    assert!(through.is_dead(), "the mapping is gone, and with it the connection");
    assert!(direct.works());
    let _ = daemon.stop();
}

#[test]
fn a_flow_that_has_ended_is_gone() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300");
    let mut daemon = scene.start(Policy::scripted(&["row udp 53: remember dns; log seen=yes"]));
    daemon.wait_for("the row", |record| record.came("log", "applied"));
    remove("-p udp --dport 53");
    assert!(daemon.send("scripted", "key dns: delete").good().contains("delete: 1 gone"));
    assert!(daemon.send("scripted", "key dns: mark 1/1").short().contains("mark: 1 gone"));
    let _ = daemon.stop();
}

#[test]
fn a_successor_with_the_same_tuple_is_never_hit() {
    let Some(scene) = Scene::new() else { return };
    let tuple = "-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300 -m 0x50";
    insert(tuple);
    let first = table()[0].id;
    let mut daemon = scene.start(Policy::scripted(&["row udp 1000: remember dns; log seen=yes"]));
    daemon.wait_for("the row", |record| record.came("log", "applied"));
    remove("-p udp --sport 1000");
    // The kernel derives the id from the entry's place in memory, among other values. Entries made in between take that
    // place.
    for round in 1..=8 {
        insert_all((1..=50).map(|n| format!("-p udp -s 10.{round}.1.{n} -d 10.0.0.2 --sport 2000 --dport 53 -t 300")));
        insert(tuple);
        if table().iter().any(|entry| entry.has_port(1000) && entry.id != first) {
            break;
        }
        remove("-p udp --sport 1000");
    }
    let successor = || table().into_iter().find(|entry| entry.has_port(1000)).expect("the successor lives");
    assert_ne!(successor().id, first);

    let said = daemon.send("scripted", "key dns: delete").good();
    assert!(said.contains("delete: 1 gone") || said.contains("delete: 1 replaced"), "{said}");
    assert_ne!(successor().id, first);
    let said = daemon.send("scripted", "key dns: mark 0x1/0xf").short();
    assert!(said.contains("mark: 1 replaced"), "{said}");
    assert_eq!(successor().mark, 0x50, "it was not hit and told of afterwards");
    let said = daemon.send("scripted", "key dns: timeout 0").good();
    assert!(said.contains("timeout: 1 gone") || said.contains("timeout: 1 replaced"), "{said}");
    assert_ne!(successor().id, first);
    let records = daemon.stop().records;
    let replaced: Vec<_> = records.iter().filter(|record| record.came("mark", "replaced")).collect();
    assert_eq!(replaced.len(), 1);
    assert_eq!(replaced[0].number(&["flow", "id"]), Some(first.into()), "it is about the flow that was meant");
}

#[test]
fn flows_end_as_they_begin() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table inet seen { counter met { }; chain out { type filter hook output priority 1; udp dport 5353 counter name met; }; }",
    );
    let mut daemon = scene.start(Policy::scripted(&["new udp 5353: delete because too-new|nobody may"]));
    let udp = Udp::between("127.0.0.1", "127.0.0.2", 5353);
    udp.client.send(b"?").unwrap();
    let record = daemon.wait_for("the delete", |record| record.came("delete", "applied"));
    assert_eq!((record.text("code"), record.text("reason")), (Some("too-new"), Some("nobody may")));
    assert_eq!((record.text("plugin"), record.text("mode")), (Some("scripted"), Some("enforce")));
    assert!(record.has_port(5353) && record.has_port(udp.port()));
    eventually("the entry is gone", || table().is_empty().then_some(()));
    assert_eq!(counter("inet seen met"), 1);
    let _ = daemon.stop();
}
