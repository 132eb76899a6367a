//! Tests of the lab on the real kernel. `conntrack` and `nft` show the gateway's state.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Runs a test on the gateway of a lab, on its own thread. The lab ends with the thread. A machine without namespaces
/// skips the test and prints the reason, but under CI the test fails there.
fn in_lab(plan: Plan, test: impl FnOnce(Lab) + Send + 'static) {
    let thread = thread::spawn(move || match isolate() {
        Ok(isolated) => test(Lab::build(isolated, plan).unwrap()),
        Err(error) => {
            let skipped = format!("skipped: {error}");
            assert!(std::env::var_os("CI").is_none(), "{skipped}");
            eprintln!("{skipped}");
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The output of a program, which must succeed. The program shares no code with the lab, and runs in the namespace of
/// the calling thread.
fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need the program {program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}{complaint}", output.status);
    text
}

/// Runs `nft` with one line of its language.
fn nft(line: &str) -> String {
    ask("nft", &[line])
}

/// Whether the condition becomes true within five seconds.
fn soon(what: impl Fn() -> bool) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

fn table_of(arguments: &[&str]) -> String {
    ask("conntrack", arguments)
}

const PAUSE: Duration = Duration::from_millis(1);

#[test]
fn every_kind_of_traffic_passes_and_is_tracked() {
    in_lab(Plan::default(), |lab| {
        assert_eq!(lab.missing(), [""; 0]);
        // The lab's own set-up leaves no entries in the table.
        assert_eq!(table_of(&["-L"]), "");
        for (from, server) in [("192.0.2.77", "203.0.113.5"), ("2001:db8:c::77", "2001:db8:5::5")] {
            let (from, server) = (ip(from), ip(server));
            lab.server().serve_tcp(SocketAddr::new(server, 80), Service::Echo).unwrap();
            lab.server()
                .serve_tcp(SocketAddr::new(server, 443), Service::Stream { bytes_per_second: 1_000_000 })
                .unwrap();
            lab.server().serve_udp(SocketAddr::new(server, 53)).unwrap();
            let transfer = lab.client().transfer(from, SocketAddr::new(server, 443)).unwrap();
            let held = lab.client().hold(from, SocketAddr::new(server, 80)).unwrap();
            let rows = [
                lab.client().connections(from, SocketAddr::new(server, 80), 20, PAUSE).unwrap(),
                lab.client().datagrams(from, SocketAddr::new(server, 53), 20, PAUSE).unwrap(),
                lab.client().ping(from, server, 4711, 20, PAUSE).unwrap(),
            ];
            for row in &rows {
                assert!(row.wait(Duration::from_secs(10)));
                assert_eq!((row.asked(), row.answered()), (20, 20));
            }
            held.exchange(Duration::from_secs(1)).unwrap();
            assert!(soon(|| transfer.received() > 100_000));
            assert!(transfer.idle_for() < Duration::from_secs(1) && !transfer.has_ended());

            let family = if from.is_ipv4() { "ipv4" } else { "ipv6" };
            let tcp = table_of(&["-L", "-f", family, "-p", "tcp", "-s", &from.to_string(), "--dport", "80"]);
            assert_eq!(tcp.lines().count(), 21, "{tcp}");
            assert_eq!(tcp.matches("ESTABLISHED").count(), 1, "{tcp}");
            assert!(tcp.contains(&format!("sport={}", held.local().unwrap().port())), "{tcp}");
            let udp = table_of(&["-L", "-f", family, "-p", "udp", "-s", &from.to_string(), "-o", "ktimestamp"]);
            assert!(udp.lines().count() == 1 && udp.contains("dport=53 packets=20 bytes="), "{udp}");
            assert!(udp.contains("[start="), "{udp}");
            let protocol = if from.is_ipv4() { "icmp" } else { "icmpv6" };
            let echo = table_of(&["-L", "-f", family, "-p", protocol]);
            assert!(echo.lines().count() == 1 && echo.contains("code=0 id=4711 packets=20"), "{echo}");
        }
    });
}

#[test]
fn any_address_of_the_client_can_ask() {
    in_lab(Plan::default(), |lab| {
        lab.server().serve_tcp(at("203.0.113.1:22"), Service::Echo).unwrap();
        lab.server().serve_tcp(at("[2001:db8:5::1]:22"), Service::Echo).unwrap();
        let held: Vec<Held> = (0..=255)
            .map(|last| lab.client().hold(IpAddr::from([198, 51, 100, last]), at("203.0.113.1:22")).unwrap())
            .chain((0..64).map(|last| {
                let from = IpAddr::from([0x2001, 0xdb8, 0xc, last, 0, 0, 0, last]);
                lab.client().hold(from, at("[2001:db8:5::1]:22")).unwrap()
            }))
            .collect();
        for held in &held {
            held.exchange(Duration::from_secs(1)).unwrap();
        }
        assert_eq!(table_of(&["-L", "-f", "ipv4", "-p", "tcp", "--state", "ESTABLISHED"]).lines().count(), 256);
        assert_eq!(table_of(&["-L", "-f", "ipv6", "-p", "tcp", "--state", "ESTABLISHED"]).lines().count(), 64);
    });
}

#[test]
fn the_transfer_of_a_blocked_address_stalls_and_others_go_on() {
    in_lab(Plan::default(), |lab| {
        for (server, blocked, other, set) in [
            ("203.0.113.5", "192.0.2.7", "192.0.2.8", BLOCKED_IPV4),
            ("2001:db8:5::5", "2001:db8:c::7", "2001:db8:c::8", BLOCKED_IPV6),
        ] {
            let to = SocketAddr::new(ip(server), 443);
            lab.server().serve_tcp(to, Service::Stream { bytes_per_second: 1_000_000 }).unwrap();
            let stalls = lab.client().transfer(ip(blocked), to).unwrap();
            let goes_on = lab.client().transfer(ip(other), to).unwrap();
            assert!(soon(|| stalls.received() > 0 && goes_on.received() > 0));
            nft(&format!("add element {TABLE} {set} {{ {blocked} timeout 600s }}"));
            assert!(soon(|| stalls.idle_for() > Duration::from_millis(500)));
            let (stalled, going) = (stalls.received(), goes_on.received());
            assert!(soon(|| goes_on.received() > going + 100_000));
            assert_eq!(stalls.received(), stalled);
            assert!(!stalls.has_ended() && goes_on.idle_for() < Duration::from_millis(500));
            assert!(matches!(lab.client().hold(ip(blocked), to), Err(TrafficError::Connect { .. })));
            nft(&format!("delete element {TABLE} {set} {{ {blocked} }}"));
            assert!(soon(|| stalls.received() > stalled));
        }
    });
}

#[test]
fn a_deleted_connection_ends_only_without_loose_tracking() {
    for tcp_loose in [true, false] {
        in_lab(Plan { tcp_loose, ..Plan::default() }, move |lab| {
            lab.server().serve_tcp(at("203.0.113.5:80"), Service::Echo).unwrap();
            let held = lab.client().hold(ip("192.0.2.7"), at("203.0.113.5:80")).unwrap();
            held.exchange(Duration::from_secs(1)).unwrap();
            table_of(&["-D", "-p", "tcp", "-s", "192.0.2.7"]);
            let answered = held.exchange(Duration::from_millis(600)).is_ok();
            assert_eq!(answered, tcp_loose);
        });
    }
}

#[test]
fn the_rules_are_those_that_nft_would_make() {
    in_lab(Plan::default(), |_| {
        let rules = nft("list ruleset");
        let rules: Vec<&str> = rules.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "}").collect();
        assert_eq!(
            rules,
            [
                "table inet ctwarden {",
                "set blocked4 {",
                "type ipv4_addr",
                "flags interval,timeout",
                "set blocked6 {",
                "type ipv6_addr",
                "flags interval,timeout",
                "chain forward {",
                "type filter hook forward priority filter; policy accept;",
                "ip saddr @blocked4 counter packets 0 bytes 0 drop",
                "ip daddr @blocked4 counter packets 0 bytes 0 drop",
                "ip6 saddr @blocked6 counter packets 0 bytes 0 drop",
                "ip6 daddr @blocked6 counter packets 0 bytes 0 drop",
                "ct state invalid drop",
                "ct state established,related accept",
                "chain labels {",
                "ct label set 0",
            ]
        );
    });
}

#[test]
fn entries_have_room_for_labels() {
    in_lab(Plan::default(), |lab| {
        lab.server().serve_tcp(at("203.0.113.5:80"), Service::Echo).unwrap();
        let held = lab.client().hold(ip("192.0.2.7"), at("203.0.113.5:80")).unwrap();
        held.exchange(Duration::from_secs(1)).unwrap();
        // conntrack knows labels only by the names in a file, so the test gives it a file in a mount namespace.
        let script = "mount -t tmpfs none /etc && mkdir /etc/xtables && echo '127 last' >/etc/xtables/connlabel.conf && \
                      conntrack -U -p tcp -s 192.0.2.7 --label-add last >/dev/null && conntrack -L -p tcp -o labels";
        let listed = ask("unshare", &["--mount", "sh", "-c", script]);
        assert!(listed.contains("labels=last"), "{listed}");
    });
}

#[test]
fn everything_ends_with_the_lab() {
    in_lab(Plan::default(), |lab| {
        let namespaces = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let ours = tasks.filter_map(|task| std::fs::read_link(task.ok()?.path().join("ns/net")).ok());
            ours.collect::<std::collections::HashSet<_>>()
        };
        lab.server().serve_tcp(at("203.0.113.5:80"), Service::Echo).unwrap();
        let namespace = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let host = lab.server().host().run(namespace).unwrap();
        let held = lab.client().hold(ip("192.0.2.7"), at("203.0.113.5:80")).unwrap();
        assert!(namespaces().contains(&host));
        drop(lab);
        assert!(soon(|| !namespaces().contains(&host)));
        drop(held);
    });
}

#[test]
fn what_cannot_be_reached_is_named() {
    in_lab(Plan::default(), |lab| {
        let Err(error) = lab.client().hold(ip("192.0.2.7"), at("203.0.113.5:81")) else { panic!("nobody listens") };
        assert_eq!(error.to_string(), "the lab's client cannot connect from 192.0.2.7 to 203.0.113.5:81");
        let Err(error) = lab.server().serve_udp(at("192.0.2.1:53")) else { panic!("not its address") };
        assert_eq!(error.to_string(), "the lab's server cannot listen on 192.0.2.1:53");
    });
}
