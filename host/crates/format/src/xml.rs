//! The XML of `-o xml`: the head of a document, one `<flow>` on each line, and a tail.
//!
//! The output equals that of conntrack-tools 1.4.9 byte for byte, except for two defects of that version. States of
//! SCTP and DCCP have their own names here (1.4.9 uses the names of TCP states). Characters that XML forbids in text
//! are escaped.

mod expectation;

use alloc::vec::Vec;

use ctwarden_model::{EventKind, Flow, Labels, Protocol, Status, Timestamp, Tuple, Zone};

use crate::append::Append;
use crate::text::{keys, zone_of_both};
use crate::{EventContext, LabelMap, PrintOptions, names};

pub use expectation::expectation;

/// The table of a document: the name of its root element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentTable {
    Conntrack,
    Expect,
}

impl DocumentTable {
    const fn root(self) -> &'static str {
        match self {
            Self::Conntrack => "conntrack",
            Self::Expect => "expect",
        }
    }
}

/// Appends the start of the document, with its line ends. The command writes it only if there is an entry.
pub fn head(out: &mut Vec<u8>, table: DocumentTable) {
    out.text("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<");
    out.text(table.root());
    out.text(">\n");
}

/// Appends the end of the document, with its line end.
pub fn tail(out: &mut Vec<u8>, table: DocumentTable) {
    out.text("</");
    out.text(table.root());
    out.text(">\n");
}

/// Appends the element of a flow, without a line end. It does not contain the cause of an event.
pub fn flow(out: &mut Vec<u8>, flow: &Flow, context: &EventContext<'_>, options: &PrintOptions<'_>) {
    let rare = flow.rare.as_deref();
    let zones = rare.map(|rare| rare.zones).unwrap_or_default();
    open(out, context);
    // The library checks only the original direction's counters, and writes both.
    let counted = flow.counters.original.is_some();
    let directions = [
        ("original", &flow.tuples.original, zones.original, flow.counters.original),
        ("reply", &flow.tuples.reply, zones.reply, flow.counters.reply),
    ];
    for (direction, tuple, zone, counters) in directions {
        out.text("<meta direction=\"");
        out.text(direction);
        out.text("\">");
        write_tuple(out, tuple);
        if let Some(zone) = zone {
            element(out, "zone", zone.0);
        }
        if counted {
            let counters = counters.unwrap_or_default();
            out.text("<counters>");
            element(out, "packets", counters.packets);
            element(out, "bytes", counters.bytes);
            out.text("</counters>");
        }
        out.text("</meta>");
    }
    write_independent(out, flow, options);
    if options.timestamp && context.kind != EventKind::Row {
        write_when(out, options);
    }
    if let Some(helper) = rare.and_then(|rare| rare.helper.as_deref()) {
        text_element(out, "helper", helper);
    }
    out.text("</flow>");
}

/// Writes the parts that belong to neither direction. The element is omitted if an entry has none of them.
fn write_independent(out: &mut Vec<u8>, flow: &Flow, options: &PrintOptions<'_>) {
    const OPEN: &str = "<meta direction=\"independent\">";
    let rare = flow.rare.as_deref();
    let begin = out.len();
    out.text(OPEN);
    if let Some(state) = flow.info.as_ref().and_then(names::state) {
        text_element(out, "state", state);
    }
    if let Some(timeout) = flow.timeout {
        element(out, "timeout", timeout);
    }
    if let Some(mark) = flow.mark {
        element(out, "mark", mark.0);
    }
    if let (Some(map), Some(labels)) = (options.labels, flow.labels) {
        write_labels(out, labels, map);
    }
    if let Some(secmark) = rare.and_then(|rare| rare.secmark) {
        element(out, "secmark", secmark);
    }
    if let Some(secctx) = rare.and_then(|rare| rare.security_context.as_deref()) {
        text_element(out, "secctx", secctx);
    }
    if let Some(zone) = zone_of_both(flow) {
        element(out, "zone", zone.0);
    }
    if let Some(uses) = flow.uses {
        element(out, "use", uses);
    }
    if let Some(id) = flow.id {
        element(out, "id", id.0);
    }
    if let Some(status) = flow.status {
        if status.contains(Status::ASSURED) {
            out.text("<assured/>");
        }
        if !status.contains(Status::SEEN_REPLY) {
            out.text("<unreplied/>");
        }
    }
    write_times(out, flow.started, flow.stopped, options);
    // A status without either bit, and labels without names, still produce the element, which is then empty.
    let told = flow.status.is_some() || flow.labels.is_some();
    if told || out.len() > begin.saturating_add(OPEN.len()) {
        out.text("</meta>");
    } else {
        out.truncate(begin);
    }
}

fn write_times(out: &mut Vec<u8>, started: Option<Timestamp>, stopped: Option<Timestamp>, options: &PrintOptions<'_>) {
    if options.kernel_timestamps && (started.is_some() || stopped.is_some()) {
        out.text("<timestamp>");
        if let Some(started) = started {
            element(out, "start", started.0);
        }
        if let Some(stopped) = stopped {
            element(out, "stop", stopped.0);
        }
        out.text("</timestamp>");
    }
    match (started, stopped) {
        // Here the library uses whole seconds of the difference, and does not check whether the end is 0.
        (Some(started), Some(stopped)) => {
            element(out, "deltatime", stopped.0.wrapping_sub(started.0) / 1_000_000_000);
        }
        (Some(started), None) => element(out, "deltatime", options.duration(started, None)),
        (None, _) => {}
    }
}

fn write_labels(out: &mut Vec<u8>, labels: Labels, map: &LabelMap) {
    out.text("<labels>");
    for name in map.names_of(labels) {
        text_element(out, "label", name);
    }
    out.text("</labels>");
}

fn open(out: &mut Vec<u8>, context: &EventContext<'_>) {
    out.text("<flow");
    if let Some(name) = context.name() {
        out.text(" type=\"");
        out.text(name);
        out.push(b'"');
    }
    out.push(b'>');
}

fn write_tuple(out: &mut Vec<u8>, tuple: &Tuple) {
    open_layer3(out, tuple);
    write_addresses(out, tuple);
    out.text("</layer3>");
    open_layer4(out, tuple);
    write_ports(out, tuple);
    out.text("</layer4>");
}

fn open_layer3(out: &mut Vec<u8>, tuple: &Tuple) {
    let (name, number) = names::family(tuple.family());
    open_layer(out, 3, number, name);
}

fn open_layer4(out: &mut Vec<u8>, tuple: &Tuple) {
    open_layer(out, 4, tuple.protocol.0, names::protocol(tuple.protocol).unwrap_or("unknown"));
}

fn open_layer(out: &mut Vec<u8>, layer: u8, number: u8, name: &str) {
    out.text("<layer");
    out.decimal(layer);
    out.text(" protonum=\"");
    out.decimal(number);
    out.text("\" protoname=\"");
    out.text(name);
    out.text("\">");
}

fn write_addresses(out: &mut Vec<u8>, tuple: &Tuple) {
    out.text("<src>");
    out.address(tuple.src);
    out.text("</src><dst>");
    out.address(tuple.dst);
    out.text("</dst>");
}

/// Writes ports or keys. The library writes nothing for ICMP.
fn write_ports(out: &mut Vec<u8>, tuple: &Tuple) {
    if tuple.protocol.has_ports() {
        let (src, dst) = tuple.ports().unwrap_or_default();
        element(out, "sport", src);
        element(out, "dport", dst);
    } else if tuple.protocol == Protocol::GRE {
        let (src, dst) = keys(tuple);
        out.text("<srckey>0x");
        out.hex(u32::from(src));
        out.text("</srckey><dstkey>0x");
        out.hex(u32::from(dst));
        out.text("</dstkey>");
    }
}

/// Writes the local time of printing, part by part. Days of the week count from 1 (Sunday).
fn write_when(out: &mut Vec<u8>, options: &PrintOptions<'_>) {
    let time = options.local(options.now);
    out.text("<when>");
    element(out, "hour", time.hour);
    for (name, part) in [("min", time.minute), ("sec", time.second)] {
        tag(out, name, |out| out.padded(part, 2));
    }
    element(out, "wday", time.weekday.saturating_add(1));
    element(out, "day", time.day);
    element(out, "month", time.month);
    tag(out, "year", |out| time.write_year(out));
    out.text("</when>");
}

fn element(out: &mut Vec<u8>, name: &str, number: impl Into<u64>) {
    tag(out, name, |out| out.decimal(number));
}

fn text_element(out: &mut Vec<u8>, name: &str, text: &str) {
    tag(out, name, |out| escape(out, text));
}

fn tag(out: &mut Vec<u8>, name: &str, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'<');
    out.text(name);
    out.push(b'>');
    content(out);
    out.text("</");
    out.text(name);
    out.push(b'>');
}

/// Escapes markup characters. Control characters, which XML 1.0 cannot express, become U+FFFD.
fn escape(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.text("&lt;"),
            '>' => out.text("&gt;"),
            '&' => out.text("&amp;"),
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.text("\u{fffd}"),
            other => out.text(other.encode_utf8(&mut [0; 4])),
        }
    }
}

/// The zone, if it is not the default.
fn write_zone(out: &mut Vec<u8>, zone: Zone) {
    if zone != Zone(0) {
        element(out, "zone", zone.0);
    }
}
