//! Lines of `/proc/net/nf_conntrack`, as the kernel writes them (net/netfilter/nf_conntrack_standalone.c,
//! `ct_seq_show`).
//!
//! They resemble `conntrack -L -o extended`, but differ: IPv6 addresses have all eight groups, the zone is always
//! present, GRE shows its own timeouts, an offloaded entry has no timeout, and id, labels and helper are missing.

use alloc::vec::Vec;

use ctwarden_model::{
    Counters, DccpState, Flow, Layer4, Protocol, ProtocolInfo, SctpState, Status, TcpState, Timestamp, Tuple,
};

use crate::append::Append;
use crate::names;
use crate::print_options::seconds;
use crate::text::{write_assured, write_layer4, write_named};

/// Appends the line of a flow, without a line end. `now` is the end of a flow that has not ended. Only the kernel knows
/// the timeouts that GRE shows from its template; they are 0 here, as for an entry that was created by request.
pub fn flow(out: &mut Vec<u8>, flow: &Flow, now: Timestamp) {
    let rare = flow.rare.as_deref();
    let zones = rare.map(|rare| rare.zones).unwrap_or_default();
    let is = |bit| flow.status.is_some_and(|status| status.contains(bit));
    let (family, number) = names::family(flow.family());
    write_named(out, family, number);
    let protocol = flow.protocol();
    write_named(out, name(&flow.tuples.original), protocol.0);
    if let Some(timeout) = flow.timeout.filter(|_| !is(Status::OFFLOAD)) {
        out.decimal(timeout);
        out.push(b' ');
    }
    write_state(out, flow.info.as_ref(), is(Status::OFFLOAD));
    if protocol == Protocol::GRE {
        out.text("timeout=0, stream_timeout=0 ");
    }
    write_tuple(out, &flow.tuples.original);
    if let Some(zone) = zones.original {
        write_number(out, "zone-orig=", zone.0);
    }
    write_counters(out, flow.counters.original);
    if flow.status.is_some() && !is(Status::SEEN_REPLY) {
        out.text("[UNREPLIED] ");
    }
    write_tuple(out, &flow.tuples.reply);
    if let Some(zone) = zones.reply {
        write_number(out, "zone-reply=", zone.0);
    }
    write_counters(out, flow.counters.reply);
    write_assured(out, flow.status);
    if let Some(mark) = flow.mark {
        write_number(out, "mark=", mark.0);
    }
    if let Some(context) = rare.and_then(|rare| rare.security_context.as_deref()) {
        out.text("secctx=");
        out.plain(context);
        out.push(b' ');
    }
    if zones.original.is_none() && zones.reply.is_none() {
        write_number(out, "zone=", flow.zone.0);
    }
    if let Some(started) = flow.started {
        write_number(out, "delta-time=", seconds(now).saturating_sub(seconds(started)));
    }
    if let Some(uses) = flow.uses {
        write_number(out, "use=", uses);
    }
    out.drop_blank();
}

/// The kernel's name of a protocol. Kernels that track DCCP show its ports (up to Linux 6.16); other kernels do not
/// know DCCP.
fn name(tuple: &Tuple) -> &'static str {
    match (tuple.protocol, tuple.layer4) {
        (Protocol::DCCP, Layer4::None) => "unknown",
        (protocol, _) => names::protocol(protocol).unwrap_or("unknown"),
    }
}

/// Writes the state. No kernel has states above the last named one.
fn write_state(out: &mut Vec<u8>, info: Option<&ProtocolInfo>, offloaded: bool) {
    let name = match info {
        Some(ProtocolInfo::Tcp { state, .. }) => state.filter(|_| !offloaded).and_then(TcpState::name),
        Some(ProtocolInfo::Sctp { state, .. }) => state.and_then(SctpState::name),
        Some(ProtocolInfo::Dccp { state, .. }) => state.and_then(DccpState::name),
        None => None,
    };
    if let Some(name) = name {
        out.text(name);
        out.push(b' ');
    }
}

fn write_tuple(out: &mut Vec<u8>, tuple: &Tuple) {
    out.text("src=");
    out.kernel_address(tuple.src);
    out.text(" dst=");
    out.kernel_address(tuple.dst);
    out.push(b' ');
    if tuple.layer4 != Layer4::None {
        write_layer4(out, tuple);
    }
}

fn write_counters(out: &mut Vec<u8>, counters: Option<Counters>) {
    if let Some(Counters { packets, bytes }) = counters {
        write_number(out, "packets=", packets);
        write_number(out, "bytes=", bytes);
    }
}

fn write_number(out: &mut Vec<u8>, key: &str, number: impl Into<u64>) {
    out.text(key);
    out.decimal(number);
    out.push(b' ');
}
