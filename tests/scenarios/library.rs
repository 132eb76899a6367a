//! The library: each rule file and each policy that no other scenario has, with traffic on the real kernel.
//!
//! Each test shows the effect, and beside it traffic to which nothing happens. The rule files are those of
//! `plugins/rules/builtin`; a test lowers a number at most. `banning`, `marking`, `capping` and `scanning` show
//! ban-follower, mark-by-service, connection-cap and port-scan.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ctwarden_tests::{
    Daemon, Ftp, Peer, Policy, Record, Scene, Tcp, Udp, eventually, expectations, insert_all, load, remove, table,
};
use socket2::{Domain, Socket, Type};

/// The rule file of this name as a plugin, with these keys and with these texts replaced.
fn rules(name: &str, keys: &str, changes: &[(&str, &str)]) -> Policy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/rules/builtin/{name}.toml"));
    let text =
        std::fs::read_to_string(path).expect("the rule file is there").replace("[[rule]]", "[[plugin.config.rule]]");
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{name} has no {from}");
        text.replace(from, to)
    });
    Policy::new(name, "rules").enforce().key(keys).config(&text)
}

/// A UDP client at an address, connected to a port of another.
fn udp(from: &str, to: &str, port: u16) -> UdpSocket {
    let client = UdpSocket::bind((from, 0)).expect("a free port");
    client.connect((to, port)).expect("an address can be connected to");
    client
}

fn receiver(address: &str, port: u16) -> UdpSocket {
    let server = UdpSocket::bind((address, port)).expect("a free port");
    server.set_read_timeout(Some(Duration::from_millis(500))).expect("it is no zero");
    server
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("it is bound").port()
}

/// Sends a datagram, and says who sent it if it arrives at this server.
fn arrives(client: &UdpSocket, server: &UdpSocket) -> Option<SocketAddr> {
    client.send(b"?").ok()?;
    server.recv_from(&mut [0; 8]).ok().map(|(_, from)| from)
}

fn alert(record: &Record, name: &str) -> bool {
    record.came("alert", "applied") && record.text("code") == Some(name)
}

fn count(daemon: &Daemon, is: impl Fn(&Record) -> bool) -> usize {
    daemon.records.which(is).len()
}

#[test]
fn stale_udp() {
    let Some(scene) = Scene::new() else { return };
    let nat = |server: &str| {
        format!(
            "table ip n {{ chain out {{ type nat hook output priority -100; ip daddr 127.0.0.50 dnat to {server}; }}; }}"
        )
    };
    load(&nat("127.0.0.2"));
    let policy = rules("stale-udp", "allow = [\"delete\", \"sweep\"]\nread-sets = [\"services\", \"endpoints\"]", &[]);
    let mut daemon = scene.start(format!("[sets.services]\n[sets.endpoints]\n{policy}"));
    let _ = daemon.verb("add services 127.0.0.50").good();
    let _ = daemon.verb("add endpoints 127.0.0.2").good();
    let _ = daemon.verb("add endpoints 127.0.0.3").good();
    let (old, new) = (receiver("127.0.0.2", 5353), receiver("127.0.0.3", 5353));
    let client = udp("127.0.0.1", "127.0.0.50", 5353);
    let other = Udp::between("127.0.0.1", "127.0.0.4", 5354);
    assert!(arrives(&client, &old).is_some() && other.works());
    load(&format!("delete table ip n; {}", nat("127.0.0.3")));
    assert!(arrives(&client, &old).is_some(), "the flow keeps its server");
    let _ = daemon.verb("remove endpoints 127.0.0.2").good();
    let record = daemon.wait_for("the end", |record| record.came("delete", "applied"));
    assert!(record.has_port(port(&client)), "{record:?}");
    assert!(arrives(&client, &new).is_some(), "the next packet gets the server that lives");
    sleep(Duration::from_millis(300));
    assert!(arrives(&client, &new).is_some() && other.works());
    assert_eq!(count(&daemon, |record| record.came("delete", "applied")), 1);
    let _ = daemon.stop();
}

#[test]
fn policy_change() {
    let Some(scene) = Scene::new() else { return };
    let policy = rules("policy-change", "allow = [\"delete\", \"log\", \"sweep\"]\nread-sets = [\"allowed\"]", &[]);
    let mut daemon = scene.start(format!("[sets.allowed]\n{policy}"));
    let _ = daemon.verb("add allowed 127.0.0.1").good();
    let _ = daemon.verb("add allowed 127.0.0.3").good();
    let listener = Tcp::listen("127.0.0.2", 5432);
    let mut stays = Tcp::to(&listener, "127.0.0.1", "127.0.0.2", 5432);
    let mut ends = Tcp::to(&listener, "127.0.0.3", "127.0.0.2", 5432);
    let mut elsewhere = Tcp::connect("127.0.0.4", "127.0.0.2", 5433);
    assert!(stays.works() && ends.works() && elsewhere.works());
    assert_eq!(count(&daemon, |record| record.came("delete", "applied")), 0);
    let _ = daemon.verb("remove allowed 127.0.0.3").good();
    let record = daemon.wait_for("the end", |record| record.came("delete", "applied"));
    assert!(record.has_port(ends.port()), "{record:?}");
    assert!(!table().iter().any(|entry| entry.has_port(ends.port())));
    assert!(stays.works() && elsewhere.works());
    assert!([&stays, &elsewhere].iter().all(|tcp| table().iter().any(|entry| entry.has_port(tcp.port()))));
    let _ = daemon.stop();
}

/// Source NAT of flows to 127.0.0.2: by the port of the server.
fn uplinks(first: &str, second: &str) {
    load(&format!(
        "table ip n {{ chain post {{ type nat hook postrouting priority 100; ip daddr 127.0.0.2 udp dport 5301 snat to {first}; ip daddr 127.0.0.2 udp dport 5302 snat to {second}; }}; }}"
    ));
}

#[test]
fn wan_failover() {
    let Some(scene) = Scene::new() else { return };
    uplinks("127.0.0.8", "127.0.0.9");
    let policy = rules("wan-failover", "allow = [\"delete\", \"sweep\"]\nread-sets = [\"dead\"]", &[]);
    let mut daemon = scene.start(format!("[sets.dead]\n{policy}"));
    let servers = [receiver("127.0.0.2", 5301), receiver("127.0.0.2", 5302)];
    let clients = [udp("127.0.0.1", "127.0.0.2", 5301), udp("127.0.0.1", "127.0.0.2", 5302)];
    let seen = |n: usize| arrives(&clients[n], &servers[n]).map(|from| from.ip().to_string());
    assert_eq!((seen(0).as_deref(), seen(1).as_deref()), (Some("127.0.0.8"), Some("127.0.0.9")));
    load("delete table ip n");
    uplinks("127.0.0.9", "127.0.0.9");
    assert_eq!(seen(0).as_deref(), Some("127.0.0.8"), "the flow is bound to the dead uplink");
    let _ = daemon.verb("add dead 127.0.0.8 --source failover").good();
    let record = daemon.wait_for("the end", |record| record.came("delete", "applied"));
    assert!(record.has_port(5301), "{record:?}");
    assert_eq!((seen(0).as_deref(), seen(1).as_deref()), (Some("127.0.0.9"), Some("127.0.0.9")));
    assert_eq!(count(&daemon, |record| record.came("delete", "applied")), 1);
    let _ = daemon.stop();
}

#[test]
fn syn_flood() {
    let Some(scene) = Scene::new() else { return };
    let policy = rules("syn-flood", "allow = [\"alert\", \"timeout\"]", &[("count = 200", "count = 20")]);
    let mut daemon = scene.start(policy);
    let host = Peer::connect("outside", &["10.9.0.1/24", "10.9.0.2/24"], &["10.9.0.7/24"]);
    // Nobody answers.
    host.run(|| load("table inet d { chain in { type filter hook input priority 0; tcp dport 9 drop; }; }"));
    let half_open = |from: &str, connections: usize| {
        for _ in 0..connections {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.bind(&format!("{from}:0").parse::<SocketAddr>().expect("an address").into()).expect("it is ours");
            let _ = socket.connect_timeout(&SocketAddr::from(([10, 9, 0, 7], 9)).into(), Duration::from_millis(20));
        }
    };
    half_open("10.9.0.2", 10);
    half_open("10.9.0.1", 25);
    let record = daemon.wait_for("the alert", |record| alert(record, "syn-flood"));
    assert!(record.0["alert"]["title"].as_str().is_some_and(|title| title.contains("10.9.0.1")), "{record:?}");
    daemon.wait_for_many("shorter timeouts", 6, |record| record.came("timeout", "applied"));
    let short = |address: &str| {
        table().iter().filter(|entry| entry.original.src.to_string() == address && entry.timeout <= 10).count()
    };
    assert!(short("10.9.0.1") >= 5, "{:?}", table());
    assert_eq!(short("10.9.0.2"), 0, "few connections are no flood");
    assert_eq!(count(&daemon, |record| record.came("alert", "applied")), 1);
    let _ = daemon.stop();
}

/// Sends this many bytes from a client to a server, and ends the entry.
fn transfer(from: &str, to: &str, port: u16, bytes: usize) {
    let Tcp { mut client, mut server } = Tcp::connect(from, to, port);
    let reader = std::thread::spawn(move || {
        let mut read = 0;
        let mut buffer = vec![0; 65_536];
        while read < bytes {
            read += server.read(&mut buffer).expect("the client is there");
        }
        server
    });
    client.write_all(&vec![7; bytes]).expect("the server reads");
    let _server = reader.join().expect("it read");
    remove(&format!("-p tcp --dport {port}"));
}

fn local(scene: &Scene, addresses: &[&str]) {
    for address in addresses {
        scene.ip(&format!("addr add {address}/32 dev lo"));
    }
}

#[test]
fn exfiltration() {
    let Some(scene) = Scene::new() else { return };
    local(&scene, &["10.0.0.7", "10.0.0.8", "192.0.2.9"]);
    let mut daemon = scene.start(rules("exfiltration", "allow = [\"alert\"]", &[("5GiB", "1MiB")]));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    transfer("10.0.0.8", "192.0.2.9", 8443, 200_000);
    transfer("10.0.0.8", "10.0.0.7", 8444, 2_000_000);
    transfer("10.0.0.7", "192.0.2.9", 8445, 2_000_000);
    let record = daemon.wait_for("the alert", |record| alert(record, "exfiltration"));
    assert!(record.0["alert"]["title"].as_str().is_some_and(|title| title.contains("10.0.0.7 sent")), "{record:?}");
    let ended = daemon.stop();
    assert_eq!(ended.records.iter().filter(|record| record.is_verdict()).count(), 1, "little, and within, is no fault");
}

#[test]
fn geo_block() {
    let Some(scene) = Scene::new() else { return };
    let policy = rules("geo-block", "allow = [\"delete\", \"log\", \"sweep\"]\nread-sets = [\"countries\"]", &[]);
    let mut daemon = scene.start(format!("[sets.countries]\n{policy}"));
    let _ = daemon.verb("add countries 127.0.1.0/24 --value XX").good();
    let _ = daemon.verb("add countries 127.0.2.0/24 --value AA").good();
    let stays = Udp::between("127.0.2.5", "127.0.0.1", 7001);
    assert!(stays.works());
    let ends = [udp("127.0.1.5", "127.0.0.1", 7002), udp("127.0.0.1", "127.0.1.5", 7003)];
    let _servers = [receiver("127.0.0.1", 7002), receiver("127.0.1.5", 7003)];
    assert!(ends.iter().all(|client| client.send(b"?").is_ok()));
    let records = daemon.wait_for_many("the ends", 2, |record| record.came("delete", "applied"));
    let mut codes: Vec<_> = records.iter().filter_map(|record| record.text("code")).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["geo-from", "geo-to"]);
    assert!(stays.works() && table().iter().any(|entry| entry.has_port(7001)));
    let _ = daemon.verb("add countries 127.0.2.5 --value ZZ").good();
    daemon.wait_for("the change", |record| record.came("delete", "applied") && record.has_port(7001));
    let _ = daemon.stop();
}

#[test]
fn bad_destinations() {
    let Some(scene) = Scene::new() else { return };
    let policy = rules("bad-destinations", "allow = [\"alert\", \"delete\", \"sweep\"]\nread-sets = [\"bad\"]", &[]);
    let mut daemon = scene.start(format!("[sets.bad]\n{policy}"));
    let mut good = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    let mut bad = Tcp::connect("127.0.0.1", "127.0.0.66", 8080);
    assert!(good.works() && bad.works());
    let _ = daemon.verb("add bad 127.0.0.66").good();
    let record = daemon.wait_for("the end", |record| record.came("delete", "applied"));
    assert!(record.has_port(bad.port()), "{record:?}");
    daemon.wait_for("the alert", |record| alert(record, "bad-destination"));
    assert!(good.works());
    assert!(!daemon.records.all().iter().any(|record| record.is_verdict() && record.has_port(good.port())));
    let _ = daemon.stop();
}

#[test]
fn dns_tunnel() {
    let Some(scene) = Scene::new() else { return };
    local(&scene, &["10.0.0.6", "10.0.0.7", "10.0.0.8", "192.0.2.9"]);
    let changes = [("20MiB", "100KiB"), ("count = 2000", "count = 20")];
    let mut daemon = scene.start(rules("dns-tunnel", "allow = [\"alert\"]", &changes));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    let server = receiver("192.0.2.9", 53);
    let ask = |from: &str, times: usize, bytes: usize| {
        let client = udp(from, "192.0.2.9", 53);
        for _ in 0..times {
            client.send(&vec![7; bytes]).expect("it can be sent");
            let _ = server.recv(&mut [0; 2048]);
        }
        remove(&format!("-p udp --sport {}", port(&client)));
    };
    ask("10.0.0.8", 5, 100);
    ask("10.0.0.7", 100, 1400);
    (0..25).for_each(|_| ask("10.0.0.6", 1, 40));
    let volume = daemon.wait_for("the volume", |record| alert(record, "dns-volume"));
    assert!(volume.0["alert"]["title"].as_str().is_some_and(|title| title.starts_with("10.0.0.7 moved")), "{volume:?}");
    let rate = daemon.wait_for("the rate", |record| alert(record, "dns-rate"));
    assert!(rate.0["alert"]["title"].as_str().is_some_and(|title| title.starts_with("10.0.0.6 began")), "{rate:?}");
    let ended = daemon.stop();
    assert_eq!(ended.records.iter().filter(|record| record.is_verdict()).count(), 2);
}

#[test]
fn session_log() {
    let Some(scene) = Scene::new() else { return };
    scene.set("netfilter/nf_conntrack_timestamp", 1);
    uplinks("127.0.0.8", "127.0.0.9");
    let mut daemon = scene.start(rules("session-log", "allow = [\"log\"]", &[]));
    let server = receiver("127.0.0.2", 5301);
    assert!(arrives(&udp("127.0.0.1", "127.0.0.2", 5301), &server).is_some());
    assert!(Udp::between("127.0.0.1", "127.0.0.3", 5303).works());
    remove("-p udp --dport 5303");
    remove("-p udp --dport 5301");
    let record = daemon.wait_for("the session", |record| record.came("log", "applied"));
    assert!(record.has_port(5301), "{record:?}");
    for name in ["src", "dst", "bytes", "started", "stopped"] {
        assert!(record.0["fields"][name].is_string(), "{name} in {record:?}");
    }
    let ended = daemon.stop();
    assert_eq!(
        ended.records.iter().filter(|record| record.came("log", "applied")).count(),
        1,
        "without NAT, no record"
    );
}

fn policy(name: &str, allow: &str, config: &str) -> Policy {
    Policy::new(name, name).enforce().key(&format!("allow = {allow}")).config(config)
}

#[test]
fn table_pressure() {
    let Some(scene) = Scene::new() else { return };
    let text = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").expect("conntrack is there");
    let maximum: u32 = text.trim().parse().expect("a number");
    // The maximum belongs to the machine, so the test fills one percent of it.
    let entries = maximum / 100 + 50;
    assert!(entries < 30_000, "a table of {maximum} is too large for this test");
    let config = "delete-percent = 1\nalert-percent = 1\ntick-seconds = 1\nat-most = 200";
    let policy = policy("table-pressure", "[\"alert\", \"delete\", \"sweep\"]", config);
    let mut daemon = scene.start(policy.of("budget", "table-share-per-minute = 100"));
    let mut assured = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    assert!(assured.works());
    let one =
        |n: u32| format!("-p udp -s 10.0.{}.1 -d 10.9.9.9 --sport {} --dport 53 -t 600", n / 60_000, 1000 + n % 60_000);
    insert_all((0..100).map(one));
    sleep(Duration::from_secs(3));
    assert_eq!(count(&daemon, Record::is_verdict), 0, "a table with room is left alone");
    insert_all((100..entries).map(one));
    let record =
        daemon.wait_for("room", |record| record.came("delete", "applied") && record.text("code") == Some("unassured"));
    assert!(record.text("reason").is_some_and(|why| why.contains(&format!("of {maximum} entries"))), "{record:?}");
    eventually("room is made", || (table().len() < usize::try_from(maximum / 100).ok()?).then_some(()));
    assert!(assured.works() && table().iter().any(|entry| entry.has_port(assured.port())), "the assured flow stays");
    assert_eq!(count(&daemon, |record| record.came("alert", "applied")), 0, "the kernel could evict the others");
    let _ = daemon.stop();
}

#[test]
fn lateral_movement() {
    let Some(scene) = Scene::new() else { return };
    let config = "internal = [\"127.0.0.0/8\"]\nlearn-seconds = 0";
    let mut daemon = scene.start(policy("lateral-movement", "[\"alert\"]", config));
    let ssh = |from: &str, to: &str| drop(Tcp::connect(from, to, 22));
    ssh("127.0.0.1", "127.0.0.2");
    daemon.wait_for("a new pair", |record| alert(record, "new-pair"));
    assert!(Tcp::connect("127.0.0.1", "127.0.0.3", 8080).works());
    ssh("127.0.0.1", "127.0.0.2");
    let ended = daemon.stop();
    assert_eq!(ended.records.iter().filter(|record| record.is_verdict()).count(), 1, "once, and only for such ports");

    let mut daemon = scene.start_again();
    ssh("127.0.0.1", "127.0.0.2");
    ssh("127.0.0.3", "127.0.0.2");
    let record = daemon.wait_for("another pair", |record| alert(record, "new-pair"));
    assert!(
        record.0["alert"]["title"].as_str().is_some_and(|title| title.starts_with("127.0.0.3 reaches")),
        "{record:?}"
    );
    let ended = daemon.stop();
    assert_eq!(ended.records.iter().filter(|record| record.is_verdict()).count(), 1, "a restart forgets no pair");
}

#[test]
fn helper_hygiene() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(policy("helper-hygiene", "[\"alert\", \"delete\"]", "helpers = [\"ftp\"]"));
    let Some(mut ftp) = Ftp::new("127.0.0.1", "127.0.0.2") else { return };
    ftp.offer(20_021);
    eventually("the expectation", || (expectations() == 1).then_some(()));
    sleep(Duration::from_millis(300));
    assert_eq!((expectations(), count(&daemon, Record::is_verdict)), (1, 0), "what is allowed stays");
    scene.configure(policy("helper-hygiene", "[\"alert\", \"delete\"]", "helpers = [\"sip\"]"));
    assert_eq!(daemon.reload(), None);
    let record = daemon.wait_for("the end", |record| record.came("delete", "applied"));
    assert_eq!(record.text("code"), Some("helper"));
    daemon.wait_for("the alert", |record| alert(record, "helper"));
    assert_eq!(expectations(), 0);
    assert!(ftp.control.works(), "the control connection stays");
    let _ = daemon.stop();
}

#[test]
fn nat_exhaustion() {
    let Some(scene) = Scene::new() else { return };
    uplinks("127.0.0.8", "127.0.0.9");
    let mut daemon = scene.start(policy("nat-exhaustion", "[\"alert\"]", "ports = 10\nsweep-seconds = 1"));
    let begin = |port: u16, flows: usize| -> Vec<UdpSocket> {
        let client = || udp("127.0.0.1", "127.0.0.2", port);
        (0..flows).map(|_| client()).inspect(|client| drop(client.send(b"?"))).collect()
    };
    let _servers = [receiver("127.0.0.2", 5301), receiver("127.0.0.2", 5302)];
    let _few = begin(5302, 5);
    sleep(Duration::from_millis(2500));
    assert_eq!(count(&daemon, Record::is_verdict), 0, "5 of 10 ports are enough");
    let _many = begin(5301, 9);
    let record = daemon.wait_for("the alert", |record| alert(record, "ports-short"));
    let title = record.0["alert"]["title"].as_str().unwrap_or_default();
    assert_eq!(title, "9 of 10 ports of 127.0.0.8 are in use for udp to 127.0.0.2 port 5301");
    let _ = daemon.stop();
}

#[test]
fn idle_reaper() {
    let Some(scene) = Scene::new() else { return };
    let config = "idle-seconds = 6\nsweep-seconds = 1";
    let mut daemon = scene.start(policy("idle-reaper", "[\"timeout\"]", config));
    let mut busy = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    let mut silent = Tcp::connect("127.0.0.1", "127.0.0.2", 8081);
    assert!(busy.works() && silent.works());
    for _ in 0..10 {
        sleep(Duration::from_secs(1));
        assert!(busy.works());
    }
    let record = daemon.wait_for("the timeout", |record| record.came("timeout", "applied"));
    assert!(record.has_port(silent.port()), "{record:?}");
    let left = |tcp: &Tcp| table().into_iter().find(|entry| entry.has_port(tcp.port())).map(|entry| entry.timeout);
    assert!(left(&silent).is_none_or(|left| left <= 30), "{:?}", left(&silent));
    assert!(left(&busy).is_some_and(|left| left > 1000), "{:?}", left(&busy));
    assert!(silent.works() && left(&silent).is_some_and(|left| left > 1000), "a packet renews the entry");
    let _ = daemon.stop();
}
