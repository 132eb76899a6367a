//! Requests to the kernel: each function appends one message to a buffer.
//!
//! The buffer is the caller's and is used again; many requests go into one send. Sequence numbers are the caller's too:
//! they are what an answer is told by. The port is 0, which the kernel fills in.

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

/// `CTA_FILTER_F_*` (net/netfilter/nf_conntrack_netlink.c): bits of `CTA_FILTER_ORIG_FLAGS` and `CTA_FILTER_REPLY_FLAGS`, one
/// for each part of a tuple that is to be compared. No public header of the kernel has them.
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

/// Every entry that the filter lets through, as many messages and a done.
pub fn dump(buffer: &mut Vec<u8>, sequence: u32, filter: &KernelFilter) {
    dump_as(buffer, ctnl::GET, sequence, filter);
}

/// As [`dump`], and sets the counters of each entry to zero as it is read.
pub fn dump_and_zero(buffer: &mut Vec<u8>, sequence: u32, filter: &KernelFilter) {
    dump_as(buffer, ctnl::GET_CTRZERO, sequence, filter);
}

fn dump_as(buffer: &mut Vec<u8>, kind: u16, sequence: u32, filter: &KernelFilter) {
    let head = request(CONNTRACK | kind, Flags::DUMP, sequence, filter.family);
    Emit::message(buffer, head, |message| write_filter(message, filter));
}

/// Entries that are dead but still wait for their destroy event to be delivered. The kernel filters them by family only.
pub fn dump_dying(buffer: &mut Vec<u8>, sequence: u32, family: Option<Family>) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_DYING, Flags::DUMP, sequence, family), |_| {});
}

/// Entries of packets that have not left yet (none since Linux 6.1, which keeps no list of them).
pub fn dump_unconfirmed(buffer: &mut Vec<u8>, sequence: u32, family: Option<Family>) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_UNCONFIRMED, Flags::DUMP, sequence, family), |_| {});
}

/// One entry, found by tuple and zone, in either direction. The answer carries the id and the original tuple: whoever means one
/// certain flow compares them.
pub fn get(buffer: &mut Vec<u8>, sequence: u32, key: &FlowKey) {
    let head = request(CONNTRACK | ctnl::GET, NONE, sequence, Some(key.original.family()));
    Emit::message(buffer, head, |message| write_place(message, &key.original, key.zone));
}

/// Removes one entry, by tuple, zone and id: `ENOENT` where it is gone or another flow has its tuple.
pub fn delete(buffer: &mut Vec<u8>, sequence: u32, ack: bool, key: &FlowKey) {
    let head = request(CONNTRACK | ctnl::DELETE, acked(ack), sequence, Some(key.original.family()));
    Emit::message(buffer, head, |message| {
        write_place(message, &key.original, key.zone);
        message.be32(cta::ID, key.id.0);
    });
}

/// Removes every entry that matches, acknowledged once. Read [`ExactFilter::least_kernel`] first.
pub fn delete_matching(buffer: &mut Vec<u8>, sequence: u32, filter: &ExactFilter) {
    let filter = filter.kernel();
    // The kernel looks at the family of a delete without a tuple only where the message's version says that it is meant.
    let version = u8::from(filter.family.is_some());
    let head = Head { version, ..request(CONNTRACK | ctnl::DELETE, Flags::ACK, sequence, filter.family) };
    Emit::message(buffer, head, |message| write_filter(message, filter));
}

/// Changes one entry, found by tuple and zone, in either direction. The kernel does not compare the id here: whoever is not
/// sure of the flow asks for the entry before.
///
/// Mark and labels change under their masks inside the kernel, so that what others set at the same moment stays.
pub fn update(buffer: &mut Vec<u8>, sequence: u32, ack: bool, update: &Update) {
    update_as(buffer, acked(ack), sequence, update);
}

/// As [`update`], and the entry that was changed is told (`NLM_F_ECHO`), before the acknowledgement where there is one: it
/// carries the id, so that it tells which flow was hit.
///
/// It is the event of the change, sent to who asked as well, so that it has the port of the asking socket and the sequence
/// number 0. Entries that were made while nobody wanted events (`net.netfilter.nf_conntrack_events`), or that a rule spared
/// from events of changes, are not told.
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

/// Makes an entry, acknowledged; `EEXIST` where its tuple is taken.
///
/// The kernel refuses an entry without a timeout (`EINVAL`), and takes no id, counters, timestamps or security context. A
/// reply tuple that is not the reversed original becomes address translation, and the kernel sets the status bits that
/// are its own: what any row or event told can be made again.
pub fn create(buffer: &mut Vec<u8>, sequence: u32, flow: &Flow) {
    let flags = Flags::ACK.with(Flags::CREATE).with(Flags::EXCLUSIVE);
    let head = request(CONNTRACK | ctnl::NEW, flags, sequence, Some(flow.family()));
    Emit::message(buffer, head, |message| {
        let reply = flow.tuples.original.reversed();
        write_new(message, flow, &reply, |message| nat::write(message, &flow.tuples));
    });
}

/// All that a new entry is made of: its reply tuple as it is before it is translated, then how it is translated, then the rest.
fn write_new(message: &mut Emit<'_>, flow: &Flow, reply: &Tuple, write_translation: impl FnOnce(&mut Emit<'_>)) {
    let none = Rare::default();
    let rare = flow.rare.as_deref().unwrap_or(&none);
    tuple::write(message, cta::TUPLE_ORIG, &flow.tuples.original, rare.zones.original);
    tuple::write(message, cta::TUPLE_REPLY, reply, rare.zones.reply);
    write_translation(message);
    // A zone of one direction is in that direction's tuple; the kernel refuses both.
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

/// The kernel itself sets whether an entry is confirmed, expected or dying, and refuses a status (`EBUSY`) that differs
/// there from what a new entry has.
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

/// Size of the table: one message.
pub fn statistics(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_STATS, NONE, sequence, None), |_| {});
}

/// Counters of the table, one message for each processor and a done.
pub fn statistics_cpu(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, request(CONNTRACK | ctnl::GET_STATS_CPU, Flags::DUMP, sequence, None), |_| {});
}

/// Counters of expectations, one message for each processor and a done.
pub fn expectation_statistics_cpu(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, request(EXPECTATION | ctnl_exp::GET_STATS_CPU, Flags::DUMP, sequence, None), |_| {});
}

/// Where an entry lives: its original tuple and its zone.
fn write_place(message: &mut Emit<'_>, original: &Tuple, zone: Zone) {
    tuple::write(message, cta::TUPLE_ORIG, original, None);
    write_zone(message, zone);
}

/// Zone 0 is what no zone means, and a kernel without zones refuses the attribute.
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
