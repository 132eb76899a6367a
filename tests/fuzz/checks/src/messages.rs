//! Checks any bytes as messages: nothing panics, and a decoded message can be written and decodes to the same value.

use ctwarden_model::{EventKind, Expectation, Flow};
use ctwarden_wire::{ConntrackMessage, Content, Messages, Origin, request, write_entry};

/// The writer deliberately cuts longer payloads.
const WRITTEN_WHOLE: u32 = 4096;

/// Reads the bytes in every possible way.
pub fn check(bytes: &[u8]) {
    for message in Messages::new(bytes).map_while(Result::ok) {
        match message.content() {
            Content::Conntrack(entry) => {
                look_at_everything(&entry);
                if let Ok(flow) = entry.flow.to_flow()
                    && entry.header.length < WRITTEN_WHOLE
                {
                    assert_eq!(written_and_read(&flow), flow);
                }
            }
            Content::Expectation(entry) => {
                if let Ok(expectation) = entry.expectation.to_expectation()
                    && entry.header.length < WRITTEN_WHOLE
                {
                    let unnamed = Expectation { id: None, ..expectation };
                    assert_eq!(asked_and_read(&unnamed), unnamed);
                }
            }
            Content::Noop
            | Content::Done { .. }
            | Content::Overrun
            | Content::Answer(_)
            | Content::Statistics(_)
            | Content::CpuStatistics(_)
            | Content::ExpectationCpuStatistics(_)
            | Content::Other
            | Content::Malformed(_) => {}
        }
    }
}

fn look_at_everything(entry: &ConntrackMessage<'_>) {
    let flow = &entry.flow;
    let _ = (entry.kind(), flow.original(), flow.reply(), flow.master(), flow.zones(), flow.zone(), flow.status());
    let _ = (flow.status_mask(), flow.protocol_info(), flow.helper(), flow.source_nat(), flow.destination_nat());
    let _ = (flow.timeout(), flow.mark(), flow.mark_mask(), flow.counters(), flow.uses(), flow.id(), flow.sequence());
    let _ = (flow.secmark(), flow.security_context(), flow.started(), flow.stopped(), flow.event_time());
    let _ = (flow.labels(), flow.labels_mask(), flow.synproxy(), flow.filter(), flow.unknown().count());
    for oddity in flow.oddities() {
        // Each oddity lies in the message and has a text.
        assert!(oddity.offset <= entry.header.length as usize, "{oddity}");
        assert!(!oddity.to_string().is_empty());
    }
}

fn written_and_read(flow: &Flow) -> Flow {
    // A used buffer, whose length is not a multiple of a word.
    let mut buffer = vec![0xee; 3];
    write_entry(&mut buffer, Origin::default(), EventKind::Row, flow);
    match Messages::new(&buffer[4..]).next() {
        Some(Ok(message)) => match message.content() {
            Content::Conntrack(entry) => entry.flow.to_flow().unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn asked_and_read(expectation: &Expectation) -> Expectation {
    let mut buffer = Vec::new();
    request::expectation::create(&mut buffer, 1, expectation);
    match Messages::new(&buffer).next() {
        Some(Ok(message)) => match message.content() {
            Content::Expectation(entry) => entry.expectation.to_expectation().unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
