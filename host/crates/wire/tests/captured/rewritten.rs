//! The value of each capture, written again: a row gives the same bytes, and any message gives the same value.

use ctwarden_wire::{Content, Messages, Origin, write_entry};

use crate::entry_file;

#[test]
fn a_file_is_written_as_it_is_read() {
    for file in entry_file::all() {
        assert_eq!(file.text(), std::fs::read_to_string(&file.path).unwrap(), "{}", file.name());
    }
}

#[test]
fn a_row_becomes_the_same_bytes() {
    let mut rows = 0;
    for file in entry_file::all().iter().filter(|file| file.take == "rows") {
        for bytes in &file.messages {
            let Content::Conntrack(entry) = Messages::new(bytes).next().unwrap().unwrap().content() else { continue };
            let origin = Origin { sequence: entry.header.sequence, port: entry.header.port };
            let mut flow = entry.flow.to_flow().unwrap();
            // An unused SYN proxy state is the only part of a message that the value omits.
            if let Some(unused) = entry.flow.synproxy().filter(|proxy| proxy.is_unused()) {
                flow.rare_mut().synproxy = Some(unused);
            }
            let mut written = Vec::new();
            write_entry(&mut written, origin, ctwarden_model::EventKind::Row, &flow);
            assert_eq!(written, *bytes, "{}", file.name());
            rows += 1;
        }
    }
    assert!(rows > 20);
}

#[test]
fn an_event_is_understood_the_same_again() {
    let mut events = 0;
    for file in entry_file::all().iter().filter(|file| file.take == "events") {
        for bytes in &file.messages {
            let Content::Conntrack(entry) = Messages::new(bytes).next().unwrap().unwrap().content() else { panic!() };
            let origin = Origin { sequence: entry.header.sequence, port: entry.header.port };
            let flow = entry.flow.to_flow().unwrap();
            let mut written = Vec::new();
            write_entry(&mut written, origin, entry.kind(), &flow);
            let Content::Conntrack(again) = Messages::new(&written).next().unwrap().unwrap().content() else {
                panic!()
            };
            assert_eq!(again.flow.to_flow().unwrap(), flow, "{}", file.name());
            assert_eq!((again.kind(), again.family), (entry.kind(), entry.family), "{}", file.name());
            // Events have their attributes in another order. Nothing else differs.
            let header = ctwarden_wire::Header { length: again.header.length, ..entry.header };
            assert_eq!(again.header, header, "{}", file.name());
            events += 1;
        }
    }
    assert!(events > 20);
}
