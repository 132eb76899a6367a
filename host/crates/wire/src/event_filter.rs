//! The program that the kernel runs in front of the event socket, which drops events that no subscription can match.
//!
//! A dropped event takes no place in the receive buffer, no copy and no decoding. The kernel runs classic BPF for a
//! netlink socket as for any other socket, before it queues a message, and offers an instruction that finds attributes.
//! The program passes a superset of the events that the filters match. A part that the program cannot test (labels,
//! long lists) lets everything pass, and the caller matches exactly afterwards. Messages that are not conntrack entries
//! always pass.

use alloc::vec::Vec;

use ctwarden_model::{Family, Filter, Masked, PortRange, PrefixSet};

use crate::event_program::{Instruction, Label, Program};
use crate::message::{CONNTRACK, GENERIC, HEADER};
use crate::nfnetlink_conntrack::{cta, cta_ip, cta_proto, cta_protoinfo, cta_tuple};
use crate::request::family_number;

/// Most instructions that the kernel accepts (`BPF_MAXINSNS`, linux/bpf_common.h).
const INSTRUCTIONS_MAX: usize = 4096;

/// Longest list that the program tests. The kernel tests the members one by one for each event; a longer list costs
/// more than it saves.
const LIST_MAX: usize = 64;

/// Offset of the family in a message; the attributes follow it (`struct nfgenmsg` after `struct nlmsghdr`).
const FAMILY: usize = HEADER;
const ATTRIBUTES: usize = HEADER + GENERIC;

/// Offset of the subsystem in a message: the high byte of `nlmsg_type`, which is in host byte order.
const SUBSYSTEM: usize = if cfg!(target_endian = "little") { 5 } else { 4 };

/// Length of `struct nlattr`. The value follows it.
const ATTRIBUTE: u32 = 4;

/// States of protocols: `CTA_PROTOINFO_{TCP,DCCP,SCTP}_STATE` have the same number.
const STATE: u16 = 1;

/// Both addresses of both directions.
const ADDRESSES: [Address; 4] = [ORIGINAL_SRC, ORIGINAL_DST, REPLY_SRC, REPLY_DST];
const ORIGINAL_SRC: Address = Address { tuple: cta::TUPLE_ORIG, ipv4: cta_ip::V4_SRC, ipv6: cta_ip::V6_SRC };
const ORIGINAL_DST: Address = Address { tuple: cta::TUPLE_ORIG, ipv4: cta_ip::V4_DST, ipv6: cta_ip::V6_DST };
const REPLY_SRC: Address = Address { tuple: cta::TUPLE_REPLY, ipv4: cta_ip::V4_SRC, ipv6: cta_ip::V6_SRC };
const REPLY_DST: Address = Address { tuple: cta::TUPLE_REPLY, ipv4: cta_ip::V4_DST, ipv6: cta_ip::V6_DST };

/// The place of an address of an entry.
#[derive(Clone, Copy)]
struct Address {
    tuple: u16,
    ipv4: u16,
    ipv6: u16,
}

/// A classic BPF program for `SO_ATTACH_FILTER`. An event passes if any of the filters may match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    instructions: Vec<Instruction>,
}

impl EventFilter {
    /// Builds the program for flows that match any of the filters. Returns `None` if everything passes: there are no
    /// filters, one filter matches everything, or the program would be longer than the kernel accepts.
    #[must_use]
    pub fn of(filters: &[Filter]) -> Option<Self> {
        if filters.is_empty() {
            return None;
        }
        let mut program = Program::default();
        let entry = program.label();
        program.load_byte(SUBSYSTEM);
        program.equal((CONNTRACK >> 8).into(), entry);
        program.accept();
        program.place(entry);
        for filter in filters {
            let next = program.label();
            if !write(&mut program, filter, next) {
                return None;
            }
            program.accept();
            program.place(next);
        }
        program.reject();
        let instructions = program.finish();
        (instructions.len() <= INSTRUCTIONS_MAX).then_some(Self { instructions })
    }

    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}

/// Jumps to `next` if the entry cannot match. Returns false if the program tests nothing.
fn write(program: &mut Program, filter: &Filter, next: Label) -> bool {
    let before = program.len();
    if let Some(family) = filter.family {
        family_is(program, family, next);
    }
    masked(program, cta::MARK, filter.mark, next);
    masked(program, cta::STATUS, filter.status, next);
    if let Some(range) = filter.timeout {
        program.find(ATTRIBUTES, &[cta::TIMEOUT], next);
        program.load_word_at(ATTRIBUTE);
        within(program, range.first, range.last, next);
    }
    let protocols: Vec<_> = filter.protocols.iter().map(|protocol| protocol.0.into()).collect();
    if !protocols.is_empty() {
        program.find(ATTRIBUTES, &[cta::TUPLE_ORIG, cta_tuple::PROTO, cta_proto::NUM], next);
        program.load_byte_at(ATTRIBUTE);
        any_of(program, &protocols, next);
    }
    zones(program, filter, next);
    ports(program, cta_proto::SRC_PORT, &filter.src_ports, next);
    ports(program, cta_proto::DST_PORT, &filter.dst_ports, next);
    states(program, &filter.states, next);
    addresses(program, &filter.original_src, &[ORIGINAL_SRC], next);
    addresses(program, &filter.original_dst, &[ORIGINAL_DST], next);
    addresses(program, &filter.reply_src, &[REPLY_SRC], next);
    addresses(program, &filter.reply_dst, &[REPLY_DST], next);
    addresses(program, &filter.either, &ADDRESSES, next);
    program.len() > before
}

fn family_is(program: &mut Program, family: Family, next: Label) {
    let right = program.label();
    program.load_byte(FAMILY);
    program.equal(family_number(family).into(), right);
    program.go(next);
    program.place(right);
}

fn masked(program: &mut Program, attribute: u16, wanted: Option<Masked>, next: Label) {
    let Some(wanted) = wanted else { return };
    let right = program.label();
    program.find(ATTRIBUTES, &[attribute], next);
    program.load_word_at(ATTRIBUTE);
    program.and(wanted.mask());
    program.equal(wanted.value(), right);
    program.go(next);
    program.place(right);
}

/// Continues if the loaded number is one of `wanted`.
fn any_of(program: &mut Program, wanted: &[u32], next: Label) {
    let right = program.label();
    for &value in wanted {
        program.equal(value, right);
    }
    program.go(next);
    program.place(right);
}

/// Continues if the loaded number is between both ends, inclusive.
fn within(program: &mut Program, first: u32, last: u32, next: Label) {
    let (enough, right) = (program.label(), program.label());
    program.at_least(first, enough);
    program.go(next);
    program.place(enough);
    program.above(last, next);
    program.go(right);
    program.place(right);
}

/// The zone is in `CTA_ZONE`, or in the original tuple if zones differ by direction. Zone 0 is in neither.
fn zones(program: &mut Program, filter: &Filter, next: Label) {
    if filter.zones.is_empty() || filter.zones.len() > LIST_MAX {
        return;
    }
    let wanted: Vec<_> = filter.zones.iter().map(|zone| zone.0.into()).collect();
    let (right, in_tuple, nowhere) = (program.label(), program.label(), program.label());
    program.find(ATTRIBUTES, &[cta::ZONE], in_tuple);
    program.load_half_at(ATTRIBUTE);
    any_of(program, &wanted, next);
    program.go(right);
    program.place(in_tuple);
    program.find(ATTRIBUTES, &[cta::TUPLE_ORIG, cta_tuple::ZONE], nowhere);
    program.load_half_at(ATTRIBUTE);
    any_of(program, &wanted, next);
    program.go(right);
    program.place(nowhere);
    program.go(if wanted.contains(&0) { right } else { next });
    program.place(right);
}

fn ports(program: &mut Program, attribute: u16, ranges: &[PortRange], next: Label) {
    if ranges.is_empty() || ranges.len() > LIST_MAX {
        return;
    }
    let right = program.label();
    program.find(ATTRIBUTES, &[cta::TUPLE_ORIG, cta_tuple::PROTO, attribute], next);
    program.load_half_at(ATTRIBUTE);
    for range in ranges {
        let other = program.label();
        within(program, range.first.into(), range.last.into(), other);
        program.go(right);
        program.place(other);
    }
    program.go(next);
    program.place(right);
}

fn states(program: &mut Program, states: &[u8], next: Label) {
    if states.is_empty() {
        return;
    }
    let wanted: Vec<_> = states.iter().map(|&state| state.into()).collect();
    let right = program.label();
    for protocol in [cta_protoinfo::TCP, cta_protoinfo::DCCP, cta_protoinfo::SCTP] {
        let other = program.label();
        program.find(ATTRIBUTES, &[cta::PROTOINFO, protocol, STATE], other);
        program.load_byte_at(ATTRIBUTE);
        any_of(program, &wanted, other);
        program.go(right);
        program.place(other);
    }
    program.go(next);
    program.place(right);
}

/// Continues if any of the addresses is in any of the networks.
fn addresses(program: &mut Program, networks: &PrefixSet, places: &[Address], next: Label) {
    if networks.is_empty() || networks.len() > LIST_MAX {
        return;
    }
    let right = program.label();
    for place in places {
        let (ipv6, other) = (program.label(), program.label());
        program.find(ATTRIBUTES, &[place.tuple, cta_tuple::IP, place.ipv4], ipv6);
        networks_of(program, networks, Family::Ipv4, right);
        program.go(other);
        program.place(ipv6);
        program.find(ATTRIBUTES, &[place.tuple, cta_tuple::IP, place.ipv6], other);
        networks_of(program, networks, Family::Ipv6, right);
        program.place(other);
    }
    program.go(next);
    program.place(right);
}

/// Jumps to `right` if the found address is in any of the networks of the family.
fn networks_of(program: &mut Program, networks: &PrefixSet, family: Family, right: Label) {
    for network in networks.of_family(family) {
        let other = program.label();
        let words = words(network.address());
        let mut bits = u32::from(network.length());
        for (word, offset) in words.into_iter().zip((ATTRIBUTE..).step_by(4)) {
            if bits == 0 {
                break;
            }
            let mask = u32::MAX << (32 - bits.min(32));
            let same = program.label();
            program.load_word_at(offset);
            program.and(mask);
            program.equal(word & mask, same);
            program.go(other);
            program.place(same);
            bits = bits.saturating_sub(32);
        }
        program.go(right);
        program.place(other);
    }
}

/// The address as words in network byte order. For IPv4 only the first word counts.
fn words(address: core::net::IpAddr) -> [u32; 4] {
    match address {
        core::net::IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        core::net::IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments().map(u32::from);
            [a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h]
        }
    }
}
