//! Compares lines of events, rare attributes and expectations with the entries. conntrack 1.4.9 printed the lines on
//! Linux 6.18.
//!
//! The entries were created in a network namespace (`unshare -n`, `TZ=UTC`, accounting and timestamps on) by a TCP
//! connection over loopback to port 21 whose rule set `ct mark set 5`, `ct label set 3` and the helper of FTP, by
//! `conntrack -I`, `-U` and `-D` of 10.0.0.6, by a rule with `ct expectation set` and by `conntrack -I expect`.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use ctwarden_format::read::Legend;
use ctwarden_format::{CivilTime, EventContext, LabelMap, PrintOptions, Userspace, json, read, save, text, xml};
use ctwarden_model::{
    Attribute, Counters, EventKind, Expectation, Flow, FlowId, Labels, Layer4, Mark, PerDirection, Protocol,
    ProtocolInfo, SctpState, SequenceAdjustment, Status, SynProxy, TcpFlags, TcpState, Timestamp, Tuple, Zone,
};

const NOW: Timestamp = Timestamp(1_795_362_499_000_000_000);

fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    print(&mut out);
    String::from_utf8(out).unwrap()
}

fn tuple(src: [u8; 4], dst: [u8; 4], protocol: Protocol, ports: (u16, u16)) -> Tuple {
    Tuple { src: src.into(), dst: dst.into(), protocol, layer4: Layer4::Ports { src: ports.0, dst: ports.1 } }
}

fn flow(original: Tuple) -> Flow {
    Flow::new(PerDirection { original, reply: original.reversed() })
}

fn labels() -> LabelMap {
    LabelMap::parse("0 zero\n3 three\n127 last\n")
}

/// The connection to port 21.
fn ftp() -> Flow {
    let mut flow = flow(tuple([127, 0, 0, 1], [127, 0, 0, 1], Protocol::TCP, (34944, 21)));
    flow.id = Some(FlowId(4_290_001_963));
    flow.status = Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
    flow.info = Some(ProtocolInfo::Tcp {
        state: Some(TcpState::ESTABLISHED),
        window_scale: PerDirection { original: Some(7), reply: Some(7) },
        flags: PerDirection {
            original: Some(TcpFlags { flags: 0x23, mask: 0 }),
            reply: Some(TcpFlags { flags: 0x23, mask: 0 }),
        },
    });
    flow.timeout = Some(431_998);
    flow.mark = Some(Mark(5));
    flow.labels = Some(Labels(1 | 1 << 3));
    flow.counters.original = Some(Counters { packets: 3, bytes: 165 });
    flow.counters.reply = Some(Counters { packets: 2, bytes: 112 });
    flow.started = Some(Timestamp(1_795_362_496_985_923_917));
    flow.uses = Some(1);
    flow.rare_mut().helper = Some("ftp".into());
    flow
}

/// An event of a flow that `conntrack` created.
fn udp(timeout: u32, mark: u32) -> Flow {
    let mut flow = flow(tuple([10, 0, 0, 6], [10, 0, 0, 2], Protocol::UDP, (21000, 21)));
    flow.id = Some(FlowId(685_716_474));
    flow.status = Some(Status::CONFIRMED);
    flow.timeout = Some(timeout);
    flow.mark = Some(Mark(mark));
    flow
}

fn event(kind: EventKind, portid: u32, program: Option<&str>) -> EventContext<'_> {
    EventContext { kind, userspace: Some(Userspace { portid, program }) }
}

#[test]
fn labels_times_and_helper_are_as_conntrack_prints_them() {
    let map = labels();
    let options = PrintOptions { kernel_timestamps: true, labels: Some(&map), ..PrintOptions::plain(NOW) };
    let tuples = "src=127.0.0.1 dst=127.0.0.1 sport=34944 dport=21 packets=3 bytes=165 src=127.0.0.1 dst=127.0.0.1 \
                  sport=21 dport=34944 packets=2 bytes=112 [ASSURED] mark=5";
    let print =
        |flow: &Flow, options: &PrintOptions<'_>| printed(|out| text::flow(out, flow, &EventContext::ROW, options));
    assert_eq!(
        print(&ftp(), &options),
        format!(
            "tcp      6 431998 ESTABLISHED {tuples} delta-time=3 [start=Sun Nov 22 15:48:16 2026] helper=ftp use=1 \
             labels=zero,three"
        )
    );
    let options = PrintOptions { id: true, kernel_timestamps: false, ..options };
    assert_eq!(
        print(&ftp(), &options),
        format!("tcp      6 431998 ESTABLISHED {tuples} delta-time=3 helper=ftp use=1 id=4290001963 labels=zero,three")
    );
    let other = LabelMap::parse("5 five");
    let options = PrintOptions { labels: Some(&other), id: false, ..options };
    let line = print(&ftp(), &options);
    assert_eq!(line, format!("tcp      6 431998 ESTABLISHED {tuples} delta-time=3 helper=ftp use=1 labels"));
    assert_eq!(
        read::line(&line, &Legend { labels: Some(&other), ..Legend::PLAIN }).unwrap().flow.labels,
        Some(Labels(0))
    );
}

#[test]
fn xml_has_labels_and_times_where_conntrack_has_them() {
    let map = labels();
    let options = PrintOptions { kernel_timestamps: true, labels: Some(&map), ..PrintOptions::plain(NOW) };
    let side = |name: &str, ports: (u16, u16), packets: u8, bytes: u8| {
        format!(
            "<meta direction=\"{name}\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src><dst>127.0.0.1</dst>\
             </layer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>{}</sport><dport>{}</dport></layer4><counters>\
             <packets>{packets}</packets><bytes>{bytes}</bytes></counters></meta>",
            ports.0, ports.1
        )
    };
    let expected = format!(
        "<flow>{}{}<meta direction=\"independent\"><state>ESTABLISHED</state><timeout>431998</timeout><mark>5</mark>\
         <labels><label>zero</label><label>three</label></labels><use>1</use><id>4290001963</id><assured/><timestamp>\
         <start>1795362496985923917</start></timestamp><deltatime>3</deltatime></meta><helper>ftp</helper></flow>",
        side("original", (34944, 21), 3, 165),
        side("reply", (21, 34944), 2, 112)
    );
    assert_eq!(printed(|out| xml::flow(out, &ftp(), &EventContext::ROW, &options)), expected);
}

#[test]
fn an_event_has_its_time_its_kind_and_its_cause() {
    let options = PrintOptions { timestamp: true, ..PrintOptions::plain(NOW) };
    let mut flow = udp(9, 7);
    flow.rare_mut().unknown =
        vec![Attribute { number: 27, payload: 1_795_362_414_079_617_999_u64.to_be_bytes().to_vec() }];
    let tuples = "src=10.0.0.6 dst=10.0.0.2 sport=21000 dport=21 [UNREPLIED] src=10.0.0.2 dst=10.0.0.6 sport=21 \
                  dport=21000 mark=7";
    let context = event(EventKind::Update, 3_503_498_771, Some("conntrack-1.4.9"));
    let line = printed(|out| text::flow(out, &flow, &context, &options));
    assert_eq!(
        line,
        format!(
            "[1795362414.079617]\t [UPDATE] udp      17 9 {tuples} [USERSPACE] portid=3503498771 \
             progname=conntrack-1.4.9"
        )
    );
    let entry = read::line(&line, &Legend::PLAIN).unwrap();
    assert_eq!((entry.kind, entry.time), (EventKind::Update, Some(Timestamp(1_795_362_414_079_617_000))));
    assert_eq!(entry.event_context(), context);
    // If the kernel sends no time of the event, the line has the time of printing.
    flow.rare = None;
    let line = printed(|out| text::flow(out, &flow, &EventContext::of(EventKind::New), &options));
    assert_eq!(line, format!("[1795362499.000000]\t    [NEW] udp      17 9 {tuples}"));
    let line = printed(|out| text::flow(out, &flow, &EventContext::ROW, &options));
    assert_eq!(line, format!("udp      17 9 {tuples}"));
}

#[test]
fn a_destroyed_flow_tells_its_end() {
    let mut flow = udp(9, 7);
    flow.counters = PerDirection { original: Some(Counters::default()), reply: Some(Counters::default()) };
    flow.started = Some(Timestamp(1_795_362_414_053_126_327));
    flow.stopped = Some(Timestamp(1_795_362_414_117_800_679));
    let options =
        PrintOptions { layer3: true, id: true, kernel_timestamps: true, timestamp: true, ..PrintOptions::plain(NOW) };
    let context = event(EventKind::Destroy, 3_025_302_472, None);
    let text_show = PrintOptions { timestamp: false, ..options };
    assert_eq!(
        printed(|out| text::flow(out, &flow, &context, &text_show)),
        "[DESTROY] ipv4     2 udp      17 9 src=10.0.0.6 dst=10.0.0.2 sport=21000 dport=21 packets=0 bytes=0 [UNREPLIED] \
         src=10.0.0.2 dst=10.0.0.6 sport=21 dport=21000 packets=0 bytes=0 mark=7 delta-time=0 \
         [start=Sun Nov 22 15:46:54 2026] [stop=Sun Nov 22 15:46:54 2026] id=685716474 [USERSPACE] portid=3025302472"
    );
    let xml = printed(|out| xml::flow(out, &flow, &context, &options));
    assert!(xml.starts_with("<flow type=\"destroy\"><meta direction=\"original\">"), "{xml}");
    assert!(
        xml.ends_with(
            "<meta direction=\"independent\"><timeout>9</timeout><mark>7</mark><id>685716474</id><unreplied/><timestamp>\
             <start>1795362414053126327</start><stop>1795362414117800679</stop></timestamp><deltatime>0</deltatime></meta>\
             <when><hour>15</hour><min>48</min><sec>19</sec><wday>1</wday><day>22</day><month>11</month><year>2026</year>\
             </when></flow>"
        ),
        "{xml}"
    );
    assert_eq!(
        printed(|out| save::flow(out, &flow, &context, None)),
        "-D -t 9 -u UNSET -s 10.0.0.6 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.6 -p udp --sport 21000 --dport 21 \
         --reply-port-src 21 --reply-port-dst 21000 [USERSPACE] portid=3025302472"
    );
}

#[test]
fn local_time_is_the_programs() {
    let local_time = |seconds| CivilTime { hour: 23, weekday: 6, ..CivilTime::utc(seconds) };
    let options = PrintOptions { kernel_timestamps: true, local_time: &local_time, ..PrintOptions::plain(NOW) };
    let line = printed(|out| text::flow(out, &ftp(), &EventContext::ROW, &options));
    assert!(line.contains(" [start=Sat Nov 22 23:48:16 2026] "), "{line}");
}

#[test]
fn a_saved_line_has_at_its_end_what_conntrack_loses() {
    let mut flow = ftp();
    let rare = flow.rare_mut();
    rare.helper_info = Some(vec![0, 0x1f]);
    rare.sequence.reply = Some(SequenceAdjustment {
        correction_pos: Some(4_000_000_000),
        offset_before: Some(0),
        offset_after: Some(-12),
    });
    rare.synproxy = Some(SynProxy { isn: Some(1), its: Some(2), tsoff: Some(3) });
    rare.master = Some(tuple([10, 0, 0, 1], [10, 0, 0, 2], Protocol::TCP, (1000, 21)));
    flow.labels = Some(Labels(1 | 1 << 3 | 1 << 17));
    let map = labels();
    let line = |map| printed(|out| save::flow(out, &flow, &EventContext::ROW, map));
    let expected = "-A -t 431998 -u SEEN_REPLY,ASSURED -s 127.0.0.1 -d 127.0.0.1 -r 127.0.0.1 -q 127.0.0.1 -p tcp \
                    --sport 34944 --dport 21 --reply-port-src 21 --reply-port-dst 34944 --state ESTABLISHED -m 5 \
                    --label-add zero,three,#17 --orig-wscale 7 --reply-wscale 7 --orig-tcp-flags 35 --reply-tcp-flags 35 \
                    --helper ftp --helper-info 001f --reply-seqadj 4000000000,0,-12 --synproxy 1,2,3 \
                    --master tcp,10.0.0.1,10.0.0.2,1000,21";
    assert_eq!(line(Some(&map)), expected);
    assert_eq!(line(None), expected.replace("zero,three,#17", "#0,#3,#17"));
    assert_eq!(read::LineForm::of(expected), read::LineForm::Save);
    let update = printed(|out| save::flow(out, &flow, &EventContext::of(EventKind::Update), Some(&map)));
    let (without_master, _) = expected.split_once(" --master").unwrap();
    assert_eq!(update, without_master.replacen("-A", "-U", 1));
}

#[test]
fn a_saved_line_tells_the_port_where_only_that_is_translated() {
    let saved = |flow: &Flow| printed(|out| save::flow(out, flow, &EventContext::ROW, None));
    let ports = |src, dst| Layer4::Ports { src, dst };
    let done = Status::CONFIRMED | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    let mut flow = udp(9, 0);
    flow.tuples.reply.layer4 = ports(21, 4000);
    flow.status = Some(done);
    let tail = "-p udp --sport 21000 --dport 21 --reply-port-src";
    // Without the status bit, a different port of the reply is not a translation.
    let plain =
        format!("-A -t 9 -u UNSET -s 10.0.0.6 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.6 {tail} 21 --reply-port-dst 4000");
    assert_eq!(saved(&flow), plain);
    flow.status = Some(done | Status::SRC_NAT);
    assert_eq!(saved(&flow), plain.replace("-q 10.0.0.6", "-n 10.0.0.6:4000"));
    flow.tuples.reply.dst = [192, 0, 2, 1].into();
    assert_eq!(saved(&flow), plain.replace("-q 10.0.0.6", "-n 192.0.2.1"));
    flow.tuples.reply.layer4 = ports(81, 4000);
    flow.status = Some(done | Status::SRC_NAT | Status::DST_NAT);
    assert_eq!(
        saved(&flow),
        format!(
            "-A -t 9 -u UNSET -s 10.0.0.6 -d 10.0.0.2 -g 10.0.0.2:81 -n 192.0.2.1:4000 {tail} 81 --reply-port-dst 4000"
        )
    );
    flow.tuples.original.src = "fd00::1".parse().unwrap();
    flow.tuples.original.dst = "fd00::2".parse().unwrap();
    flow.tuples.reply = Tuple { layer4: ports(21, 4000), ..flow.tuples.original.reversed() };
    assert_eq!(
        saved(&flow),
        format!("-A -t 9 -u UNSET -s fd00::1 -d fd00::2 -r fd00::2 -n [fd00::1]:4000 {tail} 21 --reply-port-dst 4000")
    );
}

#[test]
fn a_saved_line_says_nothing_of_what_its_words_imply() {
    let mut flow = udp(9, 0);
    flow.rare_mut().synproxy = Some(SynProxy { isn: Some(0), its: Some(0), tsoff: Some(0) });
    let protocol = |protocol| PerDirection {
        original: Tuple { protocol, ..flow.tuples.original },
        reply: Tuple { protocol, ..flow.tuples.reply },
    };
    let (tcp, flags) = (protocol(Protocol::TCP), |flags| Some(TcpFlags { flags, mask: 0 }));
    let info = |original, reply| ProtocolInfo::Tcp {
        state: Some(TcpState::SYN_SENT),
        window_scale: PerDirection { original: Some(0), reply: None },
        flags: PerDirection { original, reply },
    };
    flow.tuples = tcp;
    flow.info = Some(info(flags(10), flags(10)));
    let line = "-A -t 9 -u UNSET -s 10.0.0.6 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.6 -p tcp --sport 21000 --dport 21 \
                --reply-port-src 21 --reply-port-dst 21000 --state SYN_SENT";
    assert_eq!(printed(|out| save::flow(out, &flow, &EventContext::ROW, None)), line);
    flow.info = Some(info(flags(0), None));
    assert_eq!(printed(|out| save::flow(out, &flow, &EventContext::ROW, None)), format!("{line} --orig-tcp-flags 0"));
}

#[test]
fn a_translated_ping_keeps_both_identifiers() {
    let mut flow = flow(Tuple {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
        protocol: Protocol::ICMP,
        layer4: Layer4::Icmp { id: 77, kind: 8, code: 0 },
    });
    flow.tuples.reply.layer4 = Layer4::Icmp { id: 78, kind: 0, code: 0 };
    flow.timeout = Some(30);
    assert_eq!(
        printed(|out| save::flow(out, &flow, &EventContext::ROW, None)),
        "-A -t 30 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77 \
         --reply-icmp-id 78"
    );
}

#[test]
fn json_has_every_attribute_under_its_name() {
    let mut flow = ftp();
    flow.rare_mut().zones.reply = Some(Zone(4));
    let context = event(EventKind::Update, 12, Some("ct \"warden\""));
    let map = labels();
    assert_eq!(
        printed(|out| json::flow(out, &flow, &context, Some(&map))),
        "{\"event\":\"update\",\"id\":4290001963,\"family\":\"ipv4\",\"protocol\":\"tcp\",\"protocol_number\":6,\"zone\":0,\
         \"state\":\"ESTABLISHED\",\"timeout\":431998,\"status\":[\"SEEN_REPLY\",\"ASSURED\",\"CONFIRMED\"],\
         \"status_bits\":14,\"original\":{\"src\":\"127.0.0.1\",\"dst\":\"127.0.0.1\",\"src_port\":34944,\"dst_port\":21,\
         \"packets\":3,\"bytes\":165,\"window_scale\":7,\"tcp_flags\":35,\"tcp_flags_mask\":0},\"reply\":{\
         \"src\":\"127.0.0.1\",\"dst\":\"127.0.0.1\",\"src_port\":21,\"dst_port\":34944,\"zone\":4,\"packets\":2,\
         \"bytes\":112,\"window_scale\":7,\"tcp_flags\":35,\"tcp_flags_mask\":0},\"mark\":5,\"labels\":[0,3],\
         \"label_names\":[\"zero\",\"three\"],\"started_ns\":1795362496985923917,\"use\":1,\"helper\":\"ftp\",\
         \"portid\":12,\"program\":\"ct \\\"warden\\\"\"}"
    );
}

#[test]
fn counters_of_a_processor_are_an_object() {
    let line = printed(|out| json::statistics(out, 1, [("found", 0), ("early_drop", 12)]));
    assert_eq!(line, "{\"cpu\":1,\"found\":0,\"early_drop\":12}");
}

/// The expectation of the helper, from `conntrack -I expect`.
fn expected() -> Expectation {
    let ones = |ports| tuple([255; 4], [255; 4], Protocol::TCP, ports);
    Expectation {
        id: Some(FlowId(77)),
        zone: Zone(0),
        master: tuple([127, 0, 0, 1], [127, 0, 0, 1], Protocol::TCP, (34944, 21)),
        tuple: tuple([10, 0, 0, 2], [10, 0, 0, 6], Protocol::TCP, (20, 3000)),
        mask: ones((0, 65535)),
        timeout: Some(299),
        flags: Some(0),
        class: Some(0),
        helper: Some("ftp".into()),
        function: None,
        nat: None,
    }
}

#[test]
fn an_expectation_is_as_conntrack_prints_it() {
    let tuples = "proto=6 src=10.0.0.2 dst=10.0.0.6 sport=20 dport=3000 mask-src=255.255.255.255 mask-dst=255.255.255.255 \
                  sport=0 dport=65535 master-src=127.0.0.1 master-dst=127.0.0.1 sport=34944 dport=21";
    let print = |expectation: &Expectation, context: &EventContext<'_>, options: &PrintOptions<'_>| {
        printed(|out| text::expectation(out, expectation, context, options))
    };
    let options = PrintOptions::plain(Timestamp(1_795_362_449_001_234_000));
    assert_eq!(print(&expected(), &EventContext::ROW, &options), format!("299 {tuples} class=0 helper=ftp"));
    let mut other = expected();
    other.helper = None;
    let timed = PrintOptions { timestamp: true, ..options };
    assert_eq!(
        print(&other, &EventContext::of(EventKind::New), &timed),
        format!("[1795362449.1234  ]\t    [NEW] 299 {tuples} class=0")
    );
    other.class = None;
    other.zone = Zone(9);
    other.flags = Some(7);
    assert_eq!(
        print(&other, &EventContext::ROW, &options),
        format!("299 {tuples} zone=9 PERMANENT,INACTIVE,USERSPACE")
    );
}

#[test]
fn the_xml_of_an_expectation_is_as_conntrack_prints_it() {
    let options = PrintOptions::plain(Timestamp(1_795_362_449_001_234_000));
    let body = "<layer3 protonum=\"2\" protoname=\"ipv4\"><expected><src>10.0.0.2</src><dst>10.0.0.6</dst></expected><mask>\
                <src>255.255.255.255</src><dst>255.255.255.255</dst></mask><master><src>127.0.0.1</src><dst>127.0.0.1</dst>\
                </master></layer3><layer4 protonum=\"6\" protoname=\"tcp\"><expected><sport>20</sport><dport>3000</dport>\
                </expected><mask><sport>0</sport><dport>65535</dport></mask><master><sport>34944</sport><dport>21</dport>\
                </master></layer4><meta><helper-name>ftp</helper-name><timeout>299</timeout><class>0</class>";
    let print = |context: &EventContext<'_>, options: &PrintOptions<'_>| {
        printed(|out| xml::expectation(out, &expected(), context, options))
    };
    assert_eq!(print(&EventContext::ROW, &options), format!("<flow>{body}</meta></flow>"));
    let timed = PrintOptions { timestamp: true, ..options };
    assert_eq!(
        print(&EventContext::of(EventKind::Destroy), &timed),
        format!(
            "<flow type=\"destroy\">{body}<when><hour>15</hour><min>47</min><sec>29</sec><wday>1</wday><day>22</day>\
             <month>11</month><year>2026</year></when></meta></flow>"
        )
    );
}

#[test]
fn xml_is_well_formed_whatever_the_names_are() {
    let mut flow = flow(tuple([10, 0, 0, 6], [10, 0, 0, 2], Protocol::SCTP, (1, 2)));
    flow.rare_mut().helper = Some("a<b>&\u{1}\"c".into());
    let print = |flow: &Flow| printed(|out| xml::flow(out, flow, &EventContext::ROW, &PrintOptions::plain(NOW)));
    let line = print(&flow);
    // An entry with nothing but tuples has no `independent` part.
    assert!(!line.contains("independent"), "{line}");
    assert!(line.ends_with("</meta><helper>a&lt;b&gt;&amp;\u{fffd}\"c</helper></flow>"), "{line}");
    let state = Some(SctpState::HEARTBEAT_SENT);
    flow.info = Some(ProtocolInfo::Sctp { state, vtag: PerDirection::default() });
    assert!(print(&flow).contains("<meta direction=\"independent\"><state>HEARTBEAT_SENT</state></meta>"));
    assert!(printed(|out| save::flow(out, &flow, &EventContext::ROW, None)).ends_with(" --state HEARTBEAT_SENT"));
}

#[test]
fn a_document_has_a_head_and_a_tail() {
    let document = |table| {
        printed(|out| {
            xml::head(out, table);
            xml::tail(out, table);
        })
    };
    let head = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
    assert_eq!(document(xml::DocumentTable::Conntrack), format!("{head}<conntrack>\n</conntrack>\n"));
    assert_eq!(document(xml::DocumentTable::Expect), format!("{head}<expect>\n</expect>\n"));
}

#[test]
fn an_error_names_its_column() {
    for (line, error) in [
        ("", "column 1: there is nothing in the line"),
        ("[tcp] 6", "column 1: expected the name of a protocol, found \"[tcp]\""),
        ("tcq 6", "column 1: expected the name that belongs to the number, found \"tcq\""),
        ("udp 6 30", "column 1: expected the name that belongs to the number, found \"udp\""),
        (
            "tcp      6 30 ESTABLISH src=1.2.3.4",
            "column 15: the state is \"ESTABLISH\"; it can be one that the protocol has",
        ),
        ("udp 17 30 src=1.2.3 dst=", "column 15: src is \"1.2.3\"; it can be an IPv4 or IPv6 address"),
        (
            "udp 17 30 src=1.2.3.4 dst=1.2.3.5 sport=65536",
            "column 41: sport is \"65536\"; it can be a number from 0 to 65535",
        ),
        ("udp 17 30 src=1.2.3.4 dst=1.2.3.5 sport=1", "column 42: a destination port is missing; was the line cut?"),
        ("  {\"id\":-1}", "column 9: id is \"-1\"; it can be a whole number from 0 to 4294967295"),
        ("{\"protocol\":\"tcp\"}", "column 1: original is missing; was the line cut?"),
        (
            "{\"protocol\":\"tcp\"",
            "column 18: the line ends where a comma or the end of the object should be; was it cut?",
        ),
        ("<flow>", "column 1: XML is not read; print the table as text, save or json"),
        ("-A -t 1", "column 1: this is a command line; load it with -R"),
    ] {
        assert_eq!(read::line(line, &Legend::PLAIN).unwrap_err().to_string(), error, "{line}");
    }
}
