//! The meaning of each capture, written by hand from the commands that caused it. Ids, ephemeral ports, seconds and
//! times are from the capture itself.

use ctwarden_model::EventKind::{Destroy, New, Row, Update};
use ctwarden_model::{
    Attribute, Counters, EventKind, Expectation, Flow, FlowId, Labels, Layer4, Mark, PerDirection, Protocol,
    ProtocolInfo, Rare, SctpState, SequenceAdjustment, Status, SynProxy, TcpFlags, TcpState, Timestamp, Tuple, Zone,
};
use ctwarden_wire::{Content, CpuStatistics, ExpectationCpuStatistics, Flags, GlobalStatistics, Header, Messages};

use crate::entry_file::{EntryFile, folder};

const SEEN: Status = Status(0xa);
const ASSURED: Status = Status(0xe);

fn file(name: &str) -> EntryFile {
    EntryFile::read(&folder().join(name).with_extension("txt"))
}

/// Returns the entries of a file, each with its kind and the port of its cause. None may have an odd attribute.
fn entries(name: &str) -> Vec<(EventKind, u32, Flow)> {
    let file = file(name);
    file.messages
        .iter()
        .map(|bytes| {
            let Content::Conntrack(entry) = Messages::new(bytes).next().unwrap().unwrap().content() else {
                panic!("{name}")
            };
            assert_eq!(entry.flow.oddities(), [], "{name}");
            let flow = entry.flow.to_flow().unwrap();
            assert_eq!(entry.family == 2, flow.tuples.original.src.is_ipv4());
            // The getters of the view agree with the value.
            assert_eq!((entry.flow.id(), entry.flow.status()), (flow.id, flow.status));
            assert_eq!((entry.flow.timeout(), entry.flow.mark()), (flow.timeout, flow.mark));
            assert_eq!(
                (entry.flow.original(), entry.flow.reply()),
                (Ok(flow.tuples.original), Some(flow.tuples.reply))
            );
            assert_eq!((entry.flow.counters(), entry.flow.protocol_info()), (flow.counters, flow.info));
            assert_eq!((entry.flow.labels(), entry.flow.uses()), (flow.labels, flow.uses));
            assert_eq!((entry.flow.started(), entry.flow.stopped()), (flow.started, flow.stopped));
            if file.take == "events" {
                assert!(!entry.header.flags.contains(Flags::MULTI));
                (entry.kind(), entry.header.port, flow)
            } else {
                (Row, 0, flow)
            }
        })
        .collect()
}

fn rows(name: &str) -> Vec<Flow> {
    entries(name).into_iter().map(|(_, _, flow)| flow).collect()
}

fn events(name: &str) -> Vec<(EventKind, Flow)> {
    entries(name).into_iter().map(|(kind, _, flow)| (kind, flow)).collect()
}

fn tuple(src: &str, dst: &str, protocol: Protocol, layer4: Layer4) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol, layer4 }
}

const fn ports(src: u16, dst: u16) -> Layer4 {
    Layer4::Ports { src, dst }
}

/// An entry whose reply is the reversed original.
fn plain(original: Tuple) -> Flow {
    Flow::new(PerDirection { original, reply: original.reversed() })
}

fn local(protocol: Protocol, layer4: Layer4) -> Flow {
    plain(tuple("127.0.0.1", "127.0.0.1", protocol, layer4))
}

/// Adds the content of every row: id, status, seconds left, mark 0 and one use.
fn row(flow: Flow, id: u32, status: Status, timeout: u32) -> Flow {
    Flow { mark: Some(Mark(0)), uses: Some(1), ..event(flow, id, status, timeout) }
}

/// Adds the content of every event.
fn event(flow: Flow, id: u32, status: Status, timeout: u32) -> Flow {
    Flow { id: Some(FlowId(id)), status: Some(status), timeout: Some(timeout), ..flow }
}

fn rare(flow: Flow, fill: impl FnOnce(&mut Rare)) -> Flow {
    let mut flow = flow;
    fill(flow.rare_mut());
    flow
}

/// State, window scales and flags of both directions, as in rows and in events other than destroy.
fn tcp(state: TcpState, scales: (u8, u8), flags: (u8, u8)) -> Option<ProtocolInfo> {
    let known = |flags| Some(TcpFlags { flags, mask: 0 });
    Some(ProtocolInfo::Tcp {
        state: Some(state),
        window_scale: PerDirection { original: Some(scales.0), reply: Some(scales.1) },
        flags: PerDirection { original: known(flags.0), reply: known(flags.1) },
    })
}

/// The model has no field for the time of an event, so it stays as bytes.
fn at(nanoseconds: u64) -> impl FnOnce(&mut Rare) {
    move |rare| {
        rare.unknown.push(Attribute { number: 27, payload: nanoseconds.to_be_bytes().to_vec() });
    }
}

#[test]
fn tcp_over_ipv4_through_its_life() {
    let flow = local(Protocol::TCP, ports(43552, 8080));
    let step = |status, timeout, info, time| {
        rare(Flow { info, ..event(flow.clone(), 254_043_094, status, timeout) }, at(time))
    };
    let (ten, half) = ((10, 10), Status(0x8));
    let mut gone = step(Status(0x20e), 119, None, 0x18ea_5f5d_0287_52b1);
    gone.info = Some(ProtocolInfo::Tcp {
        state: Some(TcpState::TIME_WAIT),
        window_scale: PerDirection::default(),
        flags: PerDirection::default(),
    });
    gone.counters = PerDirection {
        original: Some(Counters { packets: 6, bytes: 327 }),
        reply: Some(Counters { packets: 4, bytes: 224 }),
    };
    gone.started = Some(Timestamp(1_795_352_254_382_455_666));
    gone.stopped = Some(Timestamp(1_795_352_254_539_583_837));
    assert_eq!(
        events("tcp4"),
        [
            (New, step(half, 120, tcp(TcpState::SYN_SENT, (10, 0), (0x03, 0)), 0x18ea_5f5c_f929_ae25)),
            (Update, step(SEEN, 60, tcp(TcpState::SYN_RECV, ten, (0x03, 0x23)), 0x18ea_5f5c_f92a_3e94)),
            (Update, step(ASSURED, 432_000, tcp(TcpState::ESTABLISHED, ten, (0x23, 0x23)), 0x18ea_5f5c_f92a_7a29)),
            (Update, step(ASSURED, 120, tcp(TcpState::FIN_WAIT, ten, (0x37, 0x23)), 0x18ea_5f5c_f92f_abfc)),
            (Update, step(ASSURED, 30, tcp(TcpState::LAST_ACK, ten, (0x27, 0x33)), 0x18ea_5f5c_f92f_f429)),
            (Update, step(ASSURED, 120, tcp(TcpState::TIME_WAIT, ten, (0x27, 0x23)), 0x18ea_5f5c_f930_0e55)),
            (Destroy, gone),
        ]
    );
    // Only the delete was caused by a request.
    let origins: Vec<_> = entries("tcp4").iter().map(|(_, port, _)| *port).collect();
    assert_eq!(origins, [0, 0, 0, 0, 0, 0, 2_976_050_117]);
}

#[test]
fn the_view_knows_the_time_of_an_event() {
    let file = file("tcp4");
    let Content::Conntrack(entry) = Messages::new(&file.messages[0]).next().unwrap().unwrap().content() else {
        panic!()
    };
    assert_eq!(entry.flow.event_time(), Some(Timestamp(0x18ea_5f5c_f929_ae25)));
}

#[test]
fn tcp_over_ipv6_with_accounting() {
    let flow = plain(tuple("::1", "::1", Protocol::TCP, ports(37878, 8080)));
    let expected = Flow {
        info: tcp(TcpState::ESTABLISHED, (10, 10), (0x23, 0x23)),
        counters: PerDirection {
            original: Some(Counters { packets: 4, bytes: 303 }),
            reply: Some(Counters { packets: 3, bytes: 232 }),
        },
        started: Some(Timestamp(1_795_351_999_095_135_149)),
        ..row(flow, 1_629_714_119, ASSURED, 431_999)
    };
    assert_eq!(rows("tcp6"), [expected]);
}

#[test]
fn udp() {
    let flow = local(Protocol::UDP, ports(40000, 5353));
    let step = |status, timeout| event(flow.clone(), 543_257_420, Status(status), timeout);
    assert_eq!(events("udp4"), [(New, step(0x8, 30)), (Update, step(0xa, 30)), (Destroy, step(0x20a, 29))]);
    let flow = plain(tuple("::1", "::1", Protocol::UDP, ports(40000, 5353)));
    assert_eq!(rows("udp6"), [row(flow, 3_231_602_131, SEEN, 29)]);
}

#[test]
fn udplite() {
    let flow = local(Protocol::UDPLITE, ports(40000, 5353));
    assert_eq!(rows("udplite"), [row(flow, 3_994_641_430, SEEN, 29)]);
}

#[test]
fn echoes() {
    let flow = local(Protocol::ICMP, Layer4::Icmp { id: 0x1234, kind: 8, code: 0 });
    assert_eq!(flow.tuples.reply.layer4, Layer4::Icmp { id: 0x1234, kind: 0, code: 0 });
    let step = |status, timeout| event(flow.clone(), 3_214_079_993, Status(status), timeout);
    assert_eq!(events("icmp"), [(New, step(0x8, 30)), (Update, step(0xa, 30)), (Destroy, step(0x20a, 29))]);

    let flow = plain(tuple("::1", "::1", Protocol::ICMPV6, Layer4::Icmp { id: 0x1234, kind: 128, code: 0 }));
    assert_eq!(flow.tuples.reply.layer4, Layer4::Icmp { id: 0x1234, kind: 129, code: 0 });
    assert_eq!(rows("icmpv6"), [row(flow, 4_215_575_162, SEEN, 29)]);
}

#[test]
fn sctp() {
    let flow = local(Protocol::SCTP, ports(40000, 9999));
    let step = |status, timeout, state, original| Flow {
        info: Some(ProtocolInfo::Sctp {
            state: Some(state),
            vtag: PerDirection { original: Some(original), reply: Some(0xaabb_ccdd) },
        }),
        ..event(flow.clone(), 3_518_842_301, status, timeout)
    };
    assert_eq!(
        events("sctp"),
        [
            (New, step(Status(0x8), 10, SctpState::CLOSED, 0)),
            (Update, step(SEEN, 3, SctpState::COOKIE_WAIT, 0x1122_3344)),
        ]
    );
    // The command that created this entry (conntrack 1.4.7) sends verification tags in the wrong byte order: 111 and
    // 222.
    let flow = plain(tuple("192.0.2.1", "192.0.2.2", Protocol::SCTP, ports(1000, 2000)));
    let expected = Flow {
        info: Some(ProtocolInfo::Sctp {
            state: Some(SctpState::ESTABLISHED),
            vtag: PerDirection { original: Some(111u32.swap_bytes()), reply: Some(222u32.swap_bytes()) },
        }),
        ..row(flow, 1_760_718_812, Status(0x8), 99)
    };
    assert_eq!(rows("sctp-row"), [expected]);
}

#[test]
fn gre_with_and_without_keys() {
    let flow = plain(tuple("192.0.2.1", "192.0.2.2", Protocol::GRE, Layer4::Keys { src: 0x1111, dst: 0x2222 }));
    assert_eq!(rows("gre-pptp"), [row(flow, 4_276_130_791, Status(0x8), 99)]);
    let flow = local(Protocol::GRE, Layer4::Keys { src: 0, dst: 0 });
    assert_eq!(rows("gre"), [row(flow, 1_448_453_327, Status(0x8), 29)]);
}

#[test]
fn protocols_known_by_address_only() {
    let confirmed = Status(0x8);
    let dccp = local(Protocol::DCCP, Layer4::None);
    assert_eq!(rows("dccp"), [row(dccp, 2_248_080_711, confirmed, 599)]);
    let six = plain(tuple("::1", "::1", Protocol(253), Layer4::None));
    let four = local(Protocol::IPIP, Layer4::None);
    assert_eq!(rows("generic"), [row(six, 3_716_237_910, confirmed, 599), row(four, 3_429_389_891, confirmed, 599)]);
}

#[test]
fn translated() {
    let both = Flow::new(PerDirection {
        original: tuple("127.0.0.9", "127.0.0.9", Protocol::TCP, ports(49866, 80)),
        reply: tuple("127.0.0.1", "127.0.0.7", Protocol::TCP, ports(8080, 49866)),
    });
    let closed = tcp(TcpState::TIME_WAIT, (10, 10), (0x23, 0x27));
    let status = ASSURED | Status::SRC_NAT | Status::DST_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    assert_eq!(rows("nat4"), [Flow { info: closed, ..row(both, 2_465_724_367, status, 119) }]);

    let destination = Flow::new(PerDirection {
        original: tuple("2001:db8::9", "2001:db8::9", Protocol::TCP, ports(58086, 80)),
        reply: tuple("::1", "2001:db8::9", Protocol::TCP, ports(8080, 58086)),
    });
    let status = ASSURED | Status::DST_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    assert_eq!(rows("nat6"), [Flow { info: closed, ..row(destination, 3_656_576_885, status, 119) }]);

    let echo = Flow::new(PerDirection {
        original: tuple("127.0.0.1", "127.0.0.1", Protocol::ICMP, Layer4::Icmp { id: 0x1234, kind: 8, code: 0 }),
        reply: tuple("127.0.0.1", "127.0.0.7", Protocol::ICMP, Layer4::Icmp { id: 0x1234, kind: 0, code: 0 }),
    });
    let status = SEEN | Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    assert_eq!(rows("nat-icmp"), [row(echo, 2_308_671_031, status, 29)]);
}

#[test]
fn zones() {
    let flow = local(Protocol::UDP, ports(40000, 5353));
    let in_zone = |id, zone| Flow { zone: Zone(zone), ..row(flow.clone(), id, SEEN, 29) };
    assert_eq!(rows("zone"), [in_zone(2_406_176_220, 5)]);
    // The original tuple is in zone 6, and that zone names the flow.
    let original = rare(in_zone(2_612_145_348, 6), |rare| rare.zones.original = Some(Zone(6)));
    assert_eq!(rows("zone-original"), [original]);
    let reply = rare(in_zone(2_891_664_173, 0), |rare| rare.zones.reply = Some(Zone(7)));
    assert_eq!(rows("zone-reply"), [reply]);
}

#[test]
fn labels() {
    let flow = local(Protocol::UDP, ports(40000, 5353));
    let set = Some(Labels(1 << 1 | 1 << 64 | 1 << 127));
    let first = event(flow.clone(), 4_000_756_414, Status(0x8), 30);
    let labelled = Flow { labels: set, ..event(flow.clone(), 4_000_756_414, SEEN, 30) };
    assert_eq!(events("labels"), [(New, first), (Update, labelled)]);
    assert_eq!(rows("labels-row"), [Flow { labels: set, ..row(flow, 1_733_362_067, SEEN, 29) }]);
}

#[test]
fn marks() {
    let flow = local(Protocol::UDP, ports(40000, 5353));
    let step = |status, timeout, mark| Flow {
        mark: Some(Mark(mark)),
        ..event(flow.clone(), 3_838_826_880, Status(status), timeout)
    };
    assert_eq!(
        events("mark"),
        [
            (New, step(0x8, 30, 0x11)),
            (Update, step(0xa, 30, 0x11)),
            (Update, step(0xa, 30, 0x22)),
            (Destroy, step(0x20a, 29, 0x22)),
        ]
    );
}

fn with_ftp(flow: Flow) -> Flow {
    rare(flow, |rare| rare.helper = Some("ftp".into()))
}

#[test]
fn helpers() {
    let flow = Flow {
        info: tcp(TcpState::ESTABLISHED, (10, 10), (0x23, 0x23)),
        ..row(local(Protocol::TCP, ports(50794, 21)), 2_646_243_313, ASSURED | Status::HELPER, 431_999)
    };
    assert_eq!(rows("helper"), [with_ftp(flow)]);
    for (_, flow) in events("helper-events") {
        assert_eq!(flow.rare, with_ftp(local(Protocol::TCP, Layer4::None)).rare);
    }
}

#[test]
fn an_expected_flow_names_its_master() {
    let established = tcp(TcpState::ESTABLISHED, (10, 10), (0x23, 0x23));
    let data = Flow {
        info: established,
        ..row(local(Protocol::TCP, ports(39374, 50000)), 2_000_535_385, ASSURED | Status::EXPECTED, 431_999)
    };
    let control = Flow {
        info: established,
        uses: Some(2),
        ..row(local(Protocol::TCP, ports(50766, 21)), 875_567_568, ASSURED | Status::HELPER, 431_999)
    };
    let master = control.tuples.original;
    assert_eq!(rows("expected"), [rare(data, |rare| rare.master = Some(master)), with_ftp(control)]);
}

#[test]
fn adjusted_sequence_numbers() {
    // 127.0.0.1 became 127.100.100.107: six characters more.
    let flow = Flow::new(PerDirection {
        original: tuple("127.0.0.1", "127.0.0.1", Protocol::TCP, ports(38782, 21)),
        reply: tuple("127.0.0.1", "127.100.100.107", Protocol::TCP, ports(21, 38782)),
    });
    let status =
        ASSURED | Status::SRC_NAT | Status::SEQ_ADJUST | Status::SRC_NAT_DONE | Status::DST_NAT_DONE | Status::HELPER;
    let adjustment = |position, before, after| {
        Some(SequenceAdjustment {
            correction_pos: Some(position),
            offset_before: Some(before),
            offset_after: Some(after),
        })
    };
    let established = tcp(TcpState::ESTABLISHED, (10, 10), (0x23, 0x23));
    let expected = Flow { info: established, ..row(flow, 307_112_427, status, 431_999) };
    let expected = rare(with_ftp(expected), |rare| {
        rare.sequence = PerDirection { original: adjustment(3_006_386_717, 0, 6), reply: adjustment(0, 0, 0) };
    });
    assert_eq!(rows("sequence"), [expected]);

    let flow = plain(tuple("192.0.2.2", "192.0.2.1", Protocol::TCP, ports(47206, 8080)));
    let closing = tcp(TcpState::CLOSE_WAIT, (10, 10), (0x23, 0x27));
    let expected = Flow { info: closing, ..row(flow, 3_907_690_269, ASSURED | Status::SEQ_ADJUST, 59) };
    let expected = rare(expected, |rare| {
        rare.sequence =
            PerDirection { original: adjustment(0, 0, 0), reply: adjustment(0, -867_682_154, -867_682_154) };
        rare.synproxy = Some(SynProxy { isn: Some(2_805_830_923), its: Some(3_946_522), tsoff: Some(3_720_085_415) });
    });
    assert_eq!(rows("synproxy"), [expected]);
}

/// Entries that a request created carry an unused SYN proxy state, which the value omits.
#[test]
fn made_by_request() {
    let confirmed = Status(0x8);
    let six = plain(tuple("2001:db8::1", "2001:db8::2", Protocol::UDP, ports(1000, 2000)));
    let six = Flow { zone: Zone(3), ..row(six, 364_972_476, confirmed, 99) };
    let echo = plain(tuple("192.0.2.1", "192.0.2.2", Protocol::ICMP, Layer4::Icmp { id: 77, kind: 8, code: 0 }));
    let echo = row(echo, 4_186_373_749, confirmed, 99);
    let four = plain(tuple("192.0.2.1", "192.0.2.2", Protocol::TCP, ports(1000, 2000)));
    let four = Flow {
        info: tcp(TcpState::ESTABLISHED, (0, 0), (0x0a, 0x0a)),
        mark: Some(Mark(7)),
        ..row(four, 2_656_542_883, ASSURED, 999)
    };
    assert_eq!(rows("created"), [six, echo, four]);
}

#[test]
fn the_answer_to_a_get() {
    let flow = plain(tuple("192.0.2.1", "192.0.2.2", Protocol::UDP, ports(1, 2)));
    // The answer itself holds a reference to the entry.
    let expected = Flow { uses: Some(2), ..row(flow, 1_873_502_569, Status(0x8), 99) };
    assert_eq!(rows("get"), [expected]);
}

/// The data connection to port 50000, from any port, that the FTP control connection from `port` announces.
fn data_connection(id: u32, port: u16, timeout: u32) -> Expectation {
    let local = |layer4| tuple("127.0.0.1", "127.0.0.1", Protocol::TCP, layer4);
    Expectation {
        id: Some(FlowId(id)),
        zone: Zone(0),
        master: local(ports(port, 21)),
        tuple: local(ports(0, 50000)),
        mask: tuple("255.255.255.255", "255.255.255.255", Protocol::TCP, ports(0, 65535)),
        timeout: Some(timeout),
        flags: Some(0),
        class: Some(0),
        helper: Some("ftp".into()),
        function: None,
        nat: None,
    }
}

fn expectations(name: &str) -> Vec<(EventKind, u32, Expectation)> {
    let read = |bytes: &Vec<u8>| {
        let Content::Expectation(entry) = Messages::new(bytes).next().unwrap().unwrap().content() else {
            panic!("{name}")
        };
        let mut odd = Vec::new();
        let value = entry.expectation.to_expectation_telling(&mut odd).unwrap();
        assert_eq!(odd, []);
        // The getters of the view agree with the value.
        let view = &entry.expectation;
        assert_eq!((view.id(), view.timeout(), view.flags()), (value.id, value.timeout, value.flags));
        assert_eq!((view.class(), view.nat(), view.zone()), (value.class, value.nat, None));
        assert_eq!((view.helper(), view.function()), (value.helper.as_deref(), value.function.as_deref()));
        assert_eq!((view.master(), view.mask()), (Ok(value.master), Ok(value.mask)));
        (entry.kind(), entry.header.port, value)
    };
    file(name).messages.iter().map(read).collect()
}

#[test]
fn expectation_rows() {
    assert_eq!(expectations("expectation"), [(Update, 849, data_connection(1_332_584_606, 50752, 299))]);
    let translated = Expectation {
        tuple: tuple("127.0.0.1", "127.100.100.107", Protocol::TCP, ports(0, 50000)),
        function: Some("nat-follow-master".into()),
        nat: Some((1, tuple("0.0.0.0", "0.0.0.0", Protocol::TCP, ports(50000, 0)))),
        ..data_connection(2_942_288_826, 50740, 299)
    };
    assert_eq!(expectations("expectation-nat"), [(Update, 630, translated)]);
}

#[test]
fn expectation_events() {
    // The helper sees the command twice on its way over loopback. The second time replaces the expectation of the
    // first.
    let first = || data_connection(499_072_127, 56430, 300);
    let second = |timeout| data_connection(788_246_948, 56430, timeout);
    assert_eq!(
        expectations("expectation-events"),
        [(New, 0, first()), (Destroy, 0, first()), (New, 0, second(300)), (Destroy, 2_520_860_963, second(299)),]
    );
}

#[test]
fn statistics() {
    let contents = |name: &str| -> Vec<String> {
        let bytes = file(name).bytes();
        Messages::new(&bytes).map(|message| format!("{:?}", message.unwrap().content())).collect()
    };
    let table = GlobalStatistics { entries: Some(1), maximum: Some(262_144) };
    assert_eq!(contents("statistics"), [format!("{:?}", Content::Statistics(table))]);
    let zero = Some(0);
    let cpu = |cpu| CpuStatistics {
        cpu,
        found: zero,
        invalid: zero,
        insert: zero,
        insert_failed: zero,
        drop: zero,
        early_drop: zero,
        error: zero,
        search_restart: zero,
        clash_resolve: zero,
        chain_toolong: zero,
    };
    let cpus = [cpu(0), cpu(1)].map(|cpu| format!("{:?}", Content::CpuStatistics(cpu)));
    assert_eq!(contents("statistics-cpu"), [&cpus[..], &[format!("{:?}", Content::Done { status: 0 })]].concat());
    let cpu = |cpu| {
        let statistics = ExpectationCpuStatistics { cpu, new: zero, create: zero, delete: zero };
        format!("{:?}", Content::ExpectationCpuStatistics(statistics))
    };
    assert_eq!(contents("expectation-statistics-cpu"), [cpu(0), cpu(1)]);
}

#[test]
fn answers() {
    let answer = |name: &str| -> (i32, Header, Option<String>, Option<u32>) {
        match Messages::new(&file(name).bytes()).next().unwrap().unwrap().content() {
            Content::Answer(answer) => {
                assert_eq!((answer.is_ack(), answer.sequence()), (name == "acknowledgement", 1));
                (answer.errno, answer.request, answer.text.map(Into::into), answer.offset)
            }
            other => panic!("{other:?}"),
        }
    };
    let request = |length, kind, flags| Header { length, kind, flags: Flags(flags), sequence: 1, port: 0 };
    assert_eq!(answer("acknowledgement"), (0, request(20, 0x202, 0x5), None, None));
    assert_eq!(answer("refusal"), (2, request(80, 0x102, 0x5), None, None));
    // Errno 34 is ERANGE. The attribute begins after both headers.
    let text = Some("Attribute failed policy validation".to_owned());
    assert_eq!(answer("refusal-with-text"), (34, request(28, 0x100, 0x5), text.clone(), Some(20)));
    assert_eq!(answer("refused-dump"), (34, request(28, 0x101, 0x301), text, Some(20)));
}

#[test]
fn the_end_of_an_empty_dump() {
    let bytes = file("empty").bytes();
    let message = Messages::new(&bytes).next().unwrap().unwrap();
    assert!(matches!(message.content(), Content::Done { status: 0 }));
    assert!(!message.header.flags.contains(Flags::DUMP_INTERRUPTED));
}

#[test]
fn every_capture_is_expected_here() {
    let this = include_str!("expected.rs");
    for file in crate::entry_file::all() {
        assert!(this.contains(&format!("\"{}\"", file.name())), "nothing is expected of {}", file.name());
        assert!(!file.messages.is_empty() && !file.kernel.is_empty() && !file.about.is_empty(), "{}", file.name());
    }
}
