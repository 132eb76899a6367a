//! Compares lines that the real command and the kernel printed with the entries.
//!
//! Every entry is read from its richest line, `-o id`. Attributes that only other requests show are added by hand. Then
//! each writer has to print the same lines, and each reader has to read them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use ctwarden_format::read::Legend;
use ctwarden_format::{EventContext, PrintOptions, json, proc, read, save, text, xml};
use ctwarden_model::{Flow, Layer4, PerDirection, Protocol, ProtocolInfo, Status, Timestamp};

const ROWS: &str = include_str!("lines/rows.txt");

/// The lines of one entry.
struct Row<'a> {
    list: &'a str,
    extended: &'a str,
    id: &'a str,
    xml: &'a str,
    save: &'a str,
    proc: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let mut blocks = ROWS.split("\n\n").skip(1).map(|block| block.trim_end().lines().collect::<Vec<_>>());
    let rows: Vec<_> = blocks
        .by_ref()
        .map(|lines| {
            let [list, extended, id, xml, save, proc] = lines.try_into().unwrap();
            Row { list, extended, id, xml, save, proc }
        })
        .collect();
    assert!(rows.len() >= 19);
    rows
}

/// The entry as the kernel sent it.
fn entry(row: &Row<'_>) -> Flow {
    let mut flow = read::line(row.id, &Legend::PLAIN).unwrap().flow;
    match flow.protocol() {
        Protocol::SCTP => {
            let established = row.list.contains("ESTABLISHED");
            let tags = if established { (17, 18) } else { (19, 20) };
            let Some(ProtocolInfo::Sctp { vtag, .. }) = &mut flow.info else { panic!("{}", row.id) };
            // The command writes and reads tags in the wrong byte order.
            *vtag = PerDirection { original: Some(u32::to_be(tags.0)), reply: Some(u32::to_be(tags.1)) };
        }
        // This kernel does not track DCCP and sends no ports.
        Protocol::DCCP => {
            flow.tuples.original.layer4 = Layer4::None;
            flow.tuples.reply.layer4 = Layer4::None;
        }
        Protocol::IPIP => flow.status = flow.status.map(|status| status | Status::FIXED_TIMEOUT),
        _ => {}
    }
    flow
}

fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before\n".to_vec();
    print(&mut out);
    String::from_utf8(out).unwrap().strip_prefix("before\n").unwrap().to_owned()
}

fn options() -> PrintOptions<'static> {
    PrintOptions::plain(Timestamp(0))
}

#[test]
fn text_is_what_conntrack_prints() {
    for row in rows() {
        let flow = entry(&row);
        let text = |options: &PrintOptions<'_>| printed(|out| text::flow(out, &flow, &EventContext::ROW, options));
        assert_eq!(text(&options()), row.list);
        assert_eq!(text(&PrintOptions { layer3: true, ..options() }), row.extended);
        assert_eq!(text(&PrintOptions { id: true, ..options() }), row.id);
    }
}

#[test]
fn xml_is_what_conntrack_prints() {
    for row in rows() {
        let flow = entry(&row);
        assert_eq!(printed(|out| xml::flow(out, &flow, &EventContext::ROW, &options())), row.xml);
    }
}

#[test]
fn save_is_what_conntrack_prints() {
    for row in rows() {
        let flow = entry(&row);
        assert_eq!(printed(|out| save::flow(out, &flow, &EventContext::ROW, None)), row.save);
    }
}

#[test]
fn proc_is_what_the_kernel_prints() {
    for row in rows() {
        let mut flow = entry(&row);
        // While the kernel prints the line it holds one more reference than while it dumps the entry.
        flow.uses = flow.uses.map(|uses| uses + 1);
        assert_eq!(printed(|out| proc::flow(out, &flow, Timestamp(0))), row.proc);
    }
}

#[test]
fn every_text_is_read_as_the_same_entry() {
    for row in rows() {
        let read = |line: &str| read::line(line, &Legend::PLAIN).unwrap_or_else(|error| panic!("{error}: {line}")).flow;
        let full = read(row.id);
        let mut plain = full.clone();
        plain.id = None;
        assert_eq!(read(row.list), plain);
        assert_eq!(read(row.extended), plain);
        let mut from_proc = read(row.proc);
        from_proc.uses = from_proc.uses.map(|uses| uses - 1);
        if plain.protocol() == Protocol::DCCP {
            plain.tuples.original.layer4 = Layer4::None;
            plain.tuples.reply.layer4 = Layer4::None;
        }
        assert_eq!(from_proc, plain);
    }
}

#[test]
fn json_carries_all_of_it() {
    for row in rows() {
        let flow = entry(&row);
        let line = printed(|out| json::flow(out, &flow, &EventContext::ROW, None));
        assert_eq!(read::line(&line, &Legend::PLAIN).unwrap().flow, flow, "{line}");
    }
}
