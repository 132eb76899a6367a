//! Commands that only read: every output, every filter and both families, on one table that both programs see.

use std::path::Path;

use ctwarden_tests::{Scene, Tcp, with_label_map};

use super::grid::{Grid, Part};
use super::world::{LABELS, SCTP_STATES, TCP_STATES, Traffic, fill, many};

/// Every output, alone and combined. `MAP` stands for the label map.
const OUTPUTS: &str = "
-o extended
-o xml
-o id
-o ktimestamp
-o timestamp
-o labels
-o save
-o userspace
-o extended,id
-o xml,extended
-o xml,id
-o xml,ktimestamp
-o xml,timestamp
-o xml,labels
-o extended,id,ktimestamp,labels,timestamp
-o xml,extended,id,ktimestamp,labels
-o id -o ext
-o x,i
";

/// The commands that run with each of these outputs.
const LISTED: [&str; 12] = [
    "-L",
    "-L -f ipv6",
    "-L -p tcp",
    "-L -p udp",
    "-L -p udplite",
    "-L -p sctp",
    "-L -p dccp",
    "-L -p gre",
    "-L -p icmp",
    "-L -p icmpv6",
    "-L -p 89",
    "-L -j",
];

/// Each filter, to be added to `-L`.
const FILTERS: &str = "
-s 10.0.0.1
-d 10.0.0.2
-r 10.0.0.2
-q 10.0.0.1
-s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1
-s 10.0.0.0/8
-s 10.1.0.0/16
-d 10.0.0.0/31
-s 10.0.0.1/32
-s 0.0.0.0/0
-s 10.0.0.1/0
-s 192.0.2.0/24 -d 192.0.2.0/28
-s 10.0.0.1 --mask-src 255.255.0.0
-d 10.0.0.1 --mask-dst 255.255.255.0
-s 10.0.0.1 --mask-src 255.0.255.0
-d 192.0.2.1 --mask-dst 0.0.0.255
-s 2001:db8::1
-d 2001:db8::2
-s 2001:db8::/32
-s 2001:db8:2::/47
-d 2001:db8::2/127
-s ::/0
-s 2001:db8::1/128
-s 2001:db8::1 --mask-src ffff:ffff:ffff::
-r 2001:db8::2
-q 2001:db8:9::1
-s 10.1
-s 167772161
-s 0xa000001
-s 010.0.0.1
-f ipv4
-f ipv4 -s 10.0.0.1
-f ipv6 -p udp
-p TCP
-p Udp
-p 6
-p 0x11
-p 021
-p ospf
-p esp
-p ip
-p 0
-p 255
-p icmp -f ipv6
-p icmpv6 -f ipv4
-p tcp --sport 1000
-p tcp --orig-port-src 1000
-p tcp --dport 80
-p tcp --orig-port-dst 443 --sport 2003
-p tcp --reply-port-src 80
-p tcp --reply-port-dst 1000
-p tcp --dport 80 -s 10.0.0.1
-p tcp --dport 0
-p tcp --dport 65616
-p tcp --dport eighty
-p tcp --state LISTEN
-p udp --sport 1000
-p udp --dport 53
-p udp --reply-port-src 5353
-p udp --reply-port-dst 4000
-p udplite --orig-port-src 1000
-p udplite --dport 1
-p sctp --sport 1000
-p sctp --dport 9
-p sctp --reply-port-src 53
-p dccp --sport 5
-p dccp --sport 0
-p dccp --state OPEN
-p gre --srckey 1
-p gre --dstkey 2
-p gre --orig-key-src 65535
-p gre --reply-key-src 2
-p gre --reply-key-dst 1
-p icmp --icmp-type 8
-p icmp --icmp-code 0
-p icmp --icmp-id 77
-p icmp --icmp-type 13 --icmp-code 0 --icmp-id 1
-p icmpv6 --icmpv6-type 128
-p icmpv6 --icmpv6-id 65535
-u ASSURED
-u SEEN_REPLY
-u UNSET
-u FIXED_TIMEOUT
-u EXPECTED
-u OFFLOAD
-u HW_OFFLOAD
-u UNREPLIED
-u SEEN_REPLY,ASSURED
-u assured
-u ASS
-u S
-u !ASSURED
-u !SEEN_REPLY
-u SEEN_REPLY,!ASSURED
-u !SEEN_REPLY,!FIXED_TIMEOUT
-u ASSURED,UNREPLIED
-u UNREPLIED,!FIXED_TIMEOUT
-u SRC_NAT
-u DST_NAT,ASSURED
-m 0
-m 1
-m 0x1
-m 01
-m 1/1
-m 0/1
-m 0xf0/0xf0
-m 0xf1/0xf0
-m 4294967295
-m 0x80000000/0x80000000
-m 1 -p tcp
-m 1 -f ipv6
-w 5
-w 0
-w 65535
-w 6
--orig-zone 6
--reply-zone 7
--orig-zone 6 --reply-zone 8
--orig-zone 5
--zone 5 -p tcp
-n
-g
-n 198.51.100.1
-n 198.51.100.1:7000
-n 198.51.100.9
-g 198.51.100.2
-g 198.51.100.2:8000
-g 198.51.100.2:8001
-j 198.51.100.1
-j 198.51.100.2:8000
-n -g
-n 198.51.100.1 -g 198.51.100.2
-n 127.0.0.9
-g 127.0.0.3
-g 127.0.0.3:8083
-n 2001:db8:9::1
-n 2001:db8:9::99
-n [2001:db8:9::1]:4000
-g 2001:db8:6::1
-j -f ipv6
-j -p tcp
-l customer
-l guest
-l far
-l never
-l customer,office
-l customer -l office
-l nobody
-l 1
-l customer -p udp -f ipv6
-o labels -l guest
-l office --labelmap MAP
-o labels --labelmap MAP
--labelmap /nonexistent
-l office --labelmap /nonexistent
--labelmap MAP --labelmap MAP
-c 0
-c 1
-z -p tcp
-z -s 10.0.0.1
-p tcp --dport 80 -o extended
-s 10.0.0.1 -o xml
-u ASSURED -o save
-s 203.0.113.1
-s 203.0.113.1 -o xml
";

/// Whole command lines of the other commands that only read.
const OTHERS: &str = "
-C
-C conntrack
-C expect
-S
-S expect
-S conntrack
-V
--version
--counter
--stats
-L expect
-L expect -f ipv6
-L dying
-L unconfirmed
-L dying -o xml
-L unconfirmed -p tcp
-L conntrack
-L c
-L e
-L d
-L u
-L con -p sctp
--dump
--dump expect
--dump conntrack -p gre
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o extended
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o id
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o xml
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o save
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o ktimestamp
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o labels
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state CLOSE
-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 81
-G -p tcp -r 10.0.0.2 -q 10.0.0.1 --reply-port-src 80 --reply-port-dst 1000
-G -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 80
-G -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 80 -f ipv6
-G -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53
-G -p udp -s 10.0.1.1 -d 10.0.0.2 --sport 1000 --dport 53
-G -p udp -s 10.0.1.1 -d 10.0.0.2 --sport 1000 --dport 53 -w 5
-G -p udp -s 10.1.0.1 -d 10.0.0.2 --sport 1000 --dport 53
-G -p udplite -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53
-G -p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53
-G -p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 --orig-vtag 1
-G -p gre -s 10.0.0.1 -d 10.0.0.2 --srckey 1 --dstkey 2
-G -p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77
-G -p icmpv6 -s 2001:db8::1 -d 2001:db8::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77
-G -p 89 -s 10.0.0.1 -d 10.0.0.2
-G -p 90 -s 10.0.0.1 -d 10.0.0.2
--get -p udp --src 10.0.0.1 --dst 10.0.0.2 --sport 1000 --dport 53
-G conntrack -p udp --orig-src 10.0.0.1 --orig-dst 10.0.0.2 --orig-port-src 1000 --orig-port-dst 53
";

#[test]
fn commands_that_look_say_what_the_original_says() {
    let Some(scene) = Scene::new() else { return };
    let _traffic = Traffic::new(&scene);
    // No program listens at this port, so the kernel refuses the connection.
    drop(Tcp::dial("127.0.0.1", "127.0.0.2", 9));
    fill(&many());
    let map = scene.write("labels", "2 customer\n1 office\n");
    with_label_map(LABELS, || look(&map));
}

fn look(map: &Path) {
    let _size = crate::resizing::hold_size();
    let mut grid = Grid::new(Part::Reading);
    let mut ask = |line: &str| grid.ask_about(line, map);
    for listed in LISTED {
        ask(listed);
        OUTPUTS.lines().filter(|line| !line.is_empty()).for_each(|output| ask(&format!("{listed} {output}")));
    }
    FILTERS.lines().filter(|line| !line.is_empty()).for_each(|filter| ask(&format!("-L {filter}")));
    TCP_STATES.iter().for_each(|state| ask(&format!("-L -p tcp --state {state}")));
    SCTP_STATES.iter().for_each(|state| ask(&format!("-L -p sctp --state {state}")));
    OTHERS.lines().filter(|line| !line.is_empty()).for_each(&mut ask);
    grid.finish();
}
