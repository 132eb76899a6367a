//! The files of `tests/corpus/feeds`: lists in the forms in which they are published, and their entries.

use ctwarden_feeds::{Format, Reading, parse};

use super::{any, as_format, told};

/// The name of a file, its content, its format and its entries.
type Published = (&'static str, &'static [u8], Format, &'static [&'static str]);

macro_rules! corpus {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../tests/corpus/feeds/", $name))
    };
}

const PUBLISHED: [Published; 7] = [
    ("abusech.csv", corpus!("abusech.csv"), Format::Csv, &["192.0.2.44", "198.51.100.23", "203.0.113.150"]),
    (
        "firehol.netset",
        corpus!("firehol.netset"),
        Format::Plain,
        &["192.0.2.0/25", "198.51.100.0/24", "203.0.113.5", "203.0.113.64/26"],
    ),
    (
        "ipset-save.txt",
        corpus!("ipset-save.txt"),
        Format::Ipset,
        &["192.0.2.0/26 7200s", "198.51.100.90 seen twice", "203.0.113.1", "2001:db8:bad::/48"],
    ),
    (
        "nft-set.json",
        corpus!("nft-set.json"),
        Format::Nft,
        &["192.0.2.128/25", "198.51.100.5 540s", "203.0.113.16/29", "203.0.113.24/31", "203.0.113.201"],
    ),
    (
        "p2p.txt",
        corpus!("p2p.txt"),
        Format::Plain,
        &["192.0.2.0/24 Example, Inc. (research)", "198.51.100.64/26 bad: ones"],
    ),
    (
        "spamhaus-drop.jsonl",
        corpus!("spamhaus-drop.jsonl"),
        Format::JsonLines,
        &["192.0.2.0/24 SBL000011", "2001:db8:5::/48 SBL000012"],
    ),
    (
        "spamhaus-drop.txt",
        corpus!("spamhaus-drop.txt"),
        Format::Plain,
        &["192.0.2.0/24 SBL000021", "203.0.113.0/25 SBL000022"],
    ),
];

#[test]
fn each_file_is_read_with_and_without_its_format() {
    for (name, bytes, format, expected) in PUBLISHED {
        for reading in [any(), as_format(format)] {
            let list = parse(bytes, &reading).unwrap_or_else(|error| panic!("{}", error.told(name)));
            assert_eq!(
                (list.format(), told(&list)),
                (format, expected.iter().map(ToString::to_string).collect()),
                "{name}"
            );
            assert_eq!(list.counts().bad, 0, "{name}");
        }
    }
}

#[test]
fn line_ends_of_windows_and_a_mark_change_nothing() {
    for (name, bytes, _, expected) in PUBLISHED {
        let text = std::str::from_utf8(bytes).unwrap().replace('\n', "\r\n");
        for text in [text.clone(), format!("\u{feff}{text}"), text.trim_end().to_owned()] {
            let list =
                parse(text.as_bytes(), &Reading::default()).unwrap_or_else(|error| panic!("{}", error.told(name)));
            assert_eq!(told(&list), expected, "{name}");
        }
    }
}
