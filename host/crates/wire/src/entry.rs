//! Writes an entry as the kernel would send it.
//!
//! This module is the counterpart of the view. It writes recordings and the input of tests. If it writes a captured row
//! again, the result equals the captured row.

use alloc::vec::Vec;

use ctwarden_model::{EventKind, Flow, Rare};

use crate::emit::{Emit, Head};
use crate::message::{CONNTRACK, Flags};
use crate::nfnetlink_conntrack::{cta, ctnl};
use crate::request::family_number;
use crate::{
    counters, helper, labels, protocol_info, security_context, sequence_adjustment, synproxy, timestamps, tuple,
};

/// Sender and cause of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Sequence number of the request or event (`nlmsg_seq`).
    pub sequence: u32,
    /// Port of the socket that caused the message, 0 for the kernel (`nlmsg_pid`).
    pub port: u32,
}

/// Appends the entry as an event or a row of a dump, with its attributes in the order of a row.
pub fn write_entry(buffer: &mut Vec<u8>, origin: Origin, kind: EventKind, flow: &Flow) {
    let (message, flags) = match kind {
        EventKind::Row => (ctnl::NEW, Flags::MULTI),
        EventKind::New => (ctnl::NEW, Flags::CREATE.with(Flags::EXCLUSIVE)),
        EventKind::Update => (ctnl::NEW, Flags(0)),
        EventKind::Destroy => (ctnl::DELETE, Flags(0)),
    };
    let head = Head {
        kind: CONNTRACK | message,
        flags: flags.0,
        sequence: origin.sequence,
        port: origin.port,
        family: family_number(flow.family()),
        version: 0,
    };
    Emit::message(buffer, head, |message| write_attributes(message, flow));
}

fn write_attributes(message: &mut Emit<'_>, flow: &Flow) {
    let none = Rare::default();
    let rare = flow.rare.as_deref().unwrap_or(&none);
    tuple::write(message, cta::TUPLE_ORIG, &flow.tuples.original, rare.zones.original);
    tuple::write(message, cta::TUPLE_REPLY, &flow.tuples.reply, rare.zones.reply);
    // If only the original direction has a zone, that zone is in the tuple and is the flow's zone.
    if flow.zone != rare.zones.original.unwrap_or_default() {
        message.be16(cta::ZONE, flow.zone.0);
    }
    write_number(message, cta::STATUS, flow.status.map(|status| status.0));
    write_number(message, cta::MARK, flow.mark.map(|mark| mark.0));
    write_number(message, cta::SECMARK, rare.secmark);
    if let Some(context) = &rare.security_context {
        security_context::write(message, context);
    }
    write_number(message, cta::ID, flow.id.map(|id| id.0));
    write_number(message, cta::USE, flow.uses);
    if let Some(master) = &rare.master {
        tuple::write(message, cta::TUPLE_MASTER, master, None);
    }
    write_number(message, cta::TIMEOUT, flow.timeout);
    if let Some(info) = &flow.info {
        protocol_info::write(message, info);
    }
    if let Some(counted) = flow.counters.original {
        counters::write(message, cta::COUNTERS_ORIG, counted);
    }
    if let Some(counted) = flow.counters.reply {
        counters::write(message, cta::COUNTERS_REPLY, counted);
    }
    timestamps::write(message, (flow.started, flow.stopped));
    helper::write(message, rare.helper.as_deref(), rare.helper_info.as_deref());
    if let Some(bits) = flow.labels {
        labels::write(message, cta::LABELS, bits.0);
    }
    if let Some(adjustment) = rare.sequence.original {
        sequence_adjustment::write(message, cta::SEQ_ADJ_ORIG, adjustment);
    }
    if let Some(adjustment) = rare.sequence.reply {
        sequence_adjustment::write(message, cta::SEQ_ADJ_REPLY, adjustment);
    }
    if let Some(proxy) = rare.synproxy {
        synproxy::write(message, proxy);
    }
    for unknown in &rare.unknown {
        message.bytes(unknown.number, &unknown.payload);
    }
}

fn write_number(message: &mut Emit<'_>, number: u16, value: Option<u32>) {
    if let Some(value) = value {
        message.be32(number, value);
    }
}
