//! Readers of untrusted bytes inside the daemon, for the fuzzer's checks only.
//!
//! Each function panics if the bytes reveal a fault. The functions are public because the checks are a separate crate.

use std::path::Path;

use ctwarden_feeds::{Column, FieldPath, Format, List, ListError, Reading};
use ctwarden_model::{Prefix, text};

use crate::set_file::Shortest;
use crate::{config, control, set_file};

/// Longest finding that a person still reads as one line.
const FINDING_BYTES_MAX: usize = 16 << 10;

pub fn configuration(bytes: &[u8]) {
    if let Err(problems) = config::load_bytes(Path::new("/nonexistent/ctwarden.toml"), bytes) {
        let findings = problems.to_string();
        assert!(!findings.is_empty());
        for line in findings.lines() {
            assert!(line.len() <= FINDING_BYTES_MAX, "a finding of {} bytes", line.len());
            assert!(!line.chars().any(|c| text::is_obeyed(c) && c != '\t'), "{line:?}");
        }
    }
}

/// Reads a filter as the command line writes it.
pub fn filter(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(config::one_filter(text));
    }
}

/// Reads a line of an address list.
pub fn list_line(bytes: &[u8]) {
    let shortest = Shortest { ipv4: 8, ipv6: 19 };
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(Some(line)) = set_file::parse_line(text, shortest)
    {
        line.networks().iter().for_each(|network| is_narrow(*network, shortest));
    }
}

/// Reads a whole list. The first byte says in which format and with which keys.
pub fn list(bytes: &[u8]) {
    let Some((keys, bytes)) = bytes.split_first() else { return };
    let shortest = Shortest { ipv4: 8, ipv6: 19 };
    let reading = Reading::new(shortest).shortest_of_databases(shortest);
    let mut reading = reading.skip_bad_lines(keys & 0x10 != 0).secret(keys & 0x20 != 0);
    if let Some(format) = Format::ALL.get(usize::from(keys & 0x0f)) {
        reading = reading.format(*format);
    }
    if keys & 0x40 != 0 {
        reading = reading.address_column(Column::Number(2)).value_column(Column::Name("value".to_owned()));
    }
    if keys & 0x80 != 0 {
        reading = reading.lists(vec!["bad".to_owned()]);
    }
    let parsed = ctwarden_feeds::parse(bytes, &reading);
    is_told(&parsed);
    if let Ok(list) = parsed {
        list.networks().iter().for_each(|(network, _)| is_narrow(network, shortest));
    }
}

/// Reads a MaxMind database. The first byte says with which keys.
pub fn database(bytes: &[u8]) {
    let Some((keys, bytes)) = bytes.split_first() else { return };
    let mut reading = Reading::default().format(Format::Mmdb).secret(keys & 0x10 != 0).allow_empty(keys & 0x20 != 0);
    let field = match keys & 0x03 {
        0 => None,
        1 => FieldPath::dotted("country.iso_code"),
        2 => FieldPath::dotted("list.1.name"),
        _ => FieldPath::dotted("n"),
    };
    if let Some(field) = field {
        reading = reading.field(field);
    }
    if keys & 0x04 != 0 {
        reading = reading.only(vec!["RU".to_owned(), "7".to_owned()]);
    }
    let parsed = ctwarden_feeds::parse(bytes, &reading);
    is_told(&parsed);
    if let Ok(list) = parsed {
        assert_eq!(list.networks().is_empty(), list.counts().entries == 0);
        let entries = u64::try_from(list.networks().len()).unwrap_or(u64::MAX);
        assert!(entries <= list.counts().entries, "joined networks are fewer");
    }
}

/// Whether the message about a list is one that people can read.
fn is_told(parsed: &Result<List, ListError>) {
    let Err(error) = parsed else { return };
    for line in error.told("list").lines() {
        assert!(line.starts_with("list:") && line.len() <= FINDING_BYTES_MAX, "{line:?}");
        assert!(!line.chars().any(text::is_obeyed), "{line:?}");
    }
}

fn is_narrow(network: Prefix, shortest: Shortest) {
    let least = if network.address().is_ipv4() { shortest.ipv4 } else { shortest.ipv6 };
    assert!(network.length() >= least, "{network} is wider than the set takes");
}

/// Reads a line that a client writes to the control socket.
pub fn control_request(bytes: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<control::Request>(bytes) {
        let written = serde_json::to_vec(&request).unwrap_or_default();
        let read = serde_json::from_slice::<control::Request>(&written).ok();
        assert_eq!(read.as_ref(), Some(&request));
    }
}
