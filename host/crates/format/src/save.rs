//! Lines of `-o save`: command lines that make the entry again.
//!
//! Words, order and spelling are those of conntrack-tools 1.4.9, so that a line without rare attributes is the same and
//! either program loads it. What 1.4.9 leaves out stands at the end of the line, and only where the entry has it, first in
//! words that 1.4.9 can read:
//!
//! | words | attribute |
//! |---|---|
//! | `-m N` | mark that is not 0 |
//! | `--label-add A,B` | labels: the name of the bit, or `#` and its number where it has none |
//!
//! then in words of our own:
//!
//! | words | attribute |
//! |---|---|
//! | `--helper NAME` | helper |
//! | `--helper-info HEX` | the helper's private data |
//! | `--reply-icmp-id N` | ICMP identifier of the reply, where it is translated |
//! | `--orig-wscale N`, `--reply-wscale N` | TCP window scale that is not 0 |
//! | `--orig-tcp-flags N`, `--reply-tcp-flags N` | TCP flags (`IP_CT_TCP_FLAG_*`) that are not 0; all of them count |
//! | `--handshake-seq N` | DCCP handshake sequence number that is not 0 |
//! | `--orig-seqadj POS,BEFORE,AFTER`, `--reply-seqadj …` | sequence adjustment, in decimal, offsets signed |
//! | `--synproxy ISN,ITS,TSOFF` | SYN proxy |
//! | `--master PROTOCOL,SRC,DST[,…]` | master's original tuple; behind the addresses both ports or keys, or ICMP type, code, id |
//!
//! `-u` has one word more than the original prints, `HELPER`, and a state without a name is its number. A `-U` line has no
//! master, which the kernel takes only for a new entry, and a `-D` line nothing of all this. Counters, times and the
//! security context cannot be given to the kernel, and an id cannot be chosen.

mod extra;

use alloc::vec::Vec;

use ctwarden_model::{DccpState, EventKind, Flow, Layer4, Protocol, ProtocolInfo, SctpState, Status, TcpState};

use crate::append::Append;
use crate::text::zone_of_both;
use crate::{LabelMap, Occasion, names};

/// Bits that `-u` has a word for, in the order in which they are printed.
const STATUS: [(Status, &str); 5] = [
    (Status::EXPECTED, "EXPECTED"),
    (Status::SEEN_REPLY, "SEEN_REPLY"),
    (Status::ASSURED, "ASSURED"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    (Status::HELPER, "HELPER"),
];

/// Appends the line of a flow, without a line's end: `-A` for rows and new flows, `-U` for changes, `-D` for ends. `labels`
/// are the names of label bits; without them bits are written by number.
pub fn flow(out: &mut Vec<u8>, flow: &Flow, occasion: &Occasion<'_>, labels: Option<&LabelMap>) {
    let rare = flow.rare.as_deref();
    out.text(match occasion.kind {
        EventKind::Row | EventKind::New => "-A ",
        EventKind::Update => "-U ",
        EventKind::Destroy => "-D ",
    });
    if let Some(timeout) = flow.timeout {
        option(out, "-t", timeout);
    }
    if let Some(status) = flow.status {
        write_status(out, status);
    }
    if let Some(secmark) = rare.and_then(|rare| rare.secmark) {
        option(out, "-c", secmark);
    }
    if let Some(zone) = zone_of_both(flow) {
        option(out, "-w", zone.0);
    }
    let zones = rare.map(|rare| rare.zones).unwrap_or_default();
    for (name, zone) in [("--orig-zone", zones.original), ("--reply-zone", zones.reply)] {
        if let Some(zone) = zone {
            option(out, name, zone.0);
        }
    }
    write_addresses(out, flow);
    write_protocol(out, flow);
    match occasion.kind {
        EventKind::Row | EventKind::New | EventKind::Update => extra::write(out, flow, labels, occasion.kind),
        // The line has to name the entry, and 1.4.9 does that.
        EventKind::Destroy => {}
    }
    out.drop_blank();
    occasion.write_userspace(out);
}

fn write_status(out: &mut Vec<u8>, status: Status) {
    out.text("-u ");
    let mut some = false;
    for (_, name) in STATUS.into_iter().filter(|(bit, _)| status.contains(*bit)) {
        if some {
            out.push(b',');
        }
        some = true;
        out.text(name);
    }
    out.text(if some { " " } else { "UNSET " });
}

/// The four addresses. A translated one has the option of the translation, provided that the status says that it is done.
fn write_addresses(out: &mut Vec<u8>, flow: &Flow) {
    let original = &flow.tuples.original;
    let reply = &flow.tuples.reply;
    let done = |bit| flow.status.is_none_or(|status| status.contains(bit));
    let destination = reply.src != original.dst && done(Status::DST_NAT_DONE);
    let source = reply.dst != original.src && done(Status::SRC_NAT_DONE);
    let addresses = [
        ("-s ", original.src),
        ("-d ", original.dst),
        (if destination { "-g " } else { "-r " }, reply.src),
        (if source { "-n " } else { "-q " }, reply.dst),
    ];
    for (name, address) in addresses {
        out.text(name);
        out.address(address);
        out.push(b' ');
    }
}

/// The protocol, and what the kernel sent of its part of the tuples and of its state.
fn write_protocol(out: &mut Vec<u8>, flow: &Flow) {
    let protocol = flow.protocol();
    out.text("-p ");
    let Some(name) = names::protocol(protocol) else {
        out.decimal(protocol.0);
        out.push(b' ');
        return;
    };
    out.text(name);
    out.push(b' ');
    let [original, reply] = match protocol {
        Protocol::GRE => [["--srckey", "--dstkey"], ["--reply-key-src", "--reply-key-dst"]],
        _ => [["--sport", "--dport"], ["--reply-port-src", "--reply-port-dst"]],
    };
    for (names, tuple) in [(original, &flow.tuples.original), (reply, &flow.tuples.reply)] {
        if let Layer4::Ports { src, dst } | Layer4::Keys { src, dst } = tuple.layer4 {
            for (name, number) in names.into_iter().zip([src, dst]) {
                option(out, name, number);
            }
        }
    }
    if let Layer4::Icmp { id, kind, code } = flow.tuples.original.layer4 {
        let names = match protocol {
            Protocol::ICMPV6 => ["--icmpv6-type", "--icmpv6-code", "--icmpv6-id"],
            _ => ["--icmp-type", "--icmp-code", "--icmp-id"],
        };
        for (name, number) in names.into_iter().zip([u16::from(kind), u16::from(code), id]) {
            option(out, name, number);
        }
    }
    if let Some(info) = &flow.info {
        write_info(out, info);
    }
}

fn write_info(out: &mut Vec<u8>, info: &ProtocolInfo) {
    match info {
        ProtocolInfo::Tcp { state, .. } => write_state(out, state.map(|state| (state.0, TcpState::name(state)))),
        ProtocolInfo::Sctp { state, vtag } => {
            write_state(out, state.map(|state| (state.0, SctpState::name(state))));
            for (name, vtag) in [("--orig-vtag", vtag.original), ("--reply-vtag", vtag.reply)] {
                if let Some(vtag) = vtag {
                    option(out, name, vtag);
                }
            }
        }
        ProtocolInfo::Dccp { state, role, .. } => {
            write_state(out, state.map(|state| (state.0, DccpState::name(state))));
            // The header knows two roles, and the option takes no other.
            if let Some(role @ (0 | 1)) = role {
                out.text(if *role == 0 { "--role client " } else { "--role server " });
            }
        }
    }
}

fn write_state(out: &mut Vec<u8>, state: Option<(u8, Option<&'static str>)>) {
    match state {
        Some((_, Some(name))) => {
            out.text("--state ");
            out.text(name);
            out.push(b' ');
        }
        Some((number, None)) => option(out, "--state", number),
        None => {}
    }
}

/// An option with a number.
fn option(out: &mut Vec<u8>, name: &str, number: impl Into<u64>) {
    out.text(name);
    out.push(b' ');
    out.decimal(number);
    out.push(b' ');
}
