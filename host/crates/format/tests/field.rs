//! Lines that routers and older programs print, and the entries in them: each form in several variants.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use ctwarden_format::read::{self, Entry, Legend, LineForm};
use ctwarden_model::{Counters, EventKind, Mark, PerDirection, Protocol, ProtocolInfo, Status, TcpState, Timestamp};

const TUPLE: &str = "src=192.0.2.2 dst=198.51.100.1 sport=49158 dport=443";
const REPLY: &str = "src=198.51.100.1 dst=203.0.113.2 sport=443 dport=49158";

#[track_caller]
fn read(line: &str) -> Entry {
    read::line(line, &Legend::PLAIN).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn refused(line: &str) -> String {
    read::line(line, &Legend::PLAIN).map(|entry| format!("{entry:?}")).unwrap_err().to_string()
}

const fn both(original: (u64, u64), reply: (u64, u64)) -> PerDirection<Option<Counters>> {
    PerDirection {
        original: Some(Counters { packets: original.0, bytes: original.1 }),
        reply: Some(Counters { packets: reply.0, bytes: reply.1 }),
    }
}

#[test]
fn what_vendors_add_is_passed_over() {
    let counted = both((14, 3389), (12, 6182));
    for added in [
        "",
        "[FASTNAT] ",
        "[RTCACHE o33/r37] ",
        "slan ",
        "swnat hwnat ",
        "attrs= ",
        "[SWNAT] nmark=0 sc=0 ifw=59 ifl=35 mac=00:00:5e:00:53:f8 slan attrs= ",
        "l7proto=unknown ",
        "ndpi=TLS.Google ppe=1 ",
        "[OFFLOADED_BY_VENDOR] wan0 ",
        "app=\"a,b\" ",
    ] {
        for behind in [false, true] {
            let (front, back) = if behind { ("", added) } else { (added, "") };
            let line = format!(
                "ipv4     2 tcp      6 1197 ESTABLISHED {TUPLE} packets=14 bytes=3389 {REPLY} packets=12 bytes=6182 \
                 [ASSURED] {front}mark=268434092 use=2 {back}"
            );
            let flow = read(&line).flow;
            assert_eq!(flow.counters, counted, "{line}");
            assert_eq!((flow.mark, flow.uses, flow.timeout), (Some(Mark(268_434_092)), Some(2), Some(1197)), "{line}");
            let state = matches!(flow.info, Some(ProtocolInfo::Tcp { state: Some(TcpState::ESTABLISHED), .. }));
            assert!(state && flow.status.unwrap().contains(Status::ASSURED), "{line}");
        }
    }
}

#[test]
fn a_total_is_no_counter_of_a_direction() {
    let none = PerDirection::default();
    for (line, counters) in [
        (format!("{TUPLE} {REPLY} [ASSURED] use=1 mark=3 bytes=529536 "), none),
        (format!("{TUPLE} [UNREPLIED] {REPLY} use=1 mark=3 bytes=1492 "), none),
        (format!("{TUPLE} {REPLY} [ASSURED] use=1 mark=0 l7proto=unknown bytes=1006750"), none),
        (format!("{TUPLE} {REPLY} bytes=100"), none),
        (format!("{TUPLE} bytes=100 {REPLY} bytes=200"), none),
        (format!("{TUPLE} {REPLY} l7proto=http packets=5 bytes=200"), none),
        (format!("{TUPLE} {REPLY} [ASSURED] packets=5 bytes=200"), none),
        (format!("{TUPLE} packets=1 bytes=2 {REPLY} packets=3 bytes=4 [ASSURED] bytes=6"), both((1, 2), (3, 4))),
        (format!("{TUPLE} packets=1 bytes=2 {REPLY} packets=3 bytes=4 bytes=6"), both((1, 2), (3, 4))),
        (format!("{TUPLE} packets=1 bytes=2 {REPLY} packets=3 bytes=4 packets=4 bytes=6"), both((1, 2), (3, 4))),
        (format!("{TUPLE} zone=7 packets=1 bytes=2 [UNREPLIED] {REPLY} packets=0 bytes=0"), both((1, 2), (0, 0))),
        (format!("{TUPLE} dscp=0 packets=1 bytes=2 {REPLY} dscp=0 packets=3 bytes=4"), both((1, 2), (3, 4))),
    ] {
        let line = format!("tcp      6 86216 ESTABLISHED {line}");
        assert_eq!(read(&line).flow.counters, counters, "{line}");
    }
}

#[test]
fn a_cut_line_is_no_entry() {
    for (end, word) in [
        ("zo2", "zo2"),
        ("zo", "zo"),
        ("mark", "mark"),
        ("mark=0 u", "u"),
        ("mark=0 [OFFL", "[OFFL"),
        ("[start=Sun Sep  7 09:", "[start=Sun"),
        ("608", "608"),
        ("delta-ti", "delta-ti"),
        ("sec", "sec"),
    ] {
        let line = format!("ipv4     2 tcp      6 7439 ESTABLISHED {TUPLE} {REPLY} [ASSURED] {end}");
        let why = refused(&line);
        assert!(why.contains(&format!("{word:?}")) && why.contains("cut"), "{why}: {line}");
    }
    for line in [
        format!("tcp      6 7439 ESTABLISHED {TUPLE} packets=19 by4807 {REPLY} use=1"),
        format!("tcp      6 7439 ESTABLISHED {TUPLE} packets=19"),
        format!("tcp      6 7439 ESTABLISHED {TUPLE} packets=19 bytes=1 {REPLY} packets=2"),
        format!("tcp      6 7439 ESTABLISHED {TUPLE} {REPLY} mark="),
        format!("tcp      6 7439 ESTABLISHED {TUPLE} {REPLY} use="),
        format!("tcp      6 7439 ESTABL {TUPLE} {REPLY} use=1"),
        format!("cp      6 7439 ESTABLISHED {TUPLE} {REPLY} use=1"),
        format!("v4     2 tcp      6 7439 ESTABLISHED {TUPLE} {REPLY} use=1"),
        format!("tcp      6 7439 ESTABLISHED {TUPLE} src=198.51.100.1 dst=203.0.113"),
        format!("tcp      6 7439 ESTABLISHED {TUPLE} src=198.51.100.1 dst=203.0.113.2 sport=443"),
        format!("tcp      6 7439 ESTABLISHED src=192.0.2.2 dst=198.5{REPLY} use=1"),
    ] {
        let _ = refused(&line);
    }
}

#[test]
fn events_of_several_versions_are_events() {
    let time = |nanoseconds| Some(Timestamp(nanoseconds));
    for (line, kind, at, timeout) in [
        (format!("    [NEW] tcp      6 120 SYN_SENT {TUPLE} [UNREPLIED] {REPLY}"), EventKind::New, None, Some(120)),
        (
            format!("[NEW] tcp 6 120 SYN_SENT {TUPLE} [UNREPLIED] {REPLY} [USERSPACE] portid=7 progname=a b"),
            EventKind::New,
            None,
            Some(120),
        ),
        (
            format!("[1757235600.250000]\t    [NEW] tcp      6 120 SYN_SENT {TUPLE} [UNREPLIED] {REPLY}"),
            EventKind::New,
            time(1_757_235_600_250_000_000),
            Some(120),
        ),
        (
            format!("[1757236637.12    ]\t[DESTROY] tcp      6 {TUPLE} packets=1 bytes=60 {REPLY} packets=0 bytes=0"),
            EventKind::Destroy,
            time(1_757_236_637_000_012_000),
            None,
        ),
        (
            format!("[DESTROY] tcp      6 ESTABLISHED {TUPLE} {REPLY} [ASSURED] mark=1 delta-time=1036"),
            EventKind::Destroy,
            None,
            None,
        ),
        (format!(" [UPDATE] tcp      6 {TUPLE} {REPLY} [OFFLOAD] mark=16777216"), EventKind::Update, None, None),
        (format!(" [UPDATE] tcp      6 {TUPLE} {REPLY} [HW_OFFLOAD] mark=16777216"), EventKind::Update, None, None),
        (format!(" [UPDATE] tcp      6 60 SYN_RECV {TUPLE} {REPLY}"), EventKind::Update, None, Some(60)),
    ] {
        let entry = read(&line);
        assert_eq!((entry.kind, entry.time, entry.flow.timeout), (kind, at, timeout), "{line}");
    }
}

#[test]
fn times_are_those_of_the_line() {
    let start = Timestamp(1_757_235_600_000_000_000);
    let stop = Timestamp(1_757_235_630_000_000_000);
    let line = format!("udp      17 {TUPLE} {REPLY} delta-time=30 [start=Sun Sep  7 09:00:00 2025]");
    let row = read(&line);
    assert_eq!((row.flow.started, row.flow.stopped, row.lasted), (Some(start), None, Some(30)));
    assert_eq!(row.printed_at(), Some(stop), "a flow that has not ended has lasted until then");
    let ended = read(&format!("[DESTROY] {line} [stop=Sun Sep  7 09:00:30 2025]"));
    assert_eq!((ended.flow.started, ended.flow.stopped), (Some(start), Some(stop)));
    let only_lasted = read(&format!("udp 17 30 {TUPLE} {REPLY} delta-time=30 use=1"));
    assert_eq!((only_lasted.flow.started, only_lasted.lasted), (None, Some(30)));
    // Five hours east of Greenwich.
    let east = |time: &ctwarden_format::CivilTime| Some(time.utc_seconds()? - 5 * 3600);
    let there = read::line(&line, &Legend { unix_seconds: &east, ..Legend::PLAIN }).unwrap();
    assert_eq!(there.flow.started, Some(Timestamp(start.0 - 5 * 3_600_000_000_000)));
    for wrong in ["[start=yesterday]", "[start=Sun Sep 31 09:00:00 2025]", "[stop=]"] {
        assert!(refused(&format!("udp 17 30 {TUPLE} {REPLY} {wrong}")).contains("a date"), "{wrong}");
    }
}

#[test]
fn protocols_have_names_that_are_not_known_here() {
    for (name, number) in [
        ("unknown", 2),
        ("igmp", 2),
        ("esp", 50),
        ("ah", 51),
        ("vrrp", 112),
        ("ospf", 89),
        ("unknown", 112),
        ("ipv6-icmp", 58),
        ("ipencap", 4),
        ("ipip", 4),
        ("ipip", 94),
        ("unknown", 6),
        ("iso-tp4", 29),
        ("3pc", 34),
    ] {
        let parts = match number {
            6 => " sport=1 dport=2",
            58 => " type=128 code=0 id=1",
            _ => "",
        };
        let line = format!(
            "{name:8} {number} 599 src=192.0.2.1 dst=192.0.2.9{parts} src=192.0.2.9 dst=192.0.2.1{parts} use=1"
        );
        assert_eq!(read(&line).flow.protocol(), Protocol(number), "{line}");
    }
    for (name, number) in [("tcp", 17), ("udp", 6), ("esp", 6), ("tcp", 50), ("6", 6), ("[esp]", 50)] {
        let _ = refused(&format!("{name} {number} 599 src=192.0.2.1 dst=192.0.2.9 src=192.0.2.9 dst=192.0.2.1"));
    }
}

#[test]
fn states_and_flags_that_are_not_known_are_passed_over() {
    for state in ["RETRANS", "DATA_SENT", "MAX2"] {
        assert_eq!(read(&format!("tcp 6 100 {state} {TUPLE} {REPLY} use=1")).flow.info, None, "{state}");
    }
    let offloaded = Status::OFFLOAD | Status::SEEN_REPLY;
    for flag in ["[OFFLOAD]", "[OFFLOAD, packets=8 bytes=428]", "[HW_OFFLOAD]", "[HW_OFFLOAD ppe0]"] {
        let status = read(&format!("tcp 6 {TUPLE} {REPLY} {flag} mark=0 use=1")).flow.status.unwrap();
        assert!(status.contains(offloaded), "{flag}");
        assert_eq!(status.contains(Status::HW_OFFLOAD), flag.starts_with("[HW"), "{flag}");
    }
    for (mark, value) in [("0x10", 16), ("0xFFFFFFFF", u32::MAX), ("010", 10), ("4294967295", u32::MAX)] {
        assert_eq!(read(&format!("tcp 6 9 CLOSE {TUPLE} {REPLY} mark={mark}")).flow.mark, Some(Mark(value)), "{mark}");
    }
    for mark in ["0x", "0x100000000", "-1", "0x+1", "x"] {
        let _ = refused(&format!("tcp 6 9 CLOSE {TUPLE} {REPLY} mark={mark}"));
    }
}

#[test]
fn what_the_command_says_of_a_list_is_no_entry() {
    for (line, form) in [
        ("conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.", LineForm::Summary),
        ("  conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.", LineForm::Summary),
        ("conntrack v1.4.7 (conntrack-tools): Operation failed: No buffer space available", LineForm::Text),
        ("conntrack -L", LineForm::Text),
    ] {
        assert_eq!(LineForm::of(line), form, "{line}");
        let _ = refused(line);
    }
}
