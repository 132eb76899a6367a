//! An odd attribute affects only itself. Each is put into an otherwise good message, and reported with its path and
//! offset.
//!
//! The attributes are built by hand, because kernels do not send them, or no longer, or not on this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may panic, and asks for one arm"
)]

use ctwarden_model::{Counters, EventKind, Flow, FlowId, Labels, Layer4, PerDirection, Protocol, Status, Tuple, Zone};
use ctwarden_wire::{Content, Expected, Found, Messages, Origin, write_entry};

/// Builds an attribute with this number.
fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(payload.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend_from_slice(&number.to_ne_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nest(number: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(number | 0x8000, &attributes.concat())
}

/// Builds a message about an entry with these attributes.
fn message(attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes = attributes.concat();
    let length = u32::try_from(20 + attributes.len()).unwrap();
    let header = [&length.to_ne_bytes()[..], &0x100u16.to_ne_bytes(), &[0; 10], &[2, 0, 0, 0]].concat();
    [header, attributes].concat()
}

/// Returns the decoded flow, and the reported errors.
fn read(bytes: &[u8]) -> (Result<Flow, String>, Vec<String>) {
    let Content::Conntrack(entry) = Messages::new(bytes).next().unwrap().unwrap().content() else { panic!() };
    let told = entry.flow.oddities().iter().map(ToString::to_string).collect();
    (entry.flow.to_flow().map_err(|error| error.to_string()), told)
}

const SRC: [u8; 4] = [192, 0, 2, 1];
const DST: [u8; 4] = [192, 0, 2, 2];

fn tuple_of(number: u16, src: [u8; 4], dst: [u8; 4], src_port: u16, dst_port: u16) -> Vec<u8> {
    nest(
        number,
        &[
            nest(1, &[attribute(1, &src), attribute(2, &dst)]),
            nest(
                2,
                &[attribute(1, &[6]), attribute(2, &src_port.to_be_bytes()), attribute(3, &dst_port.to_be_bytes())],
            ),
        ],
    )
}

/// 192.0.2.1:1 to 192.0.2.2:2 over TCP: 52 bytes.
fn original() -> Vec<u8> {
    tuple_of(1, SRC, DST, 1, 2)
}

fn tuple() -> Tuple {
    Tuple { src: SRC.into(), dst: DST.into(), protocol: Protocol::TCP, layer4: Layer4::Ports { src: 1, dst: 2 } }
}

/// An entry with only an original tuple.
fn bare() -> Flow {
    Flow::new(PerDirection { original: tuple(), reply: tuple().reversed() })
}

#[test]
fn a_missing_reply_is_the_reversed_original() {
    assert_eq!(read(&message(&[original()])), (Ok(bare()), vec![]));
}

#[test]
fn each_odd_attribute_is_skipped_and_told() {
    // The odd attribute begins behind both headers (20 bytes) and the original tuple (52).
    let cases: [(Vec<u8>, &str); 23] = [
        (attribute(3, &[0; 3]), "CTA_STATUS at byte 72: expected 4 bytes, found 3 bytes"),
        (attribute(7, &[0; 5]), "CTA_TIMEOUT at byte 72: expected 4 bytes, found 5 bytes"),
        (attribute(8, &[]), "CTA_MARK at byte 72: expected 4 bytes, found 0 bytes"),
        (attribute(11, &[0; 8]), "CTA_USE at byte 72: expected 4 bytes, found 8 bytes"),
        (attribute(12, &[0; 2]), "CTA_ID at byte 72: expected 4 bytes, found 2 bytes"),
        (attribute(17, &[0; 1]), "CTA_SECMARK at byte 72: expected 4 bytes, found 1 bytes"),
        (attribute(18, &[0; 4]), "CTA_ZONE at byte 72: expected 2 bytes, found 4 bytes"),
        (attribute(21, &[0; 1]), "CTA_MARK_MASK at byte 72: expected 4 bytes, found 1 bytes"),
        (attribute(22, &[0; 24]), "CTA_LABELS at byte 72: expected at most 16 bytes, found 24 bytes"),
        (attribute(22, &[0; 7]), "CTA_LABELS at byte 72: expected 8 bytes, found 7 bytes"),
        (attribute(23, &[0; 9]), "CTA_LABELS_MASK at byte 72: expected 16 bytes, found 9 bytes"),
        (attribute(26, &[0; 2]), "CTA_STATUS_MASK at byte 72: expected 4 bytes, found 2 bytes"),
        (nest(2, &[]), "CTA_TUPLE_REPLY at byte 72: expected CTA_TUPLE_IP, found nothing"),
        (
            nest(14, &[nest(1, &[])]),
            "CTA_TUPLE_MASTER/CTA_TUPLE_IP at byte 76: expected a source address, found nothing",
        ),
        (
            nest(9, &[attribute(1, &[0; 4])]),
            "CTA_COUNTERS_ORIG/CTA_COUNTERS_PACKETS at byte 76: expected 8 bytes, found 4 bytes",
        ),
        (
            nest(5, &[attribute(1, &[0xff, 0])]),
            "CTA_HELP/CTA_HELP_NAME at byte 76: expected text in UTF-8, found 2 other bytes",
        ),
        (
            nest(19, &[attribute(1, &[0xc3])]),
            "CTA_SECCTX/CTA_SECCTX_NAME at byte 76: expected text in UTF-8, found 1 other bytes",
        ),
        (
            nest(20, &[attribute(1, &[0; 4])]),
            "CTA_TIMESTAMP/CTA_TIMESTAMP_START at byte 76: expected 8 bytes, found 4 bytes",
        ),
        (
            nest(25, &[attribute(1, &[0; 2])]),
            "CTA_FILTER/CTA_FILTER_ORIG_FLAGS at byte 76: expected 4 bytes, found 2 bytes",
        ),
        (
            nest(4, &[nest(1, &[attribute(1, &[3, 0])])]),
            "CTA_PROTOINFO/CTA_PROTOINFO_TCP/CTA_PROTOINFO_TCP_STATE at byte 80: expected 1 bytes, found 2 bytes",
        ),
        (
            nest(6, &[nest(3, &[attribute(1, &[3])])]),
            "CTA_NAT_SRC/CTA_NAT_PROTO/CTA_PROTONAT_PORT_MIN at byte 80: expected 2 bytes, found 1 bytes",
        ),
        (
            attribute(0x8000 | 15, &[9, 0, 1, 0, 1]),
            "CTA_SEQ_ADJ_ORIG at byte 76: expected at least 9 bytes, found 5 bytes",
        ),
        // The whole message ends in the middle of a header.
        (vec![9], "netlink message at byte 72: expected at least 4 bytes, found 1 bytes"),
    ];
    for (odd, expected) in cases {
        let status = attribute(3, &[0, 0, 0, 8]);
        let tail = odd.len() == 1;
        let bytes = if tail {
            message(&[original(), odd])
        } else {
            message(&[original(), odd.clone(), status, attribute(12, &[0, 0, 0, 5])])
        };
        let (flow, told) = read(&bytes);
        assert!(told.first().is_some_and(|first| first == expected), "{told:?} instead of {expected}");
        // Every other attribute is decoded.
        let flow = flow.unwrap();
        assert_eq!(flow.tuples, bare().tuples, "{expected}");
        if !tail && !expected.starts_with("CTA_STATUS at") {
            assert_eq!(flow.status, Some(Status(8)), "{expected}");
        }
        if !tail && !expected.starts_with("CTA_ID") {
            assert_eq!(flow.id, Some(FlowId(5)), "{expected}");
        }
    }
}

#[test]
fn only_an_odd_original_tuple_fails_the_message() {
    let ip = || nest(1, &[attribute(1, &SRC), attribute(2, &DST)]);
    let proto = |parts: &[Vec<u8>]| nest(2, parts);
    let cases: [(Vec<u8>, &str); 9] = [
        (attribute(12, &[0; 4]), "netlink message at byte 20: expected CTA_TUPLE_ORIG, found nothing"),
        (nest(1, &[ip()]), "CTA_TUPLE_ORIG at byte 20: expected CTA_TUPLE_PROTO, found nothing"),
        (
            nest(1, &[ip(), proto(&[])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_PROTO at byte 44: expected CTA_PROTO_NUM, found nothing",
        ),
        (
            nest(1, &[ip(), proto(&[attribute(1, &[6]), attribute(3, &[0, 1])])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_PROTO at byte 44: expected CTA_PROTO_SRC_PORT, found nothing",
        ),
        (
            nest(1, &[ip(), proto(&[attribute(1, &[1]), attribute(4, &[0, 1]), attribute(5, &[8])])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_PROTO at byte 44: expected CTA_PROTO_ICMP_CODE, found nothing",
        ),
        (
            nest(1, &[ip(), proto(&[attribute(1, &[58]), attribute(7, &[0, 1]), attribute(9, &[0])])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_PROTO at byte 44: expected CTA_PROTO_ICMPV6_TYPE, found nothing",
        ),
        (
            nest(1, &[nest(1, &[attribute(1, &SRC), attribute(4, &[0; 16])]), proto(&[attribute(1, &[6])])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_IP at byte 24: expected two addresses of one family, found one of each",
        ),
        (
            nest(1, &[nest(1, &[attribute(1, &SRC), attribute(2, &[1, 2])]), proto(&[attribute(1, &[6])])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_IP/CTA_IP_V4_DST at byte 36: expected 4 bytes, found 2 bytes",
        ),
        (
            nest(1, &[nest(1, &[attribute(1, &SRC)]), proto(&[attribute(1, &[6])])]),
            "CTA_TUPLE_ORIG/CTA_TUPLE_IP at byte 24: expected a destination address, found nothing",
        ),
    ];
    for (attributes, expected) in cases {
        let (flow, told) = read(&message(&[attributes, tuple_of(2, DST, SRC, 2, 1)]));
        assert_eq!(flow, Err(expected.to_owned()));
        assert_eq!(told.last().map(String::as_str), Some(expected));
    }
}

#[test]
fn an_error_is_data() {
    let bytes = message(&[nest(1, &[nest(1, &[attribute(1, &SRC), attribute(2, &[1, 2])])])]);
    let Content::Conntrack(entry) = Messages::new(&bytes).next().unwrap().unwrap().content() else { panic!() };
    let error = entry.flow.to_flow().unwrap_err();
    // The addresses are decoded before the missing protocol is noticed.
    assert_eq!(error.path.names().collect::<Vec<_>>(), ["CTA_TUPLE_ORIG", "CTA_TUPLE_IP", "CTA_IP_V4_DST"]);
    assert_eq!((error.offset, error.expected, error.found), (36, Expected::Bytes(4), Found::Bytes(2)));
    // The offset is that of the attribute's header.
    assert_eq!(bytes[36..38], 6u16.to_ne_bytes());
}

#[test]
fn padding_with_the_number_of_another_attribute_changes_nothing() {
    // On machines that align 64 bits, `CTA_TIMESTAMP_PAD` (3) is at the top level in front of `CTA_TIMESTAMP_EVENT`.
    let (flow, told) = read(&message(&[
        original(),
        attribute(3, &[0, 0, 0, 8]),
        attribute(3, &[]),
        attribute(27, &[0, 0, 0, 0, 0, 0, 0, 1]),
    ]));
    assert_eq!(flow.unwrap().status, Some(Status(8)));
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn old_and_new_counters() {
    let old = nest(9, &[attribute(3, &[0, 0, 0, 5]), attribute(4, &[0, 0, 1, 0])]);
    let new = nest(
        10,
        &[
            attribute(3, &[0xff; 4]),
            attribute(1, &7u64.to_be_bytes()),
            attribute(5, &[]),
            attribute(2, &(1u64 << 40).to_be_bytes()),
        ],
    );
    let half = nest(9, &[attribute(1, &7u64.to_be_bytes())]);
    let (flow, told) = read(&message(&[original(), old, new]));
    let flow = flow.unwrap();
    assert_eq!(flow.counters.original, Some(Counters { packets: 5, bytes: 256 }));
    assert_eq!(flow.counters.reply, Some(Counters { packets: 7, bytes: 1 << 40 }));
    assert_eq!(told, Vec::<String>::new());
    let (flow, told) = read(&message(&[original(), half]));
    assert_eq!(flow.unwrap().counters.original, None);
    assert_eq!(told, ["CTA_COUNTERS_ORIG at byte 72: expected CTA_COUNTERS_BYTES, found nothing"]);
}

#[test]
fn fewer_label_words_are_the_lowest() {
    let word = (1usize << 5).to_ne_bytes();
    let (flow, _) = read(&message(&[original(), attribute(22, &word)]));
    assert_eq!(flow.unwrap().labels, Some(Labels(1 << 5)));
    let (flow, told) = read(&message(&[original(), attribute(22, &[])]));
    assert_eq!((flow.unwrap().labels, told.len()), (Some(Labels(0)), 0));
}

#[test]
fn what_has_no_name_is_kept() {
    let (flow, told) =
        read(&message(&[original(), attribute(28, b"new"), attribute(0x4000 | 77, b""), attribute(18, &[0, 9])]));
    let flow = flow.unwrap();
    let kept: Vec<_> = flow.rare.as_ref().unwrap().unknown.iter().map(|a| (a.number, a.payload.as_slice())).collect();
    assert_eq!(kept, [(28, &b"new"[..]), (77, b"")]);
    assert_eq!((flow.zone, told.len()), (Zone(9), 0));
    let bytes = message(&[original(), attribute(28, b"new")]);
    let Content::Conntrack(entry) = Messages::new(&bytes).next().unwrap().unwrap().content() else { panic!() };
    assert_eq!(entry.flow.unknown().collect::<Vec<_>>(), [(28, &b"new"[..])]);
    assert_eq!(entry.flow.raw(1).map(<[u8]>::len), Some(48));
}

#[test]
fn an_empty_nest_is_nothing() {
    for number in [5, 19, 20] {
        let (flow, told) = read(&message(&[original(), nest(number, &[])]));
        assert_eq!((flow, told), (Ok(bare()), vec![]), "{number}");
    }
}

#[test]
fn a_zone_inside_a_tuple_that_is_odd_costs_only_the_zone() {
    let mut parts = original()[4..].to_vec();
    parts.extend(attribute(3, &[1]));
    let (flow, told) = read(&message(&[attribute(1, &parts)]));
    assert_eq!(flow, Ok(bare()));
    assert_eq!(told, ["CTA_TUPLE_ORIG/CTA_TUPLE_ZONE at byte 72: expected 2 bytes, found 1 bytes"]);
}

#[test]
fn an_attribute_beyond_64_kib_is_read() {
    let mut flow = bare();
    flow.rare_mut().unknown =
        (0..40).map(|_| ctwarden_model::Attribute { number: 99, payload: vec![1; 4000] }).collect();
    let mut bytes = Vec::new();
    write_entry(&mut bytes, Origin::default(), EventKind::Row, &flow);
    bytes.extend(attribute(12, &[0, 0, 0, 5]));
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    assert_eq!(read(&bytes).0.unwrap().id, Some(FlowId(5)));
}
