//! Generates entries of all kinds, and prints them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_format::LabelMap;
use ctwarden_model::{
    Attribute, Counters, DccpState, EventKind, Expectation, Flow, FlowId, Labels, Layer4, Mark, PerDirection, Protocol,
    ProtocolInfo, Rare, SctpState, SequenceAdjustment, Status, SynProxy, TcpFlags, TcpState, Timestamp, Tuple, Zone,
};
use proptest::option::of;
use proptest::prelude::*;

pub(crate) fn protocol() -> impl Strategy<Value = Protocol> {
    let known = [1, 4, 6, 17, 33, 47, 58, 132, 136].map(Protocol).to_vec();
    prop_oneof![4 => prop::sample::select(known), 1 => any::<u8>().prop_map(Protocol)]
}

pub(crate) fn address(ipv4: bool) -> BoxedStrategy<IpAddr> {
    if ipv4 {
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()).boxed()
    } else {
        let bits = prop_oneof![any::<u128>(), any::<u32>().prop_map(u128::from), Just(0xffff_0102_0304)];
        bits.prop_map(|bits| Ipv6Addr::from_bits(bits).into()).boxed()
    }
}

/// Any layer-4 part that the kernel may send for the protocol. A protocol that the kernel does not know has none.
pub(crate) fn layer4(protocol: Protocol) -> BoxedStrategy<Layer4> {
    match protocol {
        Protocol::ICMP | Protocol::ICMPV6 => {
            any::<(u16, u8, u8)>().prop_map(|(id, kind, code)| Layer4::Icmp { id, kind, code }).boxed()
        }
        Protocol::GRE => any::<(u16, u16)>().prop_map(|(src, dst)| Layer4::Keys { src, dst }).boxed(),
        protocol if protocol.has_ports() => {
            any::<(u16, u16)>().prop_map(|(src, dst)| Layer4::Ports { src, dst }).boxed()
        }
        Protocol(_) => Just(Layer4::None).boxed(),
    }
}

pub(crate) fn tuple(ipv4: bool, protocol: Protocol) -> impl Strategy<Value = Tuple> {
    (address(ipv4), address(ipv4), layer4(protocol)).prop_map(move |(src, dst, layer4)| Tuple {
        src,
        dst,
        protocol,
        layer4,
    })
}

/// Any tuple, also with parts that its protocol does not have.
pub(crate) fn odd_tuple(ipv4: bool) -> impl Strategy<Value = Tuple> {
    (protocol(), protocol())
        .prop_flat_map(move |(protocol, other)| (tuple(ipv4, other), Just(protocol)))
        .prop_map(|(tuple, protocol)| Tuple { protocol, ..tuple })
}

pub(crate) fn per<T: Clone + std::fmt::Debug + 'static>(
    one: impl Fn() -> BoxedStrategy<T>,
) -> impl Strategy<Value = PerDirection<T>> {
    (one(), one()).prop_map(|(original, reply)| PerDirection { original, reply })
}

pub(crate) fn counters() -> BoxedStrategy<Option<Counters>> {
    of(any::<(u64, u64)>().prop_map(|(packets, bytes)| Counters { packets, bytes })).boxed()
}

/// Any state of the protocol, also with values that no kernel sends.
pub(crate) fn full_info(protocol: Protocol) -> BoxedStrategy<Option<ProtocolInfo>> {
    let flags = || of(any::<(u8, u8)>().prop_map(|(flags, mask)| TcpFlags { flags, mask })).boxed();
    let info = match protocol {
        Protocol::TCP => (any::<u8>(), per(|| any::<Option<u8>>().boxed()), per(flags))
            .prop_map(|(state, window_scale, flags)| ProtocolInfo::Tcp {
                state: Some(TcpState(state)),
                window_scale,
                flags,
            })
            .boxed(),
        Protocol::SCTP => (any::<Option<u8>>(), any::<u32>(), any::<Option<u32>>())
            .prop_map(|(state, original, reply)| ProtocolInfo::Sctp {
                state: state.map(SctpState),
                vtag: PerDirection { original: Some(original), reply },
            })
            .boxed(),
        Protocol::DCCP => any::<(Option<u8>, u8, Option<u64>)>()
            .prop_map(|(state, role, handshake_seq)| ProtocolInfo::Dccp {
                state: state.map(DccpState),
                role: Some(role),
                handshake_seq,
            })
            .boxed(),
        Protocol(_) => return Just(None).boxed(),
    };
    of(info).boxed()
}

pub(crate) fn full_rare(ipv4: bool) -> impl Strategy<Value = Rare> {
    let adjustment = || {
        let any = any::<(Option<u32>, Option<i32>, Option<i32>)>();
        of(any.prop_map(|(correction_pos, offset_before, offset_after)| SequenceAdjustment {
            correction_pos,
            offset_before,
            offset_after,
        }))
        .boxed()
    };
    let number = prop_oneof![Just(27_u16), any::<u16>()];
    let payload = prop_oneof![prop::collection::vec(any::<u8>(), 8), prop::collection::vec(any::<u8>(), 0..20)];
    let attribute = (number, payload).prop_map(|(number, payload)| Attribute { number, payload });
    let proxy = any::<(Option<u32>, Option<u32>, Option<u32>)>();
    (
        any::<(Option<String>, Option<Vec<u8>>, Option<String>, Option<u32>)>(),
        of(odd_tuple(ipv4)),
        per(|| of(any::<u16>().prop_map(Zone)).boxed()),
        per(adjustment),
        of(proxy.prop_map(|(isn, its, tsoff)| SynProxy { isn, its, tsoff })),
        prop::collection::vec(attribute, 0..3),
    )
        .prop_map(
            |((helper, helper_info, security_context, secmark), master, zones, sequence, synproxy, unknown)| Rare {
                helper,
                helper_info,
                security_context,
                secmark,
                master,
                zones,
                sequence,
                synproxy,
                unknown,
            },
        )
}

pub(crate) fn full_flow() -> impl Strategy<Value = Flow> {
    (any::<bool>(), odd_tuple(true), odd_tuple(false))
        .prop_flat_map(|(ipv4, v4, v6)| {
            let original = if ipv4 { v4 } else { v6 };
            let numbers = any::<(Option<u32>, u16, Option<u32>, Option<u32>, Option<u32>, Option<u128>)>();
            let times = any::<(Option<u64>, Option<u64>, Option<u32>)>();
            (
                Just(original),
                odd_tuple(ipv4),
                full_info(original.protocol),
                numbers,
                per(counters),
                times,
                of(full_rare(ipv4)),
            )
        })
        .prop_map(|(original, reply, info, (id, zone, status, timeout, mark, labels), counters, times, rare)| Flow {
            id: id.map(FlowId),
            zone: Zone(zone),
            tuples: PerDirection { original, reply },
            status: status.map(Status),
            info,
            timeout,
            mark: mark.map(Mark),
            labels: labels.map(Labels),
            counters,
            started: times.0.map(Timestamp),
            stopped: times.1.map(Timestamp),
            uses: times.2,
            rare: rare.filter(|rare| *rare != Rare::default()).map(Box::new),
        })
}

/// The status according to a text: its flags, and a translation if the tuples show one.
pub(crate) fn told_status(flags: u8, tuples: &PerDirection<Tuple>) -> Status {
    let mut status = Status::CONFIRMED;
    if flags & 1 != 0 {
        status = status | Status::SEEN_REPLY;
    }
    status = status
        | match flags >> 1 & 3 {
            0 => Status(0),
            1 => Status::ASSURED,
            2 => Status::OFFLOAD,
            _ => Status::OFFLOAD | Status::HW_OFFLOAD,
        };
    let end = |tuple: &Tuple| match tuple.layer4 {
        Layer4::None => (0, 0),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (src, dst),
        Layer4::Icmp { id, .. } => (0, id),
    };
    let PerDirection { original, reply } = tuples;
    let icmp = matches!(original.layer4, Layer4::Icmp { .. });
    let source = if icmp { end(original).1 } else { end(original).0 };
    let destination = if icmp { 0 } else { end(original).1 };
    if (reply.src, end(reply).0) != (original.dst, destination) {
        status = status | Status::DST_NAT | Status::DST_NAT_DONE;
    }
    if (reply.dst, end(reply).1) != (original.src, source) {
        status = status | Status::SRC_NAT | Status::SRC_NAT_DONE;
    }
    status
}

/// An entry that text can express completely. In text, protocols without ports have no layer 4.
pub(crate) fn text_flow() -> impl Strategy<Value = Flow> {
    (any::<bool>(), protocol())
        .prop_flat_map(|(ipv4, protocol)| {
            let state = match protocol {
                Protocol::TCP | Protocol::SCTP | Protocol::DCCP => of(0..10_u8).boxed(),
                Protocol(_) => Just(None).boxed(),
            };
            let both = (tuple(ipv4, protocol), tuple(ipv4, protocol), any::<bool>());
            let numbers = any::<(Option<u32>, Option<u32>, Option<u32>, Option<u128>, Option<u32>)>();
            let zones = prop_oneof![
                any::<u16>().prop_map(|zone| (Zone(zone), PerDirection::default())),
                any::<u16>()
                    .prop_map(|zone| { (Zone(zone), PerDirection { original: Some(Zone(zone)), reply: None }) }),
                any::<u16>().prop_map(|zone| (Zone(0), PerDirection { original: None, reply: Some(Zone(zone)) })),
            ];
            let word = || of("[!-~]{1,12}");
            (both, state, numbers, zones, per(counters), (word(), word(), any::<Option<u32>>(), any::<u8>()))
        })
        .prop_map(|((original, reply, plain), state, numbers, (zone, zones), counters, rest)| {
            let tuples = PerDirection { original, reply: if plain { original.reversed() } else { reply } };
            let (helper, security_context, secmark, flags) = rest;
            let (id, timeout, mark, labels, uses) = numbers;
            let info = state.map(|state| match original.protocol {
                Protocol::TCP => ProtocolInfo::Tcp {
                    state: Some(TcpState(state)),
                    window_scale: PerDirection::default(),
                    flags: PerDirection::default(),
                },
                Protocol::SCTP => ProtocolInfo::Sctp { state: Some(SctpState(state)), vtag: PerDirection::default() },
                Protocol(_) => ProtocolInfo::Dccp { state: Some(DccpState(state)), role: None, handshake_seq: None },
            });
            let rare = Rare { helper, security_context, secmark, zones, ..Rare::default() };
            let mut flow = Flow::new(tuples);
            flow.id = id.map(FlowId);
            flow.zone = zone;
            flow.status = Some(told_status(flags, &tuples));
            flow.info = info;
            flow.timeout = timeout;
            flow.mark = mark.map(Mark);
            flow.labels = labels.map(Labels);
            flow.counters = counters;
            flow.uses = uses;
            flow.rare = (rare != Rare::default()).then(|| Box::new(rare));
            flow
        })
}

pub(crate) fn expectation(tuples: [Tuple; 3], numbers: (u16, Option<u32>, Option<u32>, Option<u32>)) -> Expectation {
    let [tuple, mask, master] = tuples;
    let (zone, timeout, flags, class) = numbers;
    Expectation {
        id: None,
        zone: Zone(zone),
        master,
        tuple,
        mask,
        timeout,
        flags,
        class,
        helper: None,
        function: None,
        nat: None,
    }
}

pub(crate) fn full_expectation() -> impl Strategy<Value = Expectation> {
    let tuples = any::<bool>().prop_flat_map(|v4| ([odd_tuple(v4), odd_tuple(v4), odd_tuple(v4)], of(odd_tuple(v4))));
    let texts = any::<(Option<u32>, Option<String>, Option<String>, u32)>();
    (tuples, any::<(u16, Option<u32>, Option<u32>, Option<u32>)>(), texts).prop_map(
        |((tuples, nat), numbers, (id, helper, function, direction))| Expectation {
            id: id.map(FlowId),
            helper,
            function,
            nat: nat.map(|tuple| (direction, tuple)),
            ..expectation(tuples, numbers)
        },
    )
}

/// An expectation that text can express completely.
pub(crate) fn text_expectation() -> impl Strategy<Value = Expectation> {
    let tuples = (any::<bool>(), protocol())
        .prop_flat_map(|(v4, protocol)| [tuple(v4, protocol), tuple(v4, protocol), tuple(v4, protocol)]);
    let numbers = (any::<u16>(), any::<Option<u32>>(), of(1..8_u32), any::<Option<u32>>());
    (tuples, numbers, of("[!-~]{1,12}"))
        .prop_map(|(tuples, numbers, helper)| Expectation { helper, ..expectation(tuples, numbers) })
}

/// A name for every bit.
pub(crate) fn every_label() -> LabelMap {
    LabelMap::parse(&(0..128).map(|bit| format!("{bit} label-{bit}\n")).collect::<String>())
}

pub(crate) fn kind() -> impl Strategy<Value = EventKind> {
    prop::sample::select(vec![EventKind::Row, EventKind::New, EventKind::Update, EventKind::Destroy])
}

pub(crate) fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    print(&mut out);
    String::from_utf8(out).unwrap()
}
