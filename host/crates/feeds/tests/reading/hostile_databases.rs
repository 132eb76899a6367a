//! Databases that nobody should trust: each is refused, or read in few steps.

use std::time::{Duration, Instant};

use ctwarden_feeds::{FieldPath, Format, Reading, parse};
use ctwarden_mmdb_writer::{Value, Writer, assemble, map, text};
use proptest::prelude::*;

use super::as_format;

/// Even an unoptimised reader takes far less for the few bytes of these databases.
const LONG: Duration = Duration::from_secs(20);

fn reading() -> Reading {
    as_format(Format::Mmdb).field(FieldPath::dotted("a.b").expect("a path"))
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let begin = Instant::now();
    let said = parse(bytes, &reading()).expect_err("the database is good").told("l");
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    said
}

fn bytes_of(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.write_whole(&mut bytes);
    bytes
}

/// One network with the record at the beginning of this data section.
fn of_data(data: &[u8]) -> Vec<u8> {
    assemble("x", 4, 32, &[[1, 1 + 16]], data)
}

#[test]
fn every_cut_is_refused() {
    let bytes = Writer::new("x", true, 24).with("192.0.2.0/24", &map([("a", map([("b", text("c"))]))])).finish();
    assert!(parse(&bytes, &reading()).is_ok());
    for length in 0..bytes.len() {
        let said = refused(&bytes[..length]);
        assert!(
            said.contains("not a whole MaxMind database") || said.contains("not a MaxMind database"),
            "{length}: {said}"
        );
    }
    // The beginning of the file is missing.
    assert!(refused(&bytes[bytes.len() / 2..]).contains("its search tree is longer than the file"));
}

#[test]
fn trees_that_repeat_themselves_are_refused() {
    let value = bytes_of(&map([("a", map([("b", text("c"))]))]));
    // A node that points to itself.
    for ip_version in [4, 6] {
        let said = refused(&assemble("x", ip_version, 24, &[[0, 0]], &value));
        assert!(said.contains("its search tree is deeper than an address is long"), "{said}");
    }
    // 2 to the power of 64 paths to one record, and to none.
    let ladder =
        |last: usize| -> Vec<[usize; 2]> { (1..=64).map(|n| if n < 64 { [n, n] } else { [last, last] }).collect() };
    for last in [64, 64 + 16] {
        assert!(refused(&assemble("x", 6, 24, &ladder(last), &value)).contains("its search tree repeats itself"));
    }
    // The same, with the branch of IPv4 at the end of each path.
    let mut nodes: Vec<[usize; 2]> = (1..=96).map(|n| if n == 1 { [1, 97] } else { [n, n] }).collect();
    nodes.push([160, 160]);
    nodes.extend((98..=160).map(|n| if n < 160 { [n, n] } else { [96, 96] }));
    assert_eq!(nodes.len(), 160);
    assert!(refused(&assemble("x", 6, 24, &nodes, &value)).contains("its search tree repeats itself"));
}

#[test]
fn a_tree_that_points_nowhere_is_refused() {
    for record in [2, 16, 17 + 1000, 0x00ff_ffff] {
        let said = refused(&assemble("x", 4, 24, &[[record, 1]], b"\xe0"));
        assert!(said.contains("its search tree points outside of the data section"), "{record}: {said}");
    }
}

#[test]
fn records_that_point_in_circles_are_refused() {
    let key = |key: &str| bytes_of(&text(key));
    let pointer = |target: u32| bytes_of(&Value::Pointer(target));
    // A map whose field is the map itself; the field a.a.a… exists at any depth.
    let circle = [vec![0xe1], key("a"), pointer(0)].concat();
    let said = refused(&of_data(&circle));
    assert!(said.contains("has the field \"a.b\"") && said.contains("use another database"), "{said}");
    assert!(refused(&of_data(&pointer(0))).contains("a pointer points to a pointer"));
    // An array of pointers to an array of pointers, ten levels deep.
    let mut data = bytes_of(&text("deep"));
    let mut last = 0;
    for _ in 0..10 {
        let begin = u32::try_from(data.len()).unwrap();
        let array = Value::Array((0..1000).map(|_| Value::Pointer(last)).collect());
        data.extend(bytes_of(&array));
        last = begin;
    }
    let place = usize::try_from(last).unwrap();
    let begin = Instant::now();
    assert!(parse(&assemble("x", 4, 32, &[[1, 1 + 16 + place]], &data), &reading()).is_err());
    assert!(begin.elapsed() < LONG);
}

#[test]
fn sizes_that_the_file_does_not_have_are_refused() {
    for (head, what) in [
        (&[0xff, 0xff, 0xff, 0xff][..], "a map of 16 million pairs"),
        (&[0x1f, 0x04, 0xff, 0xff, 0xff], "an array"),
        (&[0x5f, 0xff, 0xff, 0xff], "a text"),
        (&[0xe1, 0x5f, 0xff, 0xff, 0xff], "a key"),
        (&[0x00, 0x05], "a data cache container"),
        (&[0x00, 0xff], "an unknown type"),
        (&[0x38, 0xff, 0xff, 0xff, 0xff], "a pointer"),
        (&[0xe1, 0xa1, 0x01, 0xa1, 0x01], "a number as a key"),
        (&[0xe1, 0x41, b'a', 0xe1, 0x41, b'b', 0x41, 0xff], "a text that is not UTF-8"),
        (&[0xe1, 0x41, b'a', 0xe1, 0x41, b'b', 0x62, 0, 0], "a double of two bytes"),
    ] {
        let said = refused(&of_data(head));
        let is_told = said.contains("not a whole MaxMind database") || said.contains("has the field");
        assert!(is_told, "{what}: {said}");
    }
}

#[test]
fn deep_nesting_needs_no_stack() {
    let mut data = vec![0xe1, 0x41, b'x'];
    data.extend([0x01, 0x04].repeat(100_000));
    data.extend([0x00, 0x04]);
    assert!(refused(&of_data(&data)).contains("has the field \"a.b\""));
}

#[test]
fn many_records_that_overlap_take_few_steps() {
    // Each byte begins a map of many pairs, and each is the record of a network.
    let data = [0xdd_u8, 0xff].repeat(20_000);
    let leaves: Vec<usize> = (0..32_768).map(|n| 32_767 + 16 + n).collect();
    let nodes: Vec<[usize; 2]> = (0..32_767)
        .map(|n| [2 * n + 1, 2 * n + 2].map(|child| if child < 32_767 { child } else { leaves[child - 32_767] }))
        .collect();
    let begin = Instant::now();
    assert!(parse(&assemble("x", 4, 24, &nodes, &data), &reading()).is_err());
    assert!(begin.elapsed() < LONG);
}

#[test]
fn metadata_that_do_not_fit_are_told() {
    let good = Writer::new("x", false, 24).with("192.0.2.0/24", &map([("a", map([("b", text("c"))]))])).finish();
    let change = |from: &[u8], to: &[u8]| -> Vec<u8> {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    for (from, to, expected) in [
        (&b"record_size\xa1\x18"[..], &b"record_size\xa1\x19"[..], "its record_size is not 24, 28 or 32"),
        (b"ip_version\xa1\x04", b"ip_version\xa1\x05", "its ip_version is not 4 or 6"),
        (b"major_version\xa1\x02", b"major_version\xa1\x03", "has format version 3, and ctwarden reads version 2"),
        (b"node_count", b"node_cound", "its metadata lack a field"),
        (b"record_size\xa1\x18", b"record_size\x41\x18", "its metadata have a wrong number"),
        (b"database_type\x41x", b"database_type\xa1\x01", "its metadata have a wrong text"),
    ] {
        let said = refused(&change(from, to));
        assert!(said.contains(expected), "{said}");
    }
}

proptest! {
    #[test]
    fn no_change_of_bytes_breaks_the_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        record_size in prop::sample::select(vec![24, 28, 32]),
        with_field: bool,
    ) {
        let record = map([("a", map([("b", text("c")), ("d", Value::Array(vec![Value::U32(7), Value::Bool(true)]))]))]);
        let mut bytes = Writer::new("GeoLite2-Country", true, record_size)
            .with("192.0.2.0/24", &record)
            .with("2001:db8::/32", &record)
            .with("198.51.100.0/28", &map([("a", map([("b", Value::Double(1.5))]))]))
            .with_aliases()
            .finish();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let begin = Instant::now();
        let reading = if with_field { reading() } else { as_format(Format::Mmdb) };
        match parse(&bytes, &reading) {
            Ok(list) => prop_assert_eq!(list.networks().is_empty(), list.counts().entries == 0),
            Err(error) => {
                let told = error.told("l");
                prop_assert!(told.starts_with("l: ") && told.lines().count() == 1, "{}", told);
            }
        }
        prop_assert!(begin.elapsed() < LONG);
    }
}
