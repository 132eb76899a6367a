//! MaxMind databases: which networks are read, with which values, and what is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_feeds::{Column, FieldPath, Format, List, ListError, Reading, Shortest, has_metadata, parse};
use ctwarden_mmdb_writer::{Value, Writer, map, text};
use proptest::prelude::{Strategy, any as arbitrary, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{any, as_format, told};

fn country(code: &str) -> Value {
    map([
        ("continent", map([("code", text("EU")), ("names", map([("en", text("Europe")), ("de", text("Europa"))]))])),
        ("country", map([("geoname_id", Value::U32(2_017_370)), ("iso_code", text(code))])),
    ])
}

fn asn(number: u32) -> Value {
    map([("autonomous_system_number", Value::U32(number)), ("autonomous_system_organization", text("An example"))])
}

fn countries(record_size: u16) -> Writer {
    Writer::new("GeoLite2-Country", true, record_size)
        .with("192.0.2.0/24", &country("RU"))
        .with("198.51.100.0/25", &country("DE"))
        .with("203.0.113.7/32", &country("KP"))
        .with("2001:db8::/32", &country("RU"))
}

#[track_caller]
fn read(bytes: &[u8], reading: &Reading) -> List {
    parse(bytes, reading).unwrap_or_else(|error| panic!("{}", error.told("l")))
}

#[track_caller]
fn refused(bytes: &[u8], reading: &Reading) -> String {
    parse(bytes, reading).expect_err("the database is good").told("l")
}

fn field(path: &str) -> Reading {
    any().field(FieldPath::dotted(path).expect("a path"))
}

fn only(values: &[&str]) -> Reading {
    any().only(values.iter().map(ToString::to_string).collect())
}

#[test]
fn a_database_of_countries_is_recognised_and_has_codes_as_values() {
    for record_size in [24, 28, 32] {
        let bytes = countries(record_size).finish();
        assert!(has_metadata(&bytes));
        let list = read(&bytes, &any());
        let expected = ["192.0.2.0/24 RU", "198.51.100.0/25 DE", "203.0.113.7 KP", "2001:db8::/32 RU"];
        assert_eq!((list.format(), told(&list)), (Format::Mmdb, expected.map(ToOwned::to_owned).to_vec()));
        assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (0, 4, 0));
        assert!(list.note().is_none() && list.ends().is_empty() && list.skipped().is_empty());
    }
    let ipv4 = Writer::new("DBIP-City-Lite (compat=City)", false, 24).with("192.0.2.0/24", &country("RU")).finish();
    assert_eq!(told(&read(&ipv4, &as_format(Format::Mmdb))), ["192.0.2.0/24 RU"]);
}

#[test]
fn a_database_of_systems_has_numbers_as_values() {
    let bytes = Writer::new("GeoLite2-ASN", true, 24)
        .with("192.0.2.0/24", &asn(64_496))
        .with("198.51.100.0/24", &asn(4_200_000_000))
        .finish();
    assert_eq!(told(&read(&bytes, &any())), ["192.0.2.0/24 64496", "198.51.100.0/24 4200000000"]);
    assert_eq!(told(&read(&bytes, &only(&["64496"]))), ["192.0.2.0/24 64496"]);
    let organisation = field("autonomous_system_organization");
    assert_eq!(read(&bytes, &organisation).networks().len(), 2);
}

#[test]
fn any_field_can_be_the_value() {
    let record = map([
        ("subdivisions", Value::Array(vec![map([("iso_code", text("BE"))]), map([("iso_code", text("X"))])])),
        ("as.name", text("dotted")),
        ("list", Value::Array(vec![text("first"), Value::I32(-5)])),
        ("is_proxy", Value::Bool(true)),
        ("score", Value::Double(0.5)),
        ("risk", Value::Float(0.25)),
        ("large", Value::U128(u128::MAX)),
        ("zero", Value::U16(0)),
        ("long", text(&"é".repeat(300))),
        ("0", text("a key that is a number")),
        ("bytes", Value::Bytes(vec![1])),
    ]);
    let bytes = Writer::new("Mine", true, 28).with("192.0.2.0/24", &record).finish();
    for (path, expected) in [
        ("subdivisions.0.iso_code", "BE"),
        ("subdivisions.1.iso_code", "X"),
        ("list.0", "first"),
        ("list.1", "-5"),
        ("is_proxy", "true"),
        ("score", "0.5"),
        ("risk", "0.25"),
        ("large", "340282366920938463463374607431768211455"),
        ("zero", "0"),
        ("long", &"é".repeat(300)),
        ("0", "a key that is a number"),
    ] {
        assert_eq!(told(&read(&bytes, &field(path))), [format!("192.0.2.0/24 {expected}")], "{path}");
    }
    let dotted = FieldPath::new(vec!["as.name".to_owned()]).unwrap();
    assert_eq!(told(&read(&bytes, &any().field(dotted))), ["192.0.2.0/24 dotted"]);
    for path in ["subdivisions", "subdivisions.0", "bytes"] {
        let said = refused(&bytes, &field(path));
        let begin =
            format!("l: the field \"{path}\" of 192.0.2.0/24 is neither a text nor a number; write one of its fields");
        assert!(said.starts_with(&begin) && said.contains("subdivisions.0.iso_code"), "{said}");
    }
    for path in ["subdivisions.2.iso_code", "subdivisions.x", "score.0", "list.-1"] {
        assert!(refused(&bytes, &field(path)).contains(&format!("has the field \"{path}\"")), "{path}");
    }
}

#[test]
fn ipv4_networks_come_out_once_and_as_ipv4() {
    let bytes = countries(24).with_aliases().finish();
    assert_eq!(told(&read(&bytes, &any())), told(&read(&countries(24).finish(), &any())));
    // Some writers put IPv4 networks where IPv4-mapped addresses are.
    let mapped = Writer::new("GeoLite2-Country", true, 24).with("::ffff:192.0.2.0/120", &country("RU")).finish();
    assert_eq!(told(&read(&mapped, &any())), ["192.0.2.0/24 RU"]);
    // A network wider than all of IPv4 is one of IPv6.
    let wide = Writer::new("GeoLite2-Country", true, 24).with("::/64", &country("RU")).finish();
    assert_eq!(told(&read(&wide, &any())), ["::/64 RU"]);
}

#[test]
fn halves_with_the_same_value_are_one_network() {
    let mut writer = Writer::new("GeoIP2-City", true, 24);
    for n in 0..=255 {
        let record = map([("country", map([("iso_code", text("RU"))])), ("n", Value::U16(n % 3))]);
        writer.insert(&format!("192.0.2.{n}/32"), &record);
    }
    let bytes = writer.finish();
    let list = read(&bytes, &any());
    assert_eq!((told(&list), list.counts().entries), (vec!["192.0.2.0/24 RU".to_owned()], 256));
    assert_eq!(read(&bytes, &field("n")).networks().len(), 256);
}

#[test]
fn only_some_values_are_read() {
    let bytes = countries(24).finish();
    assert_eq!(told(&read(&bytes, &only(&["RU"]))), ["192.0.2.0/24 RU", "2001:db8::/32 RU"]);
    let list = read(&bytes, &only(&["KP", "UK", "XX"]));
    assert_eq!(told(&list), ["203.0.113.7 KP"]);
    let note = list.note().map(ToString::to_string);
    let expected = " the key only names \"UK\" and \"XX\", which no network has; correct it if it is misspelt";
    assert_eq!(note.as_deref(), Some(expected));
    assert_eq!(
        refused(&bytes, &only(&["UK"])),
        "l: no network has a value that the key only names (others have RU, DE, KP); correct the key, or write \
         allow-empty = true if the set may have none"
    );
    assert!(read(&bytes, &only(&["UK"]).allow_empty(true)).networks().is_empty());
}

#[test]
fn a_database_of_the_wrong_kind_is_refused_with_its_fields() {
    let bytes = countries(24).finish();
    assert_eq!(
        refused(&bytes, &field("autonomous_system_number")),
        "l: no record of this database of type \"GeoLite2-Country\" has the field \"autonomous_system_number\"; write one \
         of its fields, for example field = \"continent.code\" (the first records have continent.code, \
         country.geoname_id, country.iso_code, continent.names.en, continent.names.de)"
    );
    // allow-empty is about lists without entries, not about wrong ones.
    assert!(refused(&bytes, &field("x").allow_empty(true)).contains("has the field \"x\""));
    let bytes = Writer::new("ipinfo country", true, 24).with("192.0.2.0/24", &map([("country", text("RU"))])).finish();
    let said = refused(&bytes, &any());
    let begin =
        "l: a database of type \"ipinfo country\" has no field that ctwarden takes by default; write one of its fields";
    assert!(said.starts_with(begin) && said.ends_with("(the first records have country)"), "{said}");
    assert_eq!(told(&read(&bytes, &field("country"))), ["192.0.2.0/24 RU"]);
}

#[test]
fn what_is_no_database_is_told() {
    for bytes in [&b""[..], b"192.0.2.1\n", &[0; 4096]] {
        for reading in [as_format(Format::Mmdb), field("country.iso_code"), only(&["RU"])] {
            assert_eq!(
                refused(bytes, &reading),
                "l: the file is not a MaxMind database, or its end is cut off; name the .mmdb file itself, or download it \
                 again"
            );
        }
    }
}

#[test]
fn keys_of_text_do_not_go_with_a_database() {
    let bytes = countries(24).finish();
    for (reading, key) in [
        (any().address_column(Column::Number(1)), "address-column"),
        (any().value_column(Column::Number(1)), "value-column"),
        (any().lists(vec!["x".to_owned()]), "list"),
        (any().skip_bad_lines(true), "on-bad-line"),
    ] {
        let expected = format!("l: the file is a MaxMind database, and {key} goes with lists of text; remove the key");
        assert_eq!(refused(&bytes, &reading), expected);
    }
}

#[test]
fn an_empty_database_is_valid_only_if_it_may_be() {
    for kind in ["GeoLite2-Country", "Unknown"] {
        let bytes = Writer::new(kind, true, 24).finish();
        assert_eq!(
            refused(&bytes, &any()),
            "l: the database has no network; use another one, or write allow-empty = true if it may have none"
        );
        assert!(read(&bytes, &any().allow_empty(true)).networks().is_empty());
    }
    let nothing = ctwarden_mmdb_writer::assemble("GeoLite2-Country", 4, 24, &[], &[]);
    assert!(read(&nothing, &any().allow_empty(true)).networks().is_empty());
}

#[test]
fn a_width_that_is_written_counts() {
    let bytes = Writer::new("GeoLite2-Country", true, 24).with("28.0.0.0/6", &country("US")).finish();
    assert_eq!(told(&read(&bytes, &any())), ["28.0.0.0/6 US"]);
    let narrow = any().shortest_of_databases(Shortest { ipv4: 8, ipv6: 16 });
    assert_eq!(
        refused(&bytes, &narrow),
        "l: 28.0.0.0/6 is wider than /8, the set's shortest-ipv4-prefix; lower that key if the database is right"
    );
}

#[test]
fn a_database_that_not_everybody_may_read_is_not_quoted() {
    let bytes = Writer::new("hunter2", true, 24).with("192.0.2.0/24", &map([("hunter2", text("hunter2"))])).finish();
    let wide = any().shortest_of_databases(Shortest { ipv4: 32, ipv6: 128 });
    for reading in [
        any(),
        field("x"),
        field("hunter2").only(vec!["x".to_owned()]),
        wide.field(FieldPath::dotted("hunter2").unwrap()),
    ] {
        let said = refused(&bytes, &reading.secret(true));
        assert!(!said.replace("field \"hunter2\"", "").contains("hunter2") && !said.contains("192.0"), "{said}");
    }
}

fn networks() -> impl Strategy<Value = Vec<(IpAddr, u8, u32)>> {
    let ipv4 =
        (arbitrary::<u32>(), 1_u8..=32).prop_map(|(bits, length)| (IpAddr::V4(Ipv4Addr::from_bits(bits)), length));
    let ipv6 = (arbitrary::<u128>(), 3_u8..=128)
        .prop_map(|(bits, length)| (IpAddr::V6(Ipv6Addr::from_bits(bits | 1 << 125)), length));
    let few = (0_u32..8, 24_u8..=32).prop_map(|(bits, length)| (IpAddr::V4(Ipv4Addr::from_bits(bits << 5)), length));
    prop::collection::vec((prop_oneof![ipv4, ipv6, few], 0_u32..5), 1..40)
        .prop_map(|networks| networks.into_iter().map(|((address, length), value)| (address, length, value)).collect())
}

proptest! {
    #[test]
    fn lookups_agree_with_the_reader_of_the_format(
        networks in networks(),
        record_size in prop::sample::select(vec![24, 28, 32]),
        has_aliases: bool,
        others in prop::collection::vec(arbitrary::<u32>(), 8),
    ) {
        let mut writer = Writer::new("GeoLite2-ASN", true, record_size);
        for (address, length, value) in &networks {
            writer.insert_bits(*address, *length, &asn(*value));
        }
        if has_aliases {
            writer = writer.with_aliases();
        }
        let bytes = writer.finish();
        let list = read(&bytes, &Reading::default());
        let oracle = maxminddb::Reader::from_source(&bytes).unwrap();
        oracle.verify().unwrap();
        let near = networks.iter().flat_map(|(address, ..)| match address {
            IpAddr::V4(address) => [-1, 0, 1, 300].map(|n| Ipv4Addr::from_bits(address.to_bits().wrapping_add_signed(n)).into()),
            IpAddr::V6(address) => [-1, 0, 1, 300].map(|n| Ipv6Addr::from_bits(address.to_bits().wrapping_add_signed(n)).into()),
        });
        for address in near.chain(others.iter().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(*bits)))) {
            let is_alias = matches!(address, IpAddr::V6(address) if address.segments()[0] < 0x2003);
            if has_aliases && is_alias {
                continue;
            }
            let path = [maxminddb::PathElement::Key("autonomous_system_number")];
            let expected: Option<u32> = oracle.lookup(address).unwrap().decode_path(&path).unwrap();
            let found = list.networks().longest(address).map(|(_, value)| value.parse().unwrap());
            prop_assert_eq!(found, expected, "{}", address);
        }
        // Every network of the tree is in the list, and no two of the list are halves of one with the same value.
        let entries: Vec<_> = list.networks().iter().collect();
        for pair in entries.windows(2) {
            let [(first, one), (second, other)] = pair else { unreachable!() };
            let wider = ctwarden_model::Prefix::new(first.address(), first.length().saturating_sub(1)).unwrap();
            let are_halves = first.length() == second.length() && wider.covers(*first) && wider.covers(*second);
            prop_assert!(!are_halves || first == second || one != other, "{} {}", first, second);
        }
    }
}

#[test]
fn the_error_is_about_the_whole_file() {
    let error = parse(b"", &as_format(Format::Mmdb)).unwrap_err();
    assert!(matches!(&error, ListError::Whole(finding) if finding.line() == 0));
    assert_eq!(error.counts(), None);
}
