//! The verdict `kill`: the end of a connection, seen by the programs at its ends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ctwarden_tests::{Peer, Policy, Scene, Tcp, eventually, load, table};

/// The error with which a program learns of the end of its connection.
fn end_of(mut socket: &TcpStream) -> Option<ErrorKind> {
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.read(&mut [0; 8]).err().map(|error| error.kind())
}

fn another_host() -> Peer {
    let there = ["10.9.0.2/24", "2001:db8:9::2/64"];
    Peer::connect("outside", &["10.9.0.1/24", "2001:db8:9::1/64"], &there)
}

#[test]
fn connections_to_and_from_another_host_end_at_both_ends() {
    let Some(scene) = Scene::new() else { return };
    let host = another_host();
    for (here, there) in [("10.9.0.1", "10.9.0.2"), ("2001:db8:9::1", "2001:db8:9::2")] {
        let mut out = host.tcp_to(here, there, 8080);
        let listener = Tcp::listen(here, 9090);
        let accept = |client: TcpStream| Tcp { client, server: listener.accept().unwrap().0 };
        let mut incoming = accept(host.run(|| Tcp::dial(there, here, 9090)).unwrap());
        let mut spared = accept(host.run(|| Tcp::dial(there, here, 9090)).unwrap());
        assert!(out.works() && incoming.works() && spared.works());

        let daemon = scene.start(Policy::scripted(&[]));
        let kill = |port: u16| format!("matching sport {port}: kill");
        for tcp in [&out, &incoming] {
            let said = daemon.send("scripted", &kill(tcp.port())).good();
            assert!(said.contains("kill: 1 applied"), "{said}");
            assert!(!table().iter().any(|entry| entry.has_port(tcp.port())), "{:?}", table());
        }
        assert_eq!(end_of(&out.client), Some(ErrorKind::ConnectionAborted), "the end at this host");
        assert_eq!(end_of(&out.server), Some(ErrorKind::ConnectionReset), "the other host");
        assert_eq!(end_of(&incoming.server), Some(ErrorKind::ConnectionAborted));
        assert_eq!(end_of(&incoming.client), Some(ErrorKind::ConnectionReset));
        assert!(spared.works(), "another connection of the same listener");
        let mut new = accept(host.run(|| Tcp::dial(there, here, 9090)).unwrap());
        assert!(new.works(), "the listener accepts");
        let _ = daemon.stop();
    }
}

#[test]
fn a_connection_through_destination_nat_ends() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table ip nat { chain out { type nat hook output priority -100; ip daddr 10.9.0.77 tcp dport 8080 dnat to 10.9.0.2:9090; }; }",
    );
    let host = another_host();
    let listener = host.run(|| Tcp::listen("10.9.0.2", 9090));
    let client = Tcp::dial("10.9.0.1", "10.9.0.77", 8080).unwrap();
    let mut through = Tcp { client, server: listener.accept().unwrap().0 };
    assert!(through.works());
    let daemon = scene.start(Policy::scripted(&[]));
    let said = daemon.send("scripted", "matching dst 10.9.0.77: kill").good();
    assert!(said.contains("kill: 1 applied"), "{said}");
    assert_eq!(end_of(&through.client), Some(ErrorKind::ConnectionAborted));
    assert_eq!(end_of(&through.server), Some(ErrorKind::ConnectionReset), "the reset was translated as well");
    assert!(!table().iter().any(|entry| entry.has_port(9090)));
    let _ = daemon.stop();
}

#[test]
fn both_ends_within_the_host_end() {
    let Some(scene) = Scene::new() else { return };
    let listener = Tcp::listen("127.0.0.2", 8080);
    let mut tcp = Tcp::to(&listener, "127.0.0.1", "127.0.0.2", 8080);
    let mut spared = Tcp::to(&listener, "127.0.0.1", "127.0.0.2", 8080);
    assert!(tcp.works() && spared.works());
    let daemon = scene.start(Policy::scripted(&[]));
    assert!(daemon.send("scripted", &format!("matching sport {}: kill", tcp.port())).good().contains("1 applied"));
    assert_eq!(end_of(&tcp.client), Some(ErrorKind::ConnectionAborted));
    assert!(end_of(&tcp.server).is_some());
    assert!(spared.works());
    let _ = daemon.stop();
}

#[test]
fn a_protected_connection_and_an_observing_plugin_end_nothing() {
    let Some(scene) = Scene::new() else { return };
    let mut protected = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    let mut observed = Tcp::connect("127.0.0.1", "127.0.0.2", 8081);
    assert!(protected.works() && observed.works());
    let policy = Policy::scripted(&["row tcp 8080: kill"]);
    let watching = Policy::new("watching", "guest-scripted").key("allow = [\"kill\"]").rules(&["row tcp 8081: kill"]);
    let mut daemon = scene.start(format!("[[protect]]\ndst-ports = [8080]\n{policy}{watching}"));
    daemon.wait_for("the kill of the protected one", |record| record.came("kill", "protected"));
    daemon.wait_for("the observed kill", |record| record.came("kill", "observed"));
    assert!(protected.works() && observed.works());
    assert_eq!(table().iter().filter(|entry| entry.has_port(8080) || entry.has_port(8081)).count(), 2);
    let _ = daemon.stop();
}

#[test]
fn a_forwarded_connection_gets_no_packet_through_any_more() {
    let Some(scene) = Scene::new() else { return };
    scene.set("ipv4/ip_forward", 1);
    let client = Peer::connect("outside", &["198.51.100.1/24"], &["198.51.100.7/24"]);
    let server = Peer::connect("inside", &["10.8.0.1/24"], &["10.8.0.2/24"]);
    let listener = server.run(|| Tcp::listen("10.8.0.2", 8080));
    let dialled = client.run(|| Tcp::dial("198.51.100.7", "10.8.0.2", 8080)).unwrap();
    let mut tcp = Tcp { client: dialled, server: listener.accept().unwrap().0 };
    assert!(tcp.works());
    let mut daemon = scene.start(Policy::scripted(&["row tcp 8080: kill"]));
    daemon.wait_for("the kill", |record| record.came("kill", "applied"));
    assert!(tcp.is_dead());
    eventually("the client learns of it", || {
        let mut client = &tcp.client;
        client.write_all(b"?").is_err().then_some(())
    });
    let other = server.run(|| Tcp::listen("10.8.0.2", 8081));
    assert!(client.run(|| Tcp::dial("198.51.100.7", "10.8.0.2", 8081)).is_ok(), "another connection is not concerned");
    drop(other);
    let _ = daemon.stop();
}
