//! The tables for the commands: entries of every kind made by hand, and flows of real packets.
//!
//! Entries made by hand reach every state of a field. Only packets produce counters, labels, helpers and NAT as in real
//! use.

use std::fmt::Write;

use ctwarden_tests::{Ftp, Said, Scene, Tcp, Udp, load, original, ping};

/// The states of a TCP entry (linux/netfilter/nf_conntrack_tcp.h).
pub(super) const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

/// The states of an SCTP entry (linux/netfilter/nf_conntrack_sctp.h) that both programs can write.
pub(super) const SCTP_STATES: [&str; 8] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
];

/// One entry of each kind, for the commands that change something.
pub(super) const FEW: &str = "\
-I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED -m 1
-I -p tcp -s 10.0.0.1 -d 10.0.0.3 --sport 1001 --dport 22 --state SYN_SENT -t 900 -m 0xf0
-I -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 80 --state ESTABLISHED -t 900 -u SEEN_REPLY,ASSURED -m 1
-I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 900 -u SEEN_REPLY -m 255
-I -p udp -s 10.0.1.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 900 -w 5
-I -p udp -s 10.0.1.2 -d 10.0.0.2 --sport 1000 --dport 53 -t 900 --orig-zone 6
-I -p udp -s 10.0.1.3 -d 10.0.0.2 --sport 1000 --dport 53 -t 900 --reply-zone 7
-I -p udp -s 10.1.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 900 -n 192.0.2.1
-I -p udp -s 10.1.0.2 -d 10.0.0.2 --sport 1000 --dport 53 -t 900 -g 192.0.2.2:5353
-I -p udp -s 2001:db8:1::1 -d 2001:db8::2 --sport 1000 --dport 53 -t 900 -n [2001:db8:9::1]:4000
-I -p udplite -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 900
-I -p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -t 900
-I -p gre -s 10.0.0.1 -d 10.0.0.2 --srckey 1 --dstkey 2 -t 900
-I -p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 900
-I -p icmpv6 -s 2001:db8::1 -d 2001:db8::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77 -t 900
-I -p 89 -s 10.0.0.1 -d 10.0.0.2 -t 900
";

/// Entries with every state, status bit, zone and kind of address translation.
pub(super) fn many() -> String {
    let mut lines = FEW.to_owned();
    let mut add = |line: &str| writeln!(lines, "-I {line} -t 3000").expect("a string can be written to");
    for (number, state) in TCP_STATES.into_iter().enumerate() {
        for (one, other) in [("192.0.2.1", "192.0.2.2"), ("2001:db8:2::1", "2001:db8:2::2")] {
            let port = 2000 + number;
            add(&format!("-p tcp -s {one} -d {other} --sport {port} --dport 443 --state {state} -m {number}"));
        }
    }
    for (number, state) in SCTP_STATES.into_iter().enumerate() {
        let port = 2000 + number;
        add(&format!(
            "-p sctp -s 192.0.2.1 -d 192.0.2.2 --sport {port} --dport 9 --state {state} --orig-vtag {port} --reply-vtag 7"
        ));
    }
    for (number, status) in ["SEEN_REPLY", "SEEN_REPLY,ASSURED", "FIXED_TIMEOUT", "UNSET"].into_iter().enumerate() {
        let port = 3000 + number;
        add(&format!("-p udp -s 192.0.2.3 -d 192.0.2.4 --sport {port} --dport 53 -u {status}"));
        add(&format!("-p udp -s 2001:db8:3::1 -d 2001:db8:3::2 --sport {port} --dport 53 -u {status} -m {port}"));
    }
    for (number, nat) in
        ["-n 198.51.100.1", "-n 198.51.100.1:7000", "-g 198.51.100.2", "-g 198.51.100.2:8000"].into_iter().enumerate()
    {
        let port = 4000 + number;
        add(&format!("-p tcp -s 192.0.2.5 -d 192.0.2.6 --sport {port} --dport 80 --state ESTABLISHED {nat}"));
        add(&format!("-p udp -s 192.0.2.5 -d 192.0.2.6 --sport {port} --dport 80 {nat}"));
    }
    add(
        "-p tcp -s 192.0.2.7 -d 192.0.2.8 --sport 1 --dport 2 --state ESTABLISHED -n 198.51.100.1:9 -g 198.51.100.2:10",
    );
    add("-p udp -s 2001:db8:5::1 -d 2001:db8:5::2 --sport 1 --dport 2 -g 2001:db8:6::1");
    for zone in ["-w 5", "-w 65535", "--orig-zone 6", "--reply-zone 7"] {
        add(&format!("-p tcp -s 192.0.2.9 -d 192.0.2.10 --sport 1 --dport 2 --state ESTABLISHED {zone}"));
    }
    for (port, mark) in [(1, "0"), (2, "0x80000000"), (3, "4294967295")] {
        add(&format!("-p tcp -s 192.0.2.11 -d 192.0.2.12 --sport {port} --dport 2 --state CLOSE -m {mark}"));
    }
    for (kind, id) in [(8, 0), (13, 1), (15, 2), (17, 65535)] {
        add(&format!("-p icmp -s 192.0.2.13 -d 192.0.2.14 --icmp-type {kind} --icmp-code 0 --icmp-id {id}"));
    }
    add("-p icmpv6 -s 2001:db8:7::1 -d 2001:db8:7::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 65535");
    add("-p udplite -s 2001:db8:7::1 -d 2001:db8:7::2 --sport 65535 --dport 1");
    add("-p gre -s 192.0.2.15 -d 192.0.2.16 --srckey 65535 --dstkey 0");
    add("-p dccp -s 192.0.2.15 -d 192.0.2.16 --sport 5 --dport 6 --state OPEN --role client");
    for number in [0, 4, 50, 51, 89, 112, 253, 255] {
        add(&format!("-p {number} -s 192.0.2.17 -d 192.0.2.18"));
    }
    add("-p 89 -s 2001:db8:8::1 -d 2001:db8:8::2");
    lines
}

/// All lines except the DCCP entry. Where the kernel does not track DCCP (Linux removed it in 6.17), the entry has
/// neither ports nor state, and neither program accepts an entry without them.
pub(super) fn loadable() -> String {
    many().lines().filter(|line| !line.contains("-p dccp")).map(|line| format!("{line}\n")).collect()
}

/// Makes entries with the original, from one line of its save form each.
pub(super) fn fill(lines: &str) {
    let _ = Said::of(original(&["-R", "-"]), lines).good();
}

/// A label map: three labels that rules set, one of them beyond the first 64, and two labels that no rule sets.
pub(super) const LABELS: &str = "# number name\n1 customer\n2 office\n9 guest\n70 far\n100 never\n";

/// Connections and datagrams whose flows stay as they are while this value lives.
pub(super) struct Traffic {
    _tcp: Vec<Tcp>,
    _udp: Vec<Udp>,
    _ftp: Option<Ftp>,
}

/// The rules for [`Traffic::new`], which set labels and marks and translate addresses.
const RULES: &str = "table inet world {
    chain label { type filter hook output priority 0; udp dport 5301 ct label set 1; udp dport 5302 ct label set 70;
        tcp dport 8081 ct label set 9; tcp dport 8081 ct mark set 0x99; };
    chain out { type nat hook output priority -100; tcp dport 8082 dnat ip to 127.0.0.3:8083;
        udp dport 5303 redirect to :5304; };
    chain after { type nat hook postrouting priority 100; ip daddr 127.0.0.4 snat ip to 127.0.0.9; };
};";

impl Traffic {
    /// Makes flows of all kinds on the thread's loopback: labels, marks, NAT, a helper with an expectation, counters.
    pub(super) fn new(scene: &Scene) -> Self {
        scene.set("netfilter/nf_conntrack_timestamp", 1);
        // With long timeouts, no entry expires during the test.
        for kind in ["udp", "udp_timeout_stream", "icmp", "icmpv6"] {
            let name = if kind.contains("timeout") { kind.to_owned() } else { format!("{kind}_timeout") };
            scene.set(&format!("netfilter/nf_conntrack_{name}"), 3000);
        }
        load(RULES);
        let mut tcp = vec![
            Tcp::connect("127.0.0.1", "127.0.0.2", 8081),
            Tcp::connect("2001:db8::1", "2001:db8::2", 8081),
            Tcp::connect("127.0.0.1", "127.0.0.4", 8085),
        ];
        let listener = Tcp::listen("127.0.0.3", 8083);
        let client = Tcp::dial("127.0.0.1", "127.0.0.2", 8082).expect("the address is translated");
        let (server, _) = listener.accept().expect("who is connected was accepted");
        tcp.push(Tcp { client, server });
        assert!(tcp.iter_mut().all(Tcp::works));
        let udp: Vec<Udp> = [5300, 5301, 5302]
            .into_iter()
            .flat_map(|port| {
                [Udp::between("127.0.0.1", "127.0.0.2", port), Udp::between("2001:db8::1", "2001:db8::2", port)]
            })
            .collect();
        assert!(udp.iter().all(Udp::works));
        assert!(ping("127.0.0.1", "127.0.0.2", 77) && ping("2001:db8::1", "2001:db8::2", 78));
        let mut ftp = Ftp::new("127.0.0.1", "127.0.0.2");
        if let Some(ftp) = &mut ftp {
            ftp.offer(20_021);
            let data = Tcp::connect("127.0.0.1", "127.0.0.2", 20_021);
            tcp.push(data);
            ftp.offer(20_022);
        }
        Self { _tcp: tcp, _udp: udp, _ftp: ftp }
    }
}
