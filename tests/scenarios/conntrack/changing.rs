//! Commands that change the table. Each program has its own table, built in the same way, and both tables are compared.
//!
//! The output of a command does not prove its effect, so the original lists both tables afterwards.

use std::net::UdpSocket;
use std::panic::resume_unwind;
use std::thread;

use ctwarden_tests::{Beside, Built, Said, Scene, conntrack, difference, load, original, with_label_map};

use super::grid::{Grid, Part};
use super::world::{FEW, LABELS, fill};

/// Commands for a few entries of every kind.
const ON_ENTRIES: &str = "
-D
-D -p tcp
-D -p udp
-D -p sctp
-D -p gre
-D -p icmp
-D -p icmpv6
-D -p udplite
-D -p 89
-D -p 90
-D -f ipv4
-D -f ipv6
-D -f ipv6 -p tcp
-D -s 10.0.0.1
-D -d 10.0.0.2
-D -r 10.0.0.2
-D -q 10.0.0.1
-D -s 10.0.1.0/24
-D -s 10.0.0.0/16 -p udp
-D -s 10.0.0.1 --mask-src 255.255.0.0
-D -d 10.0.0.3 --mask-dst 255.255.255.254
-D -s 2001:db8::/64
-D -s 2001:db8:1::1
-D -s 10.0.0.1 -d 10.0.0.3
-D -p tcp --dport 80
-D -p tcp --state SYN_SENT
-D -p tcp --sport 1000 --dport 80 -s 10.0.0.1 -d 10.0.0.2
-D -p tcp --sport 1
-D -p udp --reply-port-src 5353
-D -p gre --srckey 1
-D -p icmp --icmp-type 8
-D -p sctp --state ESTABLISHED
-D -m 1
-D -m 1/1
-D -m 0
-D -m 0xf0/0xf0
-D -m 99
-D -u ASSURED
-D -u SEEN_REPLY
-D -u UNSET
-D -u UNREPLIED
-D -u !ASSURED
-D -w 5
-D -w 0
-D --orig-zone 6
-D --reply-zone 7
-D -n
-D -g
-D -j
-D -n 192.0.2.1
-D -g 192.0.2.2:5353
-D -j 192.0.2.2
-D -n [2001:db8:9::1]:4000
-D -n 2001:db8:9::1
-D -n 2001:db8:9::99
-D -i 1
-D -t 5
-D -l customer
-D -o extended
-D -p tcp -o xml
-D -p tcp -o id
-D -p udp -o save
-D -p tcp -o ktimestamp
-D -p tcp -o labels
-D -s 203.0.113.1
-D conntrack -p tcp
--delete -p udp
-F
-F conntrack
-F -f ipv4
-F expect
--flush
-U -m 5
-U -p tcp -m 5
-U -t 77
-U -p udplite
-U -f ipv4 -m 3 -p udplite
-U -s 10.0.1.1/32 -m 3
-U -s 10.0.1.0/31 -m 3
-U -d 10.0.0.2 -p udplite -m 3
-U -r 10.0.0.2 -p udplite -m 3
-U -q 10.0.0.1 -p udplite -m 3
-U -s 203.0.113.1 -m 3
-U -s 10.1.0.0/16 -n 192.0.2.1 -m 3
-U -s 10.0.0.0/8 -g 192.0.2.2:5353 -m 3
-U -s 10.0.0.0/8 -n 192.0.2.9 -m 3
-U -p udp -s 10.1.0.1 -n -m 3
-U -i 1 -m 3
-U -s 10.0.0.1 -i 1 -m 3
-U -p tcp -s 10.0.0.1 --dport 22 --state CLOSE
-U -p tcp -s 10.0.0.1 --dport 22 --state SYN_SENT -m 3
-U -p tcp -s 2001:db8::1 --state TIME_WAIT
-U -p tcp -s 10.0.0.1 --sport 1001 -m 3
-U -p sctp -s 10.0.0.1 --state SHUTDOWN_SENT --orig-vtag 1 --reply-vtag 2
-U -p sctp -s 10.0.0.1 --orig-vtag 5 --reply-vtag 6
-U -p gre -s 10.0.0.1 --srckey 1 -m 3
-U -p icmp -s 10.0.0.1 --icmp-type 8 -m 3
-U -p udplite -s 10.0.0.1 --label-add customer,guest
-U -p udplite -s 10.0.0.1 --label-add customer --label-add far
-U -p udplite -s 10.0.0.1 --label-del customer
-U -p udplite -s 10.0.0.1 -l customer -m 3
-U -p udplite -s 10.0.0.1 --label-add nobody
-U -p udplite -s 10.0.0.1 -m 3 -o extended
-U -p udplite -s 10.0.0.1 -m 3 -o xml
-U -p udplite -s 10.0.0.1 -m 3 -o id
-U -p udplite -s 10.0.0.1 -m 3 -o save
-U -p udplite -s 10.0.0.1 -m 3 -t 100 -u SEEN_REPLY
--update -p udplite -s 10.0.0.1 -m 3
-I -p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 --state ESTABLISHED -t 100
-I -p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 --state LISTEN -t 100
-I -p tcp -r 10.9.0.2 -q 10.9.0.1 --reply-port-src 2 --reply-port-dst 1 --state ESTABLISHED -t 100
-I -p tcp -s 10.9.0.1 -d 10.9.0.2 -r 10.9.0.3 -q 10.9.0.4 --sport 1 --dport 2 --reply-port-src 3 --reply-port-dst 4 --state ESTABLISHED -t 100
-I -p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 --state ESTABLISHED -t 100 -u ASSURED
-I -p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 --state ESTABLISHED -t 100 -u SEEN_REPLY,ASSURED -m 6
-I -p tcp -s 2001:db8:a::1 -d 2001:db8:a::2 --sport 1 --dport 2 --state CLOSE -t 100
-I -p tcp -f ipv6 -s 2001:db8:a::1 -d 2001:db8:a::2 --sport 1 --dport 2 --state CLOSE -t 100
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -m 5/7
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -u UNSET
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -u FIXED_TIMEOUT
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -n 10.9.0.9
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -n 10.9.0.9:99
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -g 10.9.0.9:99
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -n 10.9.0.9:99 -g 10.9.0.8
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -j 10.9.0.9
-I -p udp -s 2001:db8:a::1 -d 2001:db8:a::2 --sport 1 --dport 2 -t 100 -g [2001:db8:a::3]:99
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -w 4
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 --orig-zone 4
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 --reply-zone 4
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 --orig-zone 4 --reply-zone 5
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 --label-add customer
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 --label-add customer,far
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -l customer
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t x
-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 0
-I -p udplite -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100
-I -p sctp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 --state COOKIE_WAIT --orig-vtag 10 --reply-vtag 0x20 -t 100
-I -p dccp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 --state REQUEST --role client -t 100
-I -p gre -s 10.9.0.1 -d 10.9.0.2 --srckey 5 --dstkey 6 -t 100
-I -p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 8 --icmp-code 0 -t 100
-I -p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 3 --icmp-code 1 -t 100
-I -p icmpv6 -s 2001:db8:a::1 -d 2001:db8:a::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9 -t 100
-I -p 89 -s 10.9.0.1 -d 10.9.0.2 -t 100
-I -p ospf -s 2001:db8:a::1 -d 2001:db8:a::2 -t 100
-I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 100
-I -p udp -s 10.0.1.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 100
-I conntrack -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100
--create -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100
--add -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100
-A -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 -m 4
-A -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 100
-A -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 100 -m 3
-L -z
-L -z -f ipv6
";

/// The entry to update. Each is combined with every change in `HOW`. The original's version 1.4.7 needs an address.
const WHICH: [&str; 13] = [
    "-p tcp -s 10.0.0.1 --dport 22",
    "-p tcp -s 10.0.0.1 --dport 80",
    "-p tcp -s 2001:db8::1",
    "-p udp -s 10.0.0.1",
    "-p udp -s 10.1.0.1",
    "-p udp -s 2001:db8:1::1",
    "-p udplite -s 10.0.0.1",
    "-p sctp -s 10.0.0.1",
    "-p gre -s 10.0.0.1",
    "-p icmp -s 10.0.0.1",
    "-p icmpv6 -s 2001:db8::1",
    "-p 89 -s 10.0.0.1",
    "-s 10.0.1.1",
];
const HOW: [&str; 10] = [
    "-m 5",
    "-m 0",
    "-m 0x100/0x100",
    "-m 5/0xf",
    "-t 100",
    "-t 0",
    "-u SEEN_REPLY",
    "-u SEEN_REPLY,ASSURED",
    "-u FIXED_TIMEOUT",
    "--label-add customer",
];

/// Commands for flows of real packets, with counters and labels.
const ON_PACKETS: &str = "
-L
-L -z
-L -z -o extended
-L -z -f ipv6
-L -o labels
-D -l customer
-D -p udp
-D -l far -o labels
-U -p udp -d 127.0.0.2 --dport 5301 -m 3
-U -p udp -d 127.0.0.2 --dport 5301 --label-add guest
-U -p udp -d 127.0.0.2 --dport 5300 --label-add guest
-U -p udp -d 127.0.0.2 --dport 5302 --label-add guest,office -o labels
-U -p udp -d 2001:db8::2 --dport 5301 --label-add guest
-U -p udp -d 127.0.0.2 -l customer --label-add guest
-U -p udp -d 127.0.0.2 --dport 5301 --label-del customer
-U -p udp -d 127.0.0.2 --dport 5301 --label-del guest
-U -p udp -d 127.0.0.2 --dport 5301 --label-del
-U -p udp -d 2001:db8::2 --dport 5302 --label-del
-U -p udp -d 127.0.0.2 -l customer --label-del customer,far
-U -p udp -d 127.0.0.2 -l customer -m 8
-U -p udp -d 127.0.0.2 --dport 5300 -t 100
-U -p udp -d 127.0.0.2 --dport 5302 -u ASSURED
-U -p udp -d 127.0.0.2 -g -m 3
-D -j
-D -g 127.0.0.2
";

const RULES: &str = "table inet label { chain out { type filter hook output priority 0;
    udp dport 5301 ct label set 1; udp dport 5302 ct label set 70; };
    chain nat { type nat hook output priority -100; udp dport 5303 redirect to :5304; }; };";

/// Sends datagrams from known ports. The server answers at every port with an even number.
fn packets() {
    for (one, other) in [("127.0.0.1", "127.0.0.2"), ("[2001:db8::1]", "[2001:db8::2]")] {
        let client = UdpSocket::bind(format!("{one}:4000")).expect("the port is free");
        for port in [5300, 5301, 5302, 5303] {
            let server = UdpSocket::bind(format!("{other}:{port}")).expect("the port is free");
            client.send_to(b"?", server.local_addr().expect("it is bound")).expect("a datagram can be sent");
            if port % 2 == 0 {
                server.send_to(b"!", client.local_addr().expect("it is bound")).expect("a datagram can be sent");
            }
        }
    }
}

/// Flushes and rebuilds the table and runs the command. Returns its answer and the table afterwards.
fn of_table(build: fn(), command: impl FnOnce(&[&str]) -> Said, line: &str) -> (Said, Said) {
    let _ = Said::of(original(&["-F"]), "").good();
    build();
    let words: Vec<&str> = line.split_whitespace().collect();
    let said = command(&words);
    (said, Said::of(original(&["-L", "-o", "extended,id,labels"]), ""))
}

fn judge(grid: &mut Grid, twin: &Beside, build: fn(), line: &str) {
    let [(theirs, their_table), (ours, our_table)] = thread::scope(|scope| {
        let there = scope.spawn(|| twin.run(|| of_table(build, |words| Said::of(conntrack(words), ""), line)));
        let here = of_table(build, |words| Said::of(original(words), ""), line);
        [here, there.join().unwrap_or_else(|panic| resume_unwind(panic))]
    });
    let tables = difference(&their_table, &our_table, Built::Twice);
    grid.judge_both(line, (&theirs, &ours, Built::Twice), tables);
}

#[test]
fn commands_that_change_something_leave_the_table_that_the_original_leaves() {
    let Some(scene) = Scene::new() else { return };
    let twin = scene.twin();
    load(RULES);
    twin.run(|| load(RULES));
    let _size = crate::resizing::hold_size();
    let mut grid = Grid::new(Part::Changing);
    with_label_map(LABELS, || {
        for line in ON_ENTRIES.lines().filter(|line| !line.is_empty()) {
            judge(&mut grid, &twin, || fill(FEW), line);
        }
        for (which, how) in WHICH.into_iter().flat_map(|which| HOW.map(|how| (which, how))) {
            judge(&mut grid, &twin, || fill(FEW), &format!("-U {which} {how}"));
        }
        grid.next("packets");
        for line in ON_PACKETS.lines().filter(|line| !line.is_empty()) {
            judge(&mut grid, &twin, packets, line);
        }
    });
    grid.finish();
}
