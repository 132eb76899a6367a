//! Requests to the kernel: each function appends one message to a buffer.
//!
//! The caller owns the buffer and can reuse it; many requests go into one send. The caller also chooses the sequence
//! numbers, which match answers to requests. The port is 0, which the kernel fills in.

use alloc::vec::Vec;

use ctwarden_model::{Family, Flow, FlowKey, Masked, PerDirection, Rare, Status, Tuple, Update, Zone};

use crate::emit::{Emit, Head};
use crate::exact_filter::ExactFilter;
use crate::kernel_filter::{Ipv4Parts, KernelFilter};
use crate::message::{CONNTRACK, EXPECTATION, Flags};
use crate::nfnetlink_conntrack::{cta, cta_filter, cta_ip, cta_proto, cta_tuple, ctnl, ctnl_exp};
use crate::{helper, labels, nat, protocol_info, sequence_adjustment, synproxy, tuple};

pub mod expectation;
pub mod manual_request;

/// `AF_INET` and `AF_INET6` (linux/socket.h).
pub(crate) const fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

/// `CTA_FILTER_F_*` (net/netfilter/nf_conntrack_netlink.c): bits of `CTA_FILTER_ORIG_FLAGS` and
/// `CTA_FILTER_REPLY_FLAGS`, one for each part of a tuple to compare. No public header of the kernel has them.
mod filter_flags {
    pub(super) const IP_SRC: u32 = 1;
    pub(super) const IP_DST: u32 = 1 << 1;
    pub(super) const PROTO_NUM: u32 = 1 << 3;
    pub(super) const SRC_PORT: u32 = 1 << 4;
    pub(super) const DST_PORT: u32 = 1 << 5;
}

fn request(kind: u16, flags: Flags, sequence: u32, family: Option<Family>) -> Head {
    Head {
        kind,
        flags: Flags::REQUEST.with(flags).0,
        sequence,
        port: 0,
        family: family.map_or(0, family_number),
        version: 0,
    }
}

const NONE: Flags = Flags(0);

const fn acked(ack: bool) -> Flags {
    if ack { Flags::ACK } else { NONE }
}

/// Requests every entry that the filter passes. The answer has one message for each entry, then a done message.
pub fn dump(buffer: &mut Vec<u8>, sequence: u32, filter: &KernelFilter) {
    dump_as(buffer, ctnl::GET, sequence, filter);
}

/// As [`dump`], and also resets the counters of each entry to zero as it is read.
pub fn dump_and_zero(buffer: &mut Vec<u8>, sequence: u32, filter: &KernelFilter) {
    dump_as(buffer, ctnl::GET_CTRZERO, sequence, filter);
}

fn dump_as(buffer: &mut Vec<u8>, kind: u16, sequence: u32, filter: &KernelFilter) {
    let head = request(CONNTRACK | kind, Flags::DUMP, sequence, filter.family);
    Emit::message(buffer, head, |message| write_filter(message, filter));
}

/// Requests the entries that are dead but still wait for the delivery of their destroy event. The kernel filters them
/// by family only.
pub fn dump_dying(buffer: &mut Vec<u8>, sequence: u32, family: Option<Family>) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_DYING, Flags::DUMP, sequence, family), |_| {});
}

/// Requests the entries of packets that have not left yet. Since Linux 6.1 there are none, because the kernel keeps no
/// list of them.
pub fn dump_unconfirmed(buffer: &mut Vec<u8>, sequence: u32, family: Option<Family>) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_UNCONFIRMED, Flags::DUMP, sequence, family), |_| {});
}

/// Requests one entry, found by tuple and zone, in either direction. The answer carries the id and the original tuple.
/// A caller that means one certain flow compares them.
pub fn get(buffer: &mut Vec<u8>, sequence: u32, key: &FlowKey) {
    let head = request(CONNTRACK | ctnl::GET, NONE, sequence, Some(key.original.family()));
    Emit::message(buffer, head, |message| write_place(message, &key.original, key.zone));
}

/// Removes one entry, by tuple, zone and id. The answer is `ENOENT` if the entry is gone or another flow has its tuple.
pub fn delete(buffer: &mut Vec<u8>, sequence: u32, ack: bool, key: &FlowKey) {
    let head = request(CONNTRACK | ctnl::DELETE, acked(ack), sequence, Some(key.original.family()));
    Emit::message(buffer, head, |message| {
        write_place(message, &key.original, key.zone);
        message.be32(cta::ID, key.id.0);
    });
}

/// Removes every entry that matches, with one acknowledgement for all. Read [`ExactFilter::least_kernel`] first.
pub fn delete_matching(buffer: &mut Vec<u8>, sequence: u32, filter: &ExactFilter) {
    let filter = filter.kernel();
    // For a delete without a tuple, the kernel uses the family only if the version of the message is not 0.
    let version = u8::from(filter.family.is_some());
    let head = Head { version, ..request(CONNTRACK | ctnl::DELETE, Flags::ACK, sequence, filter.family) };
    Emit::message(buffer, head, |message| write_filter(message, filter));
}

/// Changes one entry, found by tuple and zone, in either direction. The kernel does not compare the id here. A caller
/// that is not sure of the flow requests the entry first.
///
/// Mark and labels change under their masks inside the kernel. Bits that others set at the same moment stay.
pub fn update(buffer: &mut Vec<u8>, sequence: u32, ack: bool, update: &Update) {
    update_as(buffer, acked(ack), sequence, update);
}

/// As [`update`], and the kernel also sends the changed entry (`NLM_F_ECHO`), before the acknowledgement if there is
/// one. The message carries the id, which identifies the flow that was changed.
///
/// The message is the event of the change, sent to the requesting socket as well. So it has the port of that socket and
/// the sequence number 0. The kernel sends none for entries that were created while nobody listened for events
/// (`net.netfilter.nf_conntrack_events`), or for which a rule turned off events of changes.
pub fn update_echoed(buffer: &mut Vec<u8>, sequence: u32, ack: bool, update: &Update) {
    update_as(buffer, acked(ack).with(Flags::ECHO), sequence, update);
}

fn update_as(buffer: &mut Vec<u8>, flags: Flags, sequence: u32, update: &Update) {
    let key = &update.key;
    let head = request(CONNTRACK | ctnl::NEW, flags, sequence, Some(key.original.family()));
    Emit::message(buffer, head, |message| {
        write_place(message, &key.original, key.zone);
        if let Some(seconds) = update.timeout {
            message.be32(cta::TIMEOUT, seconds);
        }
        if let Some(mark) = update.mark {
            write_masked(message, cta::MARK, cta::MARK_MASK, mark);
        }
        if let Some(change) = update.labels {
            labels::write(message, cta::LABELS, change.set);
            labels::write(message, cta::LABELS_MASK, change.mask());
        }
    });
}

/// Creates an entry, with an acknowledgement. The answer is `EEXIST` if its tuple is taken.
///
/// The kernel refuses an entry without a timeout (`EINVAL`), and accepts no id, counters, timestamps or security
/// context. A reply tuple that is not the reversed original becomes address translation, and the kernel sets the status
/// bits that it controls. So any row or event can be created again.
pub fn create(buffer: &mut Vec<u8>, sequence: u32, flow: &Flow) {
    let flags = Flags::ACK.with(Flags::CREATE).with(Flags::EXCLUSIVE);
    let head = request(CONNTRACK | ctnl::NEW, flags, sequence, Some(flow.family()));
    Emit::message(buffer, head, |message| {
        let reply = flow.tuples.original.reversed();
        write_new(message, flow, &reply, |message| nat::write(message, &flow.tuples));
    });
}

/// Writes all parts of a new entry: its reply tuple before translation, then the translation, then the rest.
fn write_new(message: &mut Emit<'_>, flow: &Flow, reply: &Tuple, write_translation: impl FnOnce(&mut Emit<'_>)) {
    let none = Rare::default();
    let rare = flow.rare.as_deref().unwrap_or(&none);
    tuple::write(message, cta::TUPLE_ORIG, &flow.tuples.original, rare.zones.original);
    tuple::write(message, cta::TUPLE_REPLY, reply, rare.zones.reply);
    write_translation(message);
    // A zone of one direction is in that direction's tuple. The kernel refuses a message with both.
    if rare.zones == PerDirection::default() {
        write_zone(message, flow.zone);
    }
    if let Some(status) = flow.status {
        message.be32(cta::STATUS, status_at_birth(status).0);
    }
    if let Some(seconds) = flow.timeout {
        message.be32(cta::TIMEOUT, seconds);
    }
    if let Some(mark) = flow.mark {
        message.be32(cta::MARK, mark.0);
    }
    if let Some(info) = &flow.info {
        protocol_info::write(message, info);
    }
    if let Some(bits) = flow.labels {
        labels::write(message, cta::LABELS, bits.0);
    }
    write_rare(message, rare);
}

/// The kernel itself sets whether an entry is confirmed, expected or dying. It refuses a status (`EBUSY`) whose bits
/// differ there from those of a new entry.
const fn status_at_birth(status: Status) -> Status {
    Status(status.0 & !(Status::EXPECTED.0 | Status::DYING.0) | Status::CONFIRMED.0)
}

fn write_rare(message: &mut Emit<'_>, rare: &Rare) {
    helper::write(message, rare.helper.as_deref(), rare.helper_info.as_deref());
    if let Some(master) = &rare.master {
        tuple::write(message, cta::TUPLE_MASTER, master, None);
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
}

/// Requests the size of the table: one message.
pub fn statistics(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_STATS, NONE, sequence, None), |_| {});
}

/// Requests the counters of the table: one message for each processor, then a done message.
pub fn statistics_cpu(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_STATS_CPU, Flags::DUMP, sequence, None), |_| {});
}

/// Requests the counters of expectations: one message for each processor, then a done message.
pub fn expectation_statistics_cpu(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, request(EXPECTATION | ctnl_exp::GET_STATS_CPU, Flags::DUMP, sequence, None), |_| {});
}

/// Writes what locates an entry: its original tuple and its zone.
fn write_place(message: &mut Emit<'_>, original: &Tuple, zone: Zone) {
    tuple::write(message, cta::TUPLE_ORIG, original, None);
    write_zone(message, zone);
}

/// An absent zone means zone 0, and a kernel without zones refuses the attribute.
fn write_zone(message: &mut Emit<'_>, zone: Zone) {
    if zone != Zone(0) {
        message.be16(cta::ZONE, zone.0);
    }
}

fn write_masked(message: &mut Emit<'_>, number: u16, mask_number: u16, masked: Masked) {
    message.be32(number, masked.value());
    message.be32(mask_number, masked.mask());
}

fn write_filter(message: &mut Emit<'_>, filter: &KernelFilter) {
    if let Some(mark) = filter.mark {
        write_masked(message, cta::MARK, cta::MARK_MASK, mark);
    }
    if let Some(status) = filter.status {
        write_masked(message, cta::STATUS, cta::STATUS_MASK, status);
    }
    if let Some(zone) = filter.zone {
        write_zone(message, zone);
    }
    let directions = [
        (cta::TUPLE_ORIG, cta_filter::ORIG_FLAGS, filter.original),
        (cta::TUPLE_REPLY, cta_filter::REPLY_FLAGS, filter.reply),
    ];
    let used = directions.into_iter().filter(|(_, _, parts)| *parts != Ipv4Parts::ANY);
    for (number, _, parts) in used.clone() {
        message.nest(number, |message| write_parts(message, parts));
    }
    if used.clone().next().is_some() {
        message.nest(cta::FILTER, |message| {
            for (_, number, parts) in used {
                // Host byte order, unlike nearly everything else here.
                message.ne32(number, parts_flags(parts));
            }
        });
    }
}

fn write_parts(message: &mut Emit<'_>, parts: Ipv4Parts) {
    if parts.src.is_some() || parts.dst.is_some() {
        message.nest(cta_tuple::IP, |message| {
            if let Some(address) = parts.src {
                message.bytes(cta_ip::V4_SRC, &address.octets());
            }
            if let Some(address) = parts.dst {
                message.bytes(cta_ip::V4_DST, &address.octets());
            }
        });
    }
    if let Some(protocol) = parts.protocol {
        message.nest(cta_tuple::PROTO, |message| {
            message.byte(cta_proto::NUM, protocol.0);
            if let Some(port) = parts.src_port {
                message.be16(cta_proto::SRC_PORT, port);
            }
            if let Some(port) = parts.dst_port {
                message.be16(cta_proto::DST_PORT, port);
            }
        });
    }
}

fn parts_flags(parts: Ipv4Parts) -> u32 {
    let bits = [
        (parts.src.is_some(), filter_flags::IP_SRC),
        (parts.dst.is_some(), filter_flags::IP_DST),
        (parts.protocol.is_some(), filter_flags::PROTO_NUM),
        (parts.src_port.is_some(), filter_flags::SRC_PORT),
        (parts.dst_port.is_some(), filter_flags::DST_PORT),
    ];
    bits.into_iter().filter(|(used, _)| *used).fold(0, |flags, (_, bit)| flags | bit)
}
