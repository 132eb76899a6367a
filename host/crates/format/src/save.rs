//! Lines of `-o save`: command lines that create the entry again.
//!
//! Words, order and spelling are those of conntrack-tools 1.4.9: a line without rare attributes is identical, and
//! either program loads it. Attributes that 1.4.9 leaves out follow at the end of the line, except ports of
//! translations, which are in their usual place. They are written only if the entry has them, in words that 1.4.9 can
//! read if such words exist:
//!
//! | words | attribute |
//! |---|---|
//! | `-m N` | mark that is not 0 |
//! | `-n ADDR:PORT`, `-g ADDR:PORT` | a translation of the port only, or of ports both ways |
//! | `--label-add A,B` | labels: the name of the bit, or `#` and its number if it has no name |
//!
//! Other attributes have options that only ctwarden knows:
//!
//! | words | attribute |
//! |---|---|
//! | `--helper NAME` | helper |
//! | `--helper-info HEX` | the helper's private data |
//! | `--reply-icmp-id N` | ICMP identifier of the reply, if it is translated |
//! | `--orig-wscale N`, `--reply-wscale N` | TCP window scale that is not 0 |
//! | `--orig-tcp-flags N`, `--reply-tcp-flags N` | TCP flags (`IP_CT_TCP_FLAG_*`) that `--state` does not give |
//! | `--handshake-seq N` | DCCP handshake sequence number that is not 0 |
//! | `--orig-seqadj POS,BEFORE,AFTER`, `--reply-seqadj …` | sequence adjustment, in decimal, offsets signed |
//! | `--synproxy ISN,ITS,TSOFF` | SYN proxy, if not all three numbers are 0 |
//! | `--master PROTOCOL,SRC,DST[,…]` | master's original tuple; `[,…]`: both ports or keys, or ICMP type, code, id |
//!
//! As in 1.4.9, the bytes of `--orig-vtag` and `--reply-vtag` are in the wrong order on a little-endian machine. As in
//! 1.4.9, `--state` creates an entry with the TCP flags 10, SACK permitted and liberal (14, with the close begun, from
//! `TIME_WAIT` on); if flags are given, all bits count. `-u` has one more word than in 1.4.9, `HELPER`, and a state
//! without a name is written as its number. A `-U` line has no master, which the kernel accepts only for a new entry,
//! and a `-D` line has none of these attributes. Counters, times, the security context and its old number cannot be
//! sent to the kernel, and an id cannot be chosen.
//!
//! Not every entry has a line that can be read back: [`lack`] names the reason.

mod extra;
mod lack;
mod option;

use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{
    DccpState, EventKind, Flow, Layer4, PerDirection, Protocol, ProtocolInfo, SctpState, Status, TcpState, Tuple,
};

use crate::append::Append;
use crate::text::zone_of_both;
use crate::{EventContext, LabelMap, Userspace, names};

use option::option;

pub use lack::{Lack, lack};

/// Status bits that `-u` has a word for, in the order of the output.
const STATUS: [(Status, &str); 5] = [
    (Status::EXPECTED, "EXPECTED"),
    (Status::SEEN_REPLY, "SEEN_REPLY"),
    (Status::ASSURED, "ASSURED"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    (Status::HELPER, "HELPER"),
];

/// Appends the line of a flow, without a line end: `-A` for rows and new flows, `-U` for changes, `-D` for ends. The
/// line can be read back if the flow has no [`lack`]. `labels` are the names of label bits; without them bits are
/// written by number.
pub fn flow(out: &mut Vec<u8>, flow: &Flow, context: &EventContext<'_>, labels: Option<&LabelMap>) {
    let rare = flow.rare.as_deref();
    out.text(match context.kind {
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
    write_protocol(out, flow, context.kind);
    match context.kind {
        EventKind::Row | EventKind::New | EventKind::Update => extra::write(out, flow, labels, context.kind),
        // The line has to name the entry, as in 1.4.9.
        EventKind::Destroy => {}
    }
    out.drop_blank();
    // A program can have any name, even one that would be options here.
    let plain = |program: &&str| extra::is_word(program);
    let userspace = context.userspace.map(|who| Userspace { program: who.program.filter(plain), ..who });
    EventContext { userspace, ..*context }.write_userspace(out);
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

/// Writes the four addresses. A translated address has the option of the translation, provided that the status says
/// that the translation is done.
///
/// 1.4.9 compares addresses only, so it loses a translation of only the port when it loads such a line. It takes the
/// ports of an entry that is translated both ways only from these options, so the options name the port in that case,
/// too.
fn write_addresses(out: &mut Vec<u8>, flow: &Flow) {
    let PerDirection { original, reply } = &flow.tuples;
    let (before, after) = (ends(&original.reversed()), ends(reply));
    let bits = (Status::SRC_NAT, Status::SRC_NAT_DONE);
    let source = End::of(flow.status, bits, (original.src, reply.dst), (before.1, after.1));
    let bits = (Status::DST_NAT, Status::DST_NAT_DONE);
    let destination = End::of(flow.status, bits, (original.dst, reply.src), (before.0, after.0));
    let both = source.is_some() && destination.is_some();
    out.text("-s ");
    out.address(original.src);
    out.text(" -d ");
    out.address(original.dst);
    for (translated, plain, end, address) in
        [(" -g ", " -r ", destination, reply.src), (" -n ", " -q ", source, reply.dst)]
    {
        out.text(if end.is_some() { translated } else { plain });
        match end.and_then(|end| end.port.filter(|_| both || end.port_only)) {
            Some(port) => write_address_and_port(out, address, port),
            None => out.address(address),
        }
    }
    out.push(b' ');
}

#[derive(Clone, Copy)]
struct End {
    /// The port, if it is translated.
    port: Option<u16>,
    /// Whether only the port is translated, and not the address.
    port_only: bool,
}

impl End {
    /// Compares address and port of an end before and after. `translated` and `done` are the status bits of this end.
    /// Returns `None` if the line must not have a translation for this end.
    fn of(
        status: Option<Status>,
        (translated, done): (Status, Status),
        addresses: (IpAddr, IpAddr),
        ports: (Option<u16>, Option<u16>),
    ) -> Option<Self> {
        let port = ports.1.filter(|_| ports.0 != ports.1);
        if addresses.0 != addresses.1 {
            status.is_none_or(|status| status.contains(done)).then_some(Self { port, port_only: false })
        } else {
            let told = status.is_some_and(|status| status.contains(translated));
            (told && port.is_some()).then_some(Self { port, port_only: true })
        }
    }
}

/// The parts of each end, besides the address, that may be translated. An ICMP identifier belongs to the sender of the
/// original direction.
const fn ends(tuple: &Tuple) -> (Option<u16>, Option<u16>) {
    match tuple.layer4 {
        Layer4::None => (None, None),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (Some(src), Some(dst)),
        Layer4::Icmp { id, .. } => (None, Some(id)),
    }
}

fn write_address_and_port(out: &mut Vec<u8>, address: IpAddr, port: u16) {
    if address.is_ipv6() {
        out.push(b'[');
    }
    out.address(address);
    out.text(if address.is_ipv6() { "]:" } else { ":" });
    out.decimal(port);
}

/// Writes the protocol and, as far as the kernel sent them, its part of the tuples and its state.
fn write_protocol(out: &mut Vec<u8>, flow: &Flow, kind: EventKind) {
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
        write_info(out, info, kind);
    }
}

/// Writes the state, tags and role. Only commands for a new entry or a change take tags, and only commands for a new
/// entry take roles.
fn write_info(out: &mut Vec<u8>, info: &ProtocolInfo, kind: EventKind) {
    match info {
        ProtocolInfo::Tcp { state, .. } => write_state(out, state.map(|state| (state.0, TcpState::name(state)))),
        ProtocolInfo::Sctp { state, vtag } => {
            write_state(out, state.map(|state| (state.0, SctpState::name(state))));
            for (name, vtag) in [("--orig-vtag", vtag.original), ("--reply-vtag", vtag.reply)] {
                if let Some(vtag) = vtag.filter(|_| kind != EventKind::Destroy) {
                    // 1.4.9 swaps the bytes once too often, both here and when it reads the option: its tag 17 is
                    // 0x11000000 in packets. The option is 1.4.9's, so it must mean the same here.
                    option(out, name, vtag.to_be());
                }
            }
        }
        ProtocolInfo::Dccp { state, role, .. } => {
            write_state(out, state.map(|state| (state.0, DccpState::name(state))));
            // The kernel's header knows two roles, and the option takes no other.
            if let Some(role @ (0 | 1)) = role
                && matches!(kind, EventKind::Row | EventKind::New)
            {
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
