//! The bytes of each request, written by hand from the kernel's headers.
//!
//! The bytes are in little-endian order. The tests in `kernel` check on a real kernel what the requests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may panic, and asks for one arm"
)]
#![cfg(target_endian = "little")]

use ctwarden_model::{
    AnyOf, Family, Filter, Flow, FlowId, FlowKey, LabelChange, Layer4, Mark, Masked, PerDirection, PortRange,
    PortRanges, Prefix, Protocol, ProtocolInfo, RareFilter, Status, TcpState, Tuple, Update, Zone,
};
use ctwarden_wire::{ExactFilter, KernelFilter, KernelVersion, request};

/// Converts lines such as `00 01 | text` to bytes. Text after a `|` is a comment.
fn hex(text: &str) -> Vec<u8> {
    let bytes = text.lines().flat_map(|line| line.split('|').next().unwrap().split_whitespace());
    bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buffer = Vec::new();
    write(&mut buffer);
    buffer
}

const TUPLE: &str = "
    34 00 01 80                 | CTA_TUPLE_ORIG
      14 00 01 80               |   CTA_TUPLE_IP
        08 00 01 00 c0 00 02 01 |     CTA_IP_V4_SRC 192.0.2.1
        08 00 02 00 c0 00 02 02 |     CTA_IP_V4_DST 192.0.2.2
      1c 00 02 80               |   CTA_TUPLE_PROTO
        05 00 01 00 06 00 00 00 |     CTA_PROTO_NUM TCP
        06 00 02 00 03 e8 00 00 |     CTA_PROTO_SRC_PORT 1000
        06 00 03 00 00 50 00 00 |     CTA_PROTO_DST_PORT 80
";

fn key() -> FlowKey {
    let original = Tuple {
        src: [192, 0, 2, 1].into(),
        dst: [192, 0, 2, 2].into(),
        protocol: Protocol::TCP,
        layer4: Layer4::Ports { src: 1000, dst: 80 },
    };
    FlowKey { id: FlowId(0x0102_0304), zone: Zone(5), original }
}

#[test]
fn delete() {
    let head = "58 00 00 00 02 01 05 00 09 00 00 00 00 00 00 00 02 00 00 00";
    let tail = "
        06 00 12 00 00 05 00 00 | CTA_ZONE
        08 00 0c 00 01 02 03 04 | CTA_ID
    ";
    let expected = hex(&[head, TUPLE, tail].concat());
    assert_eq!(written(|buffer| request::delete(buffer, 9, true, &key())), expected);
}

#[test]
fn get() {
    let head = "50 00 00 00 01 01 01 00 09 00 00 00 00 00 00 00 02 00 00 00";
    let expected = hex(&[head, TUPLE, "06 00 12 00 00 05 00 00"].concat());
    assert_eq!(written(|buffer| request::get(buffer, 9, &key())), expected);
}

#[test]
fn update() {
    let update = Update {
        key: FlowKey { zone: Zone(0), ..key() },
        mark: Some(Masked::new(0x1200, 0xff00).unwrap()),
        labels: Some(LabelChange { set: 1 << 1 | 1 << 127, clear: 1 << 64 }),
        timeout: Some(60),
    };
    let head = "88 00 00 00 00 01 01 00 09 00 00 00 00 00 00 00 02 00 00 00";
    let tail = "
        08 00 07 00 00 00 00 3c | CTA_TIMEOUT
        08 00 08 00 00 00 12 00 | CTA_MARK
        08 00 15 00 00 00 ff 00 | CTA_MARK_MASK
        14 00 16 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80 | CTA_LABELS, host byte order
        14 00 17 00 02 00 00 00 00 00 00 00 01 00 00 00 00 00 00 80 | CTA_LABELS_MASK
    ";
    let expected = hex(&[head, TUPLE, tail].concat());
    assert_eq!(written(|buffer| request::update(buffer, 9, false, &update)), expected);
    // Only the flags differ: NLM_F_ECHO is set.
    for (ack, flags) in [(false, 0x09), (true, 0x0d)] {
        let mut echoed = expected.clone();
        echoed[6] = flags;
        assert_eq!(written(|buffer| request::update_echoed(buffer, 9, ack, &update)), echoed);
    }
}

#[test]
fn create_with_translation() {
    let original = FlowKey { zone: Zone(0), ..key() }.original;
    let mut reply = original.reversed();
    reply.dst = [198, 51, 100, 7].into();
    reply.layer4 = Layer4::Ports { src: 80, dst: 5000 };
    let flow = Flow {
        status: Some(Status::SEEN_REPLY | Status::EXPECTED),
        timeout: Some(60),
        mark: Some(Mark(0)),
        info: Some(ProtocolInfo::Tcp {
            state: Some(TcpState::ESTABLISHED),
            window_scale: PerDirection::default(),
            flags: PerDirection::default(),
        }),
        ..Flow::new(PerDirection { original, reply })
    };
    let head = "cc 00 00 00 00 01 05 06 09 00 00 00 00 00 00 00 02 00 00 00";
    let tail = "
        34 00 02 80                 | CTA_TUPLE_REPLY: not translated
          14 00 01 80 08 00 01 00 c0 00 02 02 08 00 02 00 c0 00 02 01
          1c 00 02 80 05 00 01 00 06 00 00 00 06 00 02 00 00 50 00 00 06 00 03 00 03 e8 00 00
        28 00 06 80                 | CTA_NAT_SRC
          08 00 01 00 c6 33 64 07   |   CTA_NAT_V4_MINIP
          08 00 02 00 c6 33 64 07   |   CTA_NAT_V4_MAXIP
          14 00 03 80               |   CTA_NAT_PROTO
            06 00 01 00 13 88 00 00 |     CTA_PROTONAT_PORT_MIN
            06 00 02 00 13 88 00 00 |     CTA_PROTONAT_PORT_MAX
        08 00 03 00 00 00 00 0a     | CTA_STATUS: confirmed, and not expected without a master
        08 00 07 00 00 00 00 3c     | CTA_TIMEOUT
        08 00 08 00 00 00 00 00     | CTA_MARK 0 is a mark
        10 00 04 80                 | CTA_PROTOINFO
          0c 00 01 80               |   CTA_PROTOINFO_TCP
            05 00 01 00 03 00 00 00 |     CTA_PROTOINFO_TCP_STATE
    ";
    let expected = hex(&[head, TUPLE, tail].concat());
    assert_eq!(written(|buffer| request::create(buffer, 9, &flow)), expected);
}

#[test]
fn dump() {
    let everything = hex("14 00 00 00 01 01 01 03 09 00 00 00 00 00 00 00 00 00 00 00");
    assert_eq!(written(|buffer| request::dump(buffer, 9, &KernelFilter::EVERYTHING)), everything);
    let six = hex("14 00 00 00 01 01 01 03 09 00 00 00 00 00 00 00 0a 00 00 00");
    assert_eq!(written(|buffer| request::dump(buffer, 9, &KernelFilter::family(Family::Ipv6))), six);
}

fn host(text: &str) -> ctwarden_model::PrefixSet {
    [text.parse::<Prefix>().unwrap()].into_iter().collect()
}

/// A filter with every part that the kernel can apply to IPv4.
fn full() -> Filter {
    Filter {
        protocols: [Protocol::TCP].into(),
        original_src: host("192.0.2.1"),
        reply_dst: host("198.51.100.7"),
        dst_ports: [PortRange { first: 80, last: 80 }].into(),
        mark: Some(Masked::new(0x10, 0xf0).unwrap()),
        status: Some(Masked::new(0, 4).unwrap()),
        ..Filter::default()
    }
}

const FULL: &str = "
    08 00 08 00 00 00 00 10     | CTA_MARK
    08 00 15 00 00 00 00 f0     | CTA_MARK_MASK
    08 00 03 00 00 00 00 00     | CTA_STATUS
    08 00 1a 00 00 00 00 04     | CTA_STATUS_MASK
    24 00 01 80                 | CTA_TUPLE_ORIG
      0c 00 01 80               |   CTA_TUPLE_IP
        08 00 01 00 c0 00 02 01 |     CTA_IP_V4_SRC
      14 00 02 80               |   CTA_TUPLE_PROTO
        05 00 01 00 06 00 00 00 |     CTA_PROTO_NUM
        06 00 03 00 00 50 00 00 |     CTA_PROTO_DST_PORT
    10 00 02 80                 | CTA_TUPLE_REPLY
      0c 00 01 80               |   CTA_TUPLE_IP
        08 00 02 00 c6 33 64 07 |     CTA_IP_V4_DST
    14 00 19 80                 | CTA_FILTER
      08 00 01 00 29 00 00 00   |   CTA_FILTER_ORIG_FLAGS, host byte order: source, protocol, destination port
      08 00 02 00 02 00 00 00   |   CTA_FILTER_REPLY_FLAGS: destination
";

#[test]
fn filtered_dump_and_delete() {
    let head = "7c 00 00 00 01 01 01 03 09 00 00 00 00 00 00 00 02 00 00 00";
    let filter = KernelFilter::of(&full());
    assert_eq!(written(|buffer| request::dump(buffer, 9, &filter)), hex(&[head, FULL].concat()));
    // With version 1 the kernel uses the family.
    let head = "7c 00 00 00 02 01 05 00 09 00 00 00 00 00 00 00 02 01 00 00";
    let filter = ExactFilter::of(&full()).unwrap();
    assert_eq!(written(|buffer| request::delete_matching(buffer, 9, &filter)), hex(&[head, FULL].concat()));
}

#[test]
fn flush() {
    let everything = hex("14 00 00 00 02 01 05 00 09 00 00 00 00 00 00 00 00 00 00 00");
    let filter = ExactFilter::everything(None);
    assert_eq!(written(|buffer| request::delete_matching(buffer, 9, &filter)), everything);
    let six = hex("14 00 00 00 02 01 05 00 09 00 00 00 00 00 00 00 0a 01 00 00");
    let filter = ExactFilter::everything(Some(Family::Ipv6));
    assert_eq!(written(|buffer| request::delete_matching(buffer, 9, &filter)), six);
}

#[test]
fn statistics() {
    for (bytes, ask) in [
        ("14 00 00 00 05 01 01 00", request::statistics as fn(&mut Vec<u8>, u32)),
        ("14 00 00 00 04 01 01 03", request::statistics_cpu),
        ("14 00 00 00 03 02 01 03", request::expectation_statistics_cpu),
        ("14 00 00 00 02 02 05 00", request::expectation::flush),
    ] {
        let expected = hex(&[bytes, " 09 00 00 00 00 00 00 00 00 00 00 00"].concat());
        assert_eq!(written(|buffer| ask(buffer, 9)), expected);
    }
}

#[test]
fn a_request_begins_at_a_whole_word() {
    let mut buffer = vec![0xee; 5];
    request::statistics(&mut buffer, 9);
    assert_eq!(buffer[..8], [0xee, 0xee, 0xee, 0xee, 0xee, 0, 0, 0]);
    assert_eq!(buffer.len(), 8 + 20);
}

#[test]
fn no_ipv6_tuple_is_ever_sent() {
    let six = Filter { original_src: host("2001:db8::1"), ..full() };
    let asked = KernelFilter::of(&Filter { reply_dst: Default::default(), ..six.clone() });
    let bytes = written(|buffer| request::dump(buffer, 9, &asked));
    // The request has the family, the mark and the status, and nothing else.
    assert_eq!((bytes[16], bytes.len()), (10, 20 + 4 * 8));
    assert_eq!(ExactFilter::of(&six), None);
    // A filter with both IPv4 and IPv6 matches nothing, so any request returns a superset.
    assert!(ExactFilter::of(&Filter { family: Some(Family::Ipv6), ..full() }).is_none());
}

#[test]
fn a_union_asks_what_all_agree_on() {
    let mark = |value, mask| Filter { mark: Some(Masked::new(value, mask).unwrap()), ..Filter::default() };
    let union = |filters: &[Filter]| KernelFilter::union_of(filters);
    assert_eq!(union(&[]), KernelFilter::EVERYTHING);
    assert_eq!(union(&[full(), full()]), KernelFilter::of(&full()));
    assert_eq!(union(&[mark(0x11, 0xff), mark(0x12, 0xff)]), KernelFilter::of(&mark(0x10, 0xfc)));
    assert!(union(&[mark(1, 1), mark(0, 1)]).is_everything());
    assert!(union(&[full(), Filter::default()]).is_everything());
    // Filters of different protocols share no condition on ports.
    let udp = Filter { protocols: [Protocol::UDP].into(), ..full() };
    let neither = Filter { protocols: AnyOf::NONE, dst_ports: PortRanges::NONE, ..full() };
    assert_eq!(union(&[full(), udp]), KernelFilter::of(&neither));
    // Filters of different families share no condition on addresses.
    let six = Filter { original_src: host("2001:db8::1"), reply_dst: Default::default(), ..full() };
    let marks = Filter { mark: full().mark, status: full().status, ..Filter::default() };
    assert_eq!(union(&[full(), six]), KernelFilter::of(&marks));
}

#[test]
fn a_bulk_delete_needs_a_kernel_that_knows_its_parts() {
    let least = |filter: &Filter| ExactFilter::of(filter).map(|exact| exact.least_kernel());
    assert_eq!(least(&Filter::default()), Some(KernelVersion(2, 6)));
    assert_eq!(least(&Filter { mark: full().mark, ..Filter::default() }), Some(KernelVersion(4, 0)));
    assert_eq!(least(&Filter { family: Some(Family::Ipv6), ..Filter::default() }), Some(KernelVersion(5, 3)));
    assert_eq!(least(&full()), Some(KernelVersion(5, 15)));
    // A filter whose parts the kernel applies only partly or differently is not exact.
    for filter in [
        Filter { zones: [Zone(5)].into(), ..Filter::default() },
        Filter { zones: [Zone(0)].into(), ..Filter::default() },
        Filter { original_src: host("192.0.2.0/24"), ..Filter::default() },
        Filter { either: host("192.0.2.1"), ..Filter::default() },
        Filter { labels: 1, ..Filter::default() },
        Filter {
            rare: Some(Box::new(RareFilter { id: Some(FlowId(1)), ..RareFilter::default() })),
            ..Filter::default()
        },
        Filter { rare: Some(Box::new(RareFilter { nothing: true, ..RareFilter::default() })), ..full() },
        Filter { states: [3].into(), ..Filter::default() },
        Filter { protocols: [Protocol::TCP].into(), ..Filter::default() },
        Filter { src_ports: [PortRange { first: 1, last: 2 }].into(), ..full() },
        Filter { mark: Some(Masked::new(0, 0).unwrap()), ..Filter::default() },
    ] {
        assert_eq!(ExactFilter::of(&filter), None, "{filter:?}");
    }
}
