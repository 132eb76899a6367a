//! Lines of text as `conntrack -L`, `-G`, `-E`, `-D` and `-U` print them.
//!
//! Scripts split these lines at blanks and columns, so every byte equals that of conntrack-tools 1.4.9 with
//! libnetfilter_conntrack 1.1.1. The functions append to a buffer and leave the line end to the caller.

mod expectation;

use alloc::vec::Vec;

use ctwarden_model::{Counters, EventKind, Flow, Labels, Layer4, Protocol, Status, Timestamp, Tuple, Zone};

use crate::append::Append;
use crate::print_options::{event_time, seconds};
use crate::{EventContext, LabelMap, PrintOptions, names};

pub(crate) use expectation::FLAGS as EXPECTATION_FLAGS;
pub use expectation::expectation;

/// Appends the line of a flow.
pub fn flow(out: &mut Vec<u8>, flow: &Flow, context: &EventContext<'_>, options: &PrintOptions<'_>) {
    let rare = flow.rare.as_deref();
    let zones = rare.map(|rare| rare.zones).unwrap_or_default();
    if options.timestamp && context.kind != EventKind::Row {
        write_event_time(out, event_time(flow).unwrap_or(options.now));
    }
    context.write_prefix(out);
    if options.layer3 {
        let (name, number) = names::family(flow.family());
        write_named(out, name, number);
    }
    let protocol = flow.protocol();
    write_named(out, names::protocol(protocol).unwrap_or("unknown"), protocol.0);
    if let Some(timeout) = flow.timeout {
        out.decimal(timeout);
        out.push(b' ');
    }
    if let Some(state) = flow.info.as_ref().and_then(names::state) {
        out.text(state);
        out.push(b' ');
    }
    write_direction(
        out,
        &flow.tuples.original,
        zones.original.map(|zone| ("zone-orig=", zone)),
        flow.counters.original,
    );
    if flow.status.is_some_and(|status| !status.contains(Status::SEEN_REPLY)) {
        out.text("[UNREPLIED] ");
    }
    write_direction(out, &flow.tuples.reply, zones.reply.map(|zone| ("zone-reply=", zone)), flow.counters.reply);
    write_assured(out, flow.status);
    if let Some(mark) = flow.mark {
        write_number(out, "mark=", mark.0);
    }
    if let Some(rare) = rare {
        if let Some(secmark) = rare.secmark {
            write_number(out, "secmark=", secmark);
        }
        if let Some(secctx) = &rare.security_context {
            write_word(out, "secctx=", secctx);
        }
    }
    if let Some(zone) = zone_of_both(flow) {
        write_number(out, "zone=", zone.0.into());
    }
    if let Some(started) = flow.started {
        write_times(out, started, flow.stopped, options);
    }
    if let Some(helper) = rare.and_then(|rare| rare.helper.as_deref()) {
        write_word(out, "helper=", helper);
    }
    if let Some(uses) = flow.uses {
        write_number(out, "use=", uses);
    }
    if let Some(id) = flow.id.filter(|_| options.id) {
        write_number(out, "id=", id.0);
    }
    if let (Some(map), Some(labels)) = (options.labels, flow.labels) {
        write_labels(out, labels, map);
    }
    out.drop_blank();
    context.write_userspace(out);
}

/// The zone of both directions, if it is not the default; `None` if the zones differ by direction.
pub(crate) fn zone_of_both(flow: &Flow) -> Option<Zone> {
    let by_direction = flow.rare.as_ref().is_some_and(|rare| rare.zones.original.is_some());
    (flow.zone != Zone(0) && !by_direction).then_some(flow.zone)
}

/// The event's time in microseconds, `[1795360829.974732]`, and a tab.
fn write_event_time(out: &mut Vec<u8>, moment: Timestamp) {
    out.push(b'[');
    out.padded(seconds(moment), 8);
    out.push(b'.');
    out.padded(moment.0 % 1_000_000_000 / 1_000, 6);
    out.text("]\t");
}

/// A name in a column of eight characters, and its number.
pub(crate) fn write_named(out: &mut Vec<u8>, name: &str, number: u8) {
    out.text(name);
    out.text("        ".get(name.len()..).unwrap_or_default());
    out.push(b' ');
    out.decimal(number);
    out.push(b' ');
}

fn write_number(out: &mut Vec<u8>, key: &str, number: u32) {
    out.text(key);
    out.decimal(number);
    out.push(b' ');
}

fn write_word(out: &mut Vec<u8>, key: &str, word: &str) {
    out.text(key);
    out.plain(word);
    out.push(b' ');
}

#[inline]
fn write_direction(out: &mut Vec<u8>, tuple: &Tuple, zone: Option<(&str, Zone)>, counters: Option<Counters>) {
    write_tuple(out, tuple, ("src=", "dst="));
    if let Some((key, zone)) = zone {
        write_number(out, key, u32::from(zone.0));
    }
    if let Some(Counters { packets, bytes }) = counters {
        out.text("packets=");
        out.decimal(packets);
        out.text(" bytes=");
        out.decimal(bytes);
        out.push(b' ');
    }
}

/// Both addresses under the given keys, and the parts that the protocol adds.
#[inline]
fn write_tuple(out: &mut Vec<u8>, tuple: &Tuple, keys: (&str, &str)) {
    out.text(keys.0);
    out.address(tuple.src);
    out.push(b' ');
    out.text(keys.1);
    out.address(tuple.dst);
    out.push(b' ');
    write_layer4(out, tuple);
}

/// Writes the parts that the library knows for the protocol. A part that the kernel did not send is 0.
pub(crate) fn write_layer4(out: &mut Vec<u8>, tuple: &Tuple) {
    match tuple.protocol {
        protocol if protocol.has_ports() => {
            let (src, dst) = tuple.ports().unwrap_or_default();
            out.text("sport=");
            out.decimal(src);
            out.text(" dport=");
            out.decimal(dst);
            out.push(b' ');
        }
        Protocol::ICMP | Protocol::ICMPV6 => {
            let (kind, code, id) = icmp(tuple);
            out.text("type=");
            out.decimal(kind);
            out.text(" code=");
            out.decimal(code);
            out.text(" id=");
            out.decimal(id);
            out.push(b' ');
        }
        Protocol::GRE => {
            let (src, dst) = keys(tuple);
            out.text("srckey=0x");
            out.hex(u32::from(src));
            out.text(" dstkey=0x");
            out.hex(u32::from(dst));
            out.push(b' ');
        }
        Protocol(_) => {}
    }
}

const fn icmp(tuple: &Tuple) -> (u8, u8, u16) {
    match tuple.layer4 {
        Layer4::Icmp { id, kind, code } => (kind, code, id),
        Layer4::None | Layer4::Ports { .. } | Layer4::Keys { .. } => (0, 0, 0),
    }
}

/// Keys of GRE; 0 if the kernel sent none.
pub(crate) const fn keys(tuple: &Tuple) -> (u16, u16) {
    match tuple.layer4 {
        Layer4::Keys { src, dst } | Layer4::Ports { src, dst } => (src, dst),
        Layer4::None | Layer4::Icmp { .. } => (0, 0),
    }
}

/// Writes the strongest of the flags that protect an entry from eviction.
pub(crate) fn write_assured(out: &mut Vec<u8>, status: Option<Status>) {
    let Some(status) = status else { return };
    out.text(if status.contains(Status::HW_OFFLOAD) {
        "[HW_OFFLOAD] "
    } else if status.contains(Status::OFFLOAD) {
        "[OFFLOAD] "
    } else if status.contains(Status::ASSURED) {
        "[ASSURED] "
    } else {
        ""
    });
}

fn write_times(out: &mut Vec<u8>, started: Timestamp, stopped: Option<Timestamp>, options: &PrintOptions<'_>) {
    out.text("delta-time=");
    out.decimal(options.duration(started, stopped));
    out.push(b' ');
    if options.kernel_timestamps {
        out.text("[start=");
        options.local(started).write_ctime(out);
        out.text("] ");
        if let Some(stopped) = stopped {
            out.text("[stop=");
            options.local(stopped).write_ctime(out);
            out.text("] ");
        }
    }
}

/// Writes the names of the bits that have one. If no bit has a name, the library overwrites its `=`.
fn write_labels(out: &mut Vec<u8>, labels: Labels, map: &LabelMap) {
    out.text("labels");
    let mut sign = b'=';
    for name in map.names_of(labels) {
        out.push(sign);
        out.text(name);
        sign = b',';
    }
    out.push(b' ');
}
