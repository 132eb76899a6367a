//! The harness itself: traffic makes entries, the witness reads them, and namespaces are separate.
//!
//! A scenario proves only as much as its harness can be trusted.

use ctwarden_tests::{Peer, Scene, Tcp, Udp, elements, eventually, insert, insert_all, load, ping, remove, table};

#[test]
fn each_kind_of_traffic_is_an_entry_that_the_witness_reads() {
    let Some(_scene) = Scene::new() else { return };
    assert_eq!(table(), []);
    let mut tcp4 = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    let mut tcp6 = Tcp::connect("2001:db8::1", "2001:db8::2", 8080);
    assert!(tcp4.works() && tcp6.works());
    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5353).works());
    assert!(Udp::between("2001:db8::1", "2001:db8::2", 5353).works());
    assert!(ping("127.0.0.1", "127.0.0.2", 77) && ping("2001:db8::1", "2001:db8::2", 78));
    let entries = table();
    let mut kinds: Vec<(&str, bool)> =
        entries.iter().map(|e| (e.protocol.as_str(), e.original.src.is_ipv4())).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [("icmp", true), ("icmpv6", false), ("tcp", false), ("tcp", true), ("udp", false), ("udp", true)]
    );
    for entry in &entries {
        assert_eq!((entry.original.src, entry.original.dst), (entry.reply.dst, entry.reply.src), "{}", entry.line);
        assert!(!entry.flags.contains(&"UNREPLIED".to_owned()), "{}", entry.line);
        assert!(entry.id != 0 && entry.id != 77 && entry.id != 78, "{}", entry.line);
        assert!(entry.original.packets.is_some_and(|packets| packets > 0), "{}", entry.line);
    }
    let tcp = entries.iter().find(|e| e.protocol == "tcp" && e.has_port(tcp4.port())).unwrap();
    assert_eq!((tcp.state.as_deref(), tcp.original.dst_port), (Some("ESTABLISHED"), Some(8080)));
    assert!(tcp.flags.contains(&"ASSURED".to_owned()) && tcp.timeout > 1000 && tcp.has_address("127.0.0.2"));
}

#[test]
fn entries_without_traffic_are_made_and_removed() {
    let Some(_scene) = Scene::new() else { return };
    insert(
        "-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED -m 5 -w 7",
    );
    insert_all((1..=300).map(|port| format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 53 -t 100")));
    let entries = table();
    assert_eq!(entries.len(), 301);
    let tcp = entries.iter().find(|entry| entry.protocol == "tcp").unwrap();
    assert_eq!((tcp.mark, tcp.zone), (5, 7));
    remove("-p udp --sport 300");
    assert_eq!(table().len(), 300);
}

#[test]
fn two_hosts_talk_over_a_cable() {
    let Some(_scene) = Scene::new() else { return };
    let peer = Peer::connect("cable", &["10.9.0.1/24", "2001:db8:9::1/64"], &["10.9.0.2/24", "2001:db8:9::2/64"]);
    for (here, there) in [("10.9.0.1", "10.9.0.2"), ("2001:db8:9::1", "2001:db8:9::2")] {
        let listener = Tcp::listen(here, 8080);
        let client = eventually("a connection", || peer.run(|| Tcp::dial(there, here, 8080)).ok());
        let (server, _) = listener.accept().unwrap();
        assert!(Tcp { client, server }.works());
    }
    assert_eq!(table().iter().filter(|entry| entry.protocol == "tcp").count(), 2);
}

#[test]
fn elements_of_sets_are_read() {
    let Some(_scene) = Scene::new() else { return };
    load(
        "table inet t { set a { type ipv4_addr; flags interval, timeout; elements = { 10.0.0.0/8 timeout 60s, 192.0.2.1 }; }; }",
    );
    let found = elements("inet t a");
    let seen: Vec<_> = found.iter().map(|e| (e.address.to_string(), e.length, e.lifetime)).collect();
    assert_eq!(seen, [("10.0.0.0".to_owned(), 8, Some(60)), ("192.0.2.1".to_owned(), 32, None)]);
}
