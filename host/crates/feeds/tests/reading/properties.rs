//! What holds for any bytes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ctwarden_feeds::{Column, Format, Reading, parse};
use proptest::prelude::*;

use super::{as_format, read};

fn readings() -> impl Strategy<Value = Reading> {
    let format = prop::option::of(prop::sample::select(Format::ALL.to_vec()));
    let column = prop::option::of(prop_oneof![
        (0_usize..4).prop_map(Column::Number),
        prop::sample::select(vec!["ip", "a", "type"]).prop_map(|name| Column::Name(name.into())),
    ]);
    (format, column.clone(), column, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(format, address, value, skips, empty, secret, one)| {
            let mut reading = Reading::default().skip_bad_lines(skips).allow_empty(empty).secret(secret);
            if let Some(format) = format {
                reading = reading.format(format);
            }
            if let Some(column) = address {
                reading = reading.address_column(column);
            }
            if let Some(column) = value {
                reading = reading.value_column(column);
            }
            if one { reading.lists(vec!["a".into()]) } else { reading }
        },
    )
}

/// What holds for a list that was read and for a message about one that was not.
fn check(bytes: &[u8], reading: &Reading) {
    match parse(bytes, reading) {
        Ok(list) => {
            for (network, _) in list.networks().iter() {
                let least = if network.address().is_ipv4() { 8 } else { 16 };
                assert!(network.length() >= least, "{network} is wider than the set takes");
            }
            assert!(list.ends().keys().all(|network| list.networks().get(*network).is_some()));
            assert_eq!(list.networks().is_empty(), list.counts().entries == 0);
        }
        Err(error) => {
            let told = error.told("l");
            assert!(!told.is_empty() && told.lines().all(|line| line.starts_with("l:")), "{told}");
        }
    }
}

const PARTS: [&str; 40] = [
    "198.51.100.66",
    "2001:db8::1",
    "::ffff:1.2.3.4",
    "-",
    " ",
    "/",
    "24",
    "255.255.255.0",
    "#",
    ";",
    "//",
    ",",
    ":",
    "\n",
    "\r",
    "%eth0",
    "\u{feff}",
    "[",
    "{",
    "\"",
    "0",
    ".",
    "é",
    "name",
    "}",
    "]",
    "\"ip\":",
    "\"cidr\":\"192.0.2.1\"",
    "{\"nftables\": [",
    "{\"set\": {\"name\": \"a\", \"elem\": [",
    "{\"prefix\": {\"addr\": \"192.0.2.0\", \"len\": 24}}",
    "{\"elem\": {\"val\": ",
    "\"timeout\": 60",
    "create a hash:ip",
    "add a ",
    " timeout 60",
    " comment \"x y\"",
    "ip,type",
    "\"\"",
    "{\"type\":\"metadata\"}",
];

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), reading in readings()) {
        check(&bytes, &reading);
    }

    #[test]
    fn no_text_that_looks_like_a_list_panics(
        parts in prop::collection::vec(prop::sample::select(PARTS.to_vec()), 0..30),
        reading in readings(),
    ) {
        check(parts.concat().as_bytes(), &reading);
    }

    #[test]
    fn what_is_written_is_read(
        entries in prop::collection::btree_map(any::<IpAddr>(), ("[a-z]{1,5}", 0_u64..100), 1..20),
    ) {
        let entries: BTreeMap<IpAddr, (String, u64)> =
            entries.into_iter().map(|(address, entry)| (address.to_canonical(), entry)).collect();
        let all = |write: &dyn Fn(&IpAddr, &str, u64) -> String, between: &str| {
            entries.iter().map(|(address, (value, end))| write(address, value, *end)).collect::<Vec<_>>().join(between)
        };
        let value = |reading: Reading| reading.value_column(Column::Name("v".into()));
        let elements = all(&|a, v, e| format!(r#"{{"elem": {{"val": "{a}", "comment": "{v}", "timeout": {e}}}}}"#), ", ");
        let written = [
            (all(&|a, v, _| format!("{a} {v}"), "\n"), as_format(Format::Plain), false),
            (format!("v,ip\n{}", all(&|a, v, _| format!("\"{v}\",{a}"), "\r\n")), value(as_format(Format::Csv)), false),
            (all(&|a, v, _| format!(r#"{{"v":"{v}","ip":"{a}"}}"#), "\n"), value(as_format(Format::JsonLines)), false),
            (all(&|a, v, e| format!("add x {a} timeout {e} comment \"{v}\""), "\n"), as_format(Format::Ipset), true),
            (format!(r#"{{"nftables": [{{"set": {{"name": "x", "elem": [{elements}]}}}}]}}"#), as_format(Format::Nft), true),
        ];
        for (text, reading, has_ends) in written {
            let list = read(&text, &reading);
            prop_assert_eq!(list.networks().len(), entries.len());
            for (address, (value, end)) in &entries {
                let (network, found) = list.networks().longest(*address).unwrap();
                prop_assert_eq!(&**found, value);
                let found = list.ends().get(&network).map(|end| end.as_secs());
                prop_assert_eq!(found, (has_ends && *end > 0).then_some(*end));
            }
        }
    }

    #[test]
    fn half_a_network_of_ordinary_length_is_never_a_wide_one(address: u32, length in 16_u8..=32) {
        let line = format!("{}/{length}", Ipv4Addr::from_bits(address));
        for end in line.find('/').unwrap() + 2..line.len() {
            check(&line.as_bytes()[..end], &Reading::default());
        }
    }
}
