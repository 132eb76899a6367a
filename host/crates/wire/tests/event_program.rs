//! The program in front of an event socket, over generated events and filters. An interpreter runs it as the kernel's
//! manual describes each instruction.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may panic, and asks for one arm"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::{
    DccpState, EventKind, Filter, Flow, Layer4, Mark, Masked, PerDirection, PortRange, PortRanges, Prefix, PrefixSet,
    Protocol, ProtocolInfo, SctpState, SecondsRange, Status, TcpState, Tuple, Zone,
};
use ctwarden_wire::{Content, EventFilter, Instruction, Messages, Origin, write_entry};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Returns what the program returns: the number of bytes of the message that pass. A load outside of the message drops
/// it.
fn run(program: &[Instruction], message: &[u8]) -> u32 {
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
    let read = |offset: u32, bytes: usize| {
        let offset = usize::try_from(offset).unwrap();
        let bytes = message.get(offset..offset.checked_add(bytes)?)?;
        Some(bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    };
    loop {
        let Instruction { code, jump_true, jump_false, operand } = program[at];
        at += 1;
        let loaded = match code {
            0x00 => Some(operand),
            0x20 if operand == 0xffff_f00c => Some(find(message, a, x)),
            0x20 if operand == 0xffff_f010 => Some(find_inside(message, a, x)),
            0x20 => read(operand, 4),
            0x30 => read(operand, 1),
            0x40 => read(x + operand, 4),
            0x48 => read(x + operand, 2),
            0x50 => read(x + operand, 1),
            0x54 => Some(a & operand),
            0x01 | 0x07 => {
                x = if code == 0x01 { operand } else { a };
                Some(a)
            }
            0x05 => {
                at += usize::try_from(operand).unwrap();
                Some(a)
            }
            0x15 | 0x25 | 0x35 => {
                let holds = match code {
                    0x15 => a == operand,
                    0x25 => a > operand,
                    _ => a >= operand,
                };
                at += usize::from(if holds { jump_true } else { jump_false });
                Some(a)
            }
            0x06 => return operand,
            _ => panic!("instruction {code:#x}"),
        };
        match loaded {
            Some(loaded) => a = loaded,
            None => return 0,
        }
    }
}

/// Returns the offset of the attribute `number` among those from `from` to `end`, or 0 if it is absent.
fn find_until(message: &[u8], from: u32, end: usize, number: u32) -> u32 {
    let mut at = usize::try_from(from).unwrap();
    while at + 4 <= end {
        let length = usize::from(u16::from_ne_bytes([message[at], message[at + 1]]));
        let kind = u16::from_ne_bytes([message[at + 2], message[at + 3]]) & 0x3fff;
        if length < 4 || at + length > end {
            return 0;
        }
        if u32::from(kind) == number {
            return u32::try_from(at).unwrap();
        }
        at += length.next_multiple_of(4);
    }
    0
}

fn find(message: &[u8], a: u32, x: u32) -> u32 {
    find_until(message, a, message.len(), x)
}

fn find_inside(message: &[u8], a: u32, x: u32) -> u32 {
    let at = usize::try_from(a).unwrap();
    let length = usize::from(u16::from_ne_bytes([message[at], message[at + 1]]));
    if at + length > message.len() { 0 } else { find_until(message, a + 4, at + length, x) }
}

fn address(ipv4: bool) -> impl Strategy<Value = IpAddr> {
    (0_u8..4, 0_u8..4).prop_map(move |(a, b)| match ipv4 {
        true => Ipv4Addr::new(10, a, 0, b).into(),
        false => Ipv6Addr::new(0xfd00, a.into(), 0, 0, b.into(), 0, 0, b.into()).into(),
    })
}

fn layer4() -> impl Strategy<Value = (Protocol, Layer4)> {
    let ports = |(src, dst)| Layer4::Ports { src, dst };
    prop_oneof![
        4 => (0_u16..6, 0_u16..6).prop_map(move |p| (Protocol::TCP, ports(p))),
        1 => (0_u16..6, 0_u16..6).prop_map(move |p| (Protocol::SCTP, ports(p))),
        1 => (0_u16..6).prop_map(|id| (Protocol::ICMP, Layer4::Icmp { id, kind: 8, code: 0 })),
        1 => Just((Protocol(99), Layer4::None)),
    ]
}

fn tuples() -> impl Strategy<Value = PerDirection<Tuple>> {
    (any::<bool>(), layer4()).prop_flat_map(|(ipv4, (protocol, layer4))| {
        let tuple =
            move || (address(ipv4), address(ipv4)).prop_map(move |(src, dst)| Tuple { src, dst, protocol, layer4 });
        (tuple(), tuple()).prop_map(|(original, reply)| PerDirection { original, reply })
    })
}

fn info() -> impl Strategy<Value = ProtocolInfo> {
    let none = PerDirection::default;
    prop_oneof![
        of(0_u8..4).prop_map(move |s| ProtocolInfo::Tcp {
            state: s.map(TcpState),
            window_scale: none(),
            flags: PerDirection::default()
        }),
        of(0_u8..4).prop_map(|s| ProtocolInfo::Sctp { state: s.map(SctpState), vtag: PerDirection::default() }),
        of(0_u8..4).prop_map(|s| ProtocolInfo::Dccp { state: s.map(DccpState), role: Some(1), handshake_seq: None }),
    ]
}

prop_compose! {
    fn flow()(
        tuples in tuples(),
        zone in 0_u16..3,
        direction in of(any::<bool>()),
        (mark, status, timeout) in (of(0_u32..8), of(0_u32..8), of(0_u32..8)),
        info in of(info()),
    ) -> Flow {
        let mut flow = Flow { mark: mark.map(Mark), status: status.map(Status), timeout, info, ..Flow::new(tuples) };
        match direction {
            Some(true) => {
                flow.zone = Zone(zone);
                flow.rare_mut().zones.original = Some(Zone(zone));
            }
            Some(false) => flow.rare_mut().zones.reply = Some(Zone(zone)),
            None => flow.zone = Zone(zone),
        }
        flow
    }
}

fn networks() -> impl Strategy<Value = PrefixSet> {
    let network = any::<bool>().prop_flat_map(|ipv4| {
        let lengths = if ipv4 { 0..=32_u8 } else { 0..=128_u8 };
        (address(ipv4), lengths).prop_map(|(address, length)| Prefix::new(address, length).unwrap())
    });
    prop_oneof![5 => Just(Vec::new()), 1 => vec(network, 1..4)].prop_map(|list| list.into_iter().collect())
}

fn ranges() -> impl Strategy<Value = PortRanges> {
    let range = (0_u16..6, 0_u16..6).prop_map(|(first, last)| PortRange { first, last });
    prop_oneof![4 => Just(Vec::new()), 1 => vec(range, 1..3)].prop_map(PortRanges::from)
}

fn masked() -> impl Strategy<Value = Option<Masked>> {
    let some = (0_u32..8, 0_u32..8).prop_map(|(value, mask)| Masked::new(value & mask, mask).unwrap());
    prop_oneof![3 => Just(None), 1 => some.prop_map(Some)]
}

prop_compose! {
    fn filter()(
        family in prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)],
        protocols in prop_oneof![3 => Just(vec![]), 1 => vec(prop_oneof![Just(Protocol::TCP), Just(Protocol(99))], 1..3)],
        zones in prop_oneof![3 => Just(vec![]), 1 => vec((0_u16..3).prop_map(Zone), 1..3)],
        (original_src, original_dst) in (networks(), networks()),
        (reply_src, reply_dst, either) in (networks(), networks(), networks()),
        (src_ports, dst_ports) in (ranges(), ranges()),
        states in prop_oneof![4 => Just(vec![]), 1 => vec(0_u8..4, 1..3)],
        (mark, status) in (masked(), masked()),
        timeout in prop_oneof![
            4 => Just(None),
            1 => (0_u32..8, 0_u32..8).prop_map(|(first, last)| Some(SecondsRange { first, last })),
        ],
        labels in prop_oneof![9 => Just(0), 1 => Just(1_u128)],
    ) -> Filter {
        let family = family.map(|ipv4| if ipv4 { ctwarden_model::Family::Ipv4 } else { ctwarden_model::Family::Ipv6 });
        let places = Filter { original_src, original_dst, reply_src, reply_dst, either, ..Filter::default() };
        let (protocols, zones, states) = (protocols.into(), zones.into(), states.into());
        Filter { family, protocols, zones, src_ports, dst_ports, states, mark, status, timeout, labels, ..places }
    }
}

fn kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![Just(EventKind::New), Just(EventKind::Update), Just(EventKind::Destroy)]
}

fn event(kind: EventKind, flow: &Flow) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_entry(&mut bytes, Origin::default(), kind, flow);
    bytes
}

/// Decodes the flow of an event. Filters are compared with this flow.
fn read(bytes: &[u8]) -> Flow {
    match Messages::new(bytes).next().unwrap().unwrap().content() {
        Content::Conntrack(entry) => entry.flow.to_flow().unwrap(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, ..ProptestConfig::default() })]

    #[test]
    fn what_a_filter_matches_passes_and_nothing_else(filters in vec(filter(), 1..4), kind in kind(), flow in flow()) {
        let Some(program) = EventFilter::of(&filters) else { return Ok(()) };
        let bytes = event(kind, &flow);
        let flow = read(&bytes);
        let passed = run(program.instructions(), &bytes) != 0;
        let asked = |filter: &Filter| Filter { labels: 0, ..filter.clone() };
        prop_assert_eq!(passed, filters.iter().any(|filter| asked(filter).matches(&flow)), "{:?}", program);
    }

    #[test]
    fn every_jump_lands_and_every_byte_string_ends(filters in vec(filter(), 1..4), bytes in vec(any::<u8>(), 0..200)) {
        let Some(program) = EventFilter::of(&filters) else { return Ok(()) };
        run(program.instructions(), &bytes);
    }
}

/// The property proves little if no event passes, or every event.
#[test]
fn generated_events_do_pass_and_do_not() {
    let mut runner = TestRunner::deterministic();
    let (mut passed, mut dropped) = (0, 0);
    for _ in 0..2_000 {
        let Some(program) = EventFilter::of(&[filter().new_tree(&mut runner).unwrap().current()]) else { continue };
        let flow = flow().new_tree(&mut runner).unwrap().current();
        match run(program.instructions(), &event(EventKind::New, &flow)) {
            0 => dropped += 1,
            _ => passed += 1,
        }
    }
    assert!(passed > 100 && dropped > 100, "{passed} passed, {dropped} dropped");
}

#[test]
fn where_everything_is_wanted_there_is_no_program() {
    let web = Filter { dst_ports: [PortRange { first: 443, last: 443 }].into(), ..Filter::default() };
    assert!(EventFilter::of(std::slice::from_ref(&web)).is_some());
    assert_eq!(EventFilter::of(&[]), None);
    assert_eq!(EventFilter::of(&[web, Filter::default()]), None);
    assert_eq!(EventFilter::of(&[Filter { labels: 1, ..Filter::default() }]), None);
}

#[test]
fn a_list_that_is_too_long_is_not_asked() {
    let hosts = |count: u32| -> PrefixSet {
        (0..count).map(|host| Prefix::new(Ipv4Addr::from_bits(0x0a00_0000 + host).into(), 32).unwrap()).collect()
    };
    let of = |count| Filter { original_src: hosts(count), ..Filter::default() };
    assert!(EventFilter::of(&[of(64)]).is_some());
    assert_eq!(EventFilter::of(&[of(65)]), None);
    // The program of many filters is longer than the kernel accepts.
    assert_eq!(EventFilter::of(&vec![of(64); 40]), None);
}
