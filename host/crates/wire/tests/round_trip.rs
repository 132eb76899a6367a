//! Generated entries, requests and expectations are decoded as they were written, also in buffers with old content.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may panic, and asks for one arm"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::{
    Attribute, Counters, DccpState, EventKind, Expectation, Flow, FlowId, LabelChange, Labels, Layer4, Mark, Masked,
    PerDirection, Protocol, ProtocolInfo, Rare, SctpState, SequenceAdjustment, Status, SynProxy, TcpFlags, TcpState,
    Timestamp, Tuple, Update, Zone,
};
use ctwarden_wire::{
    ConntrackMessage, Content, ExpectationMessage, Flags, FlowView, Message, Messages, NatRange, Origin, request,
    write_entry,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn layer4(protocol: u8) -> BoxedStrategy<Layer4> {
    let ports = (any::<u16>(), any::<u16>());
    match Protocol(protocol) {
        Protocol::ICMP | Protocol::ICMPV6 => (any::<u16>(), any::<u8>(), any::<u8>())
            .prop_map(|(id, kind, code)| Layer4::Icmp { id, kind, code })
            .boxed(),
        Protocol::GRE => ports.prop_map(|(src, dst)| Layer4::Keys { src, dst }).boxed(),
        protocol if protocol.has_ports() => ports.prop_map(|(src, dst)| Layer4::Ports { src, dst }).boxed(),
        Protocol(_) => Just(Layer4::None).boxed(),
    }
}

fn tuple_of(protocol: u8, six: bool) -> impl Strategy<Value = Tuple> {
    let address = move |bits: u128| match six {
        true => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        false => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
    };
    (any::<u128>(), any::<u128>(), layer4(protocol)).prop_map(move |(src, dst, layer4)| Tuple {
        src: address(src),
        dst: address(dst),
        protocol: Protocol(protocol),
        layer4,
    })
}

fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![Just(1), Just(6), Just(17), Just(33), Just(47), Just(58), Just(132), Just(136), any::<u8>()]
}

fn tuple() -> impl Strategy<Value = Tuple> {
    (protocol(), any::<bool>()).prop_flat_map(|(protocol, six)| tuple_of(protocol, six))
}

fn tuples() -> impl Strategy<Value = PerDirection<Tuple>> {
    (protocol(), any::<bool>()).prop_flat_map(|(protocol, six)| {
        let translated = (tuple_of(protocol, six), tuple_of(protocol, six));
        prop_oneof![
            tuple_of(protocol, six).prop_map(|original| PerDirection { original, reply: original.reversed() }),
            translated.prop_map(|(original, reply)| PerDirection { original, reply }),
        ]
    })
}

fn both<T: std::fmt::Debug>(one: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = PerDirection<T>> {
    (one.clone(), one).prop_map(|(original, reply)| PerDirection { original, reply })
}

fn info() -> impl Strategy<Value = ProtocolInfo> {
    let flags = of((any::<u8>(), any::<u8>()).prop_map(|(flags, mask)| TcpFlags { flags, mask }));
    prop_oneof![
        (of(any::<u8>().prop_map(TcpState)), both(of(any::<u8>())), both(flags))
            .prop_map(|(state, window_scale, flags)| ProtocolInfo::Tcp { state, window_scale, flags }),
        (of(any::<u8>().prop_map(SctpState)), both(of(any::<u32>())))
            .prop_map(|(state, vtag)| ProtocolInfo::Sctp { state, vtag }),
        (of(any::<u8>().prop_map(DccpState)), of(any::<u8>()), of(any::<u64>()))
            .prop_map(|(state, role, handshake_seq)| ProtocolInfo::Dccp { state, role, handshake_seq }),
    ]
}

prop_compose! {
    fn rare()(
        helper in of("[a-z-]{0,15}"),
        helper_info in of(vec(any::<u8>(), 0..40)),
        security_context in of("[ -~]{0,60}"),
        secmark in of(any::<u32>()),
        master in of(tuple()),
        zones in both(of(any::<u16>().prop_map(Zone))),
        sequence in both(of((of(any::<u32>()), of(any::<i32>()), of(any::<i32>())).prop_map(
            |(correction_pos, offset_before, offset_after)| SequenceAdjustment { correction_pos, offset_before, offset_after },
        ))),
        synproxy in of((of(any::<u32>()), of(any::<u32>()), of(any::<u32>())).prop_map(
            |(isn, its, tsoff)| SynProxy { isn, its, tsoff },
        ).prop_filter("an unused one is not kept", |proxy| !proxy.is_unused())),
        unknown in vec((28u16..0x3fff, vec(any::<u8>(), 0..20)).prop_map(
            |(number, payload)| Attribute { number, payload },
        ), 0..3),
    ) -> Rare {
        Rare { helper, helper_info, security_context, secmark, master, zones, sequence, synproxy, unknown }
    }
}

prop_compose! {
    fn flow()(
        tuples in tuples(),
        (id, status, timeout, mark, uses) in
            (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>())),
        zone in prop_oneof![Just(0), any::<u16>()],
        info in of(info()),
        labels in of(any::<u128>()),
        counters in both(of((any::<u64>(), any::<u64>()).prop_map(|(packets, bytes)| Counters { packets, bytes }))),
        (started, stopped) in (of(any::<u64>()), of(any::<u64>())),
        rare in of(rare()),
    ) -> Flow {
        let mut flow = Flow {
            id: id.map(FlowId),
            status: status.map(Status),
            timeout,
            mark: mark.map(Mark),
            uses,
            zone: Zone(zone),
            info,
            labels: labels.map(Labels),
            counters,
            started: started.map(Timestamp),
            stopped: stopped.map(Timestamp),
            rare: rare.filter(|rare| *rare != Rare::default()).map(Box::new),
            ..Flow::new(tuples)
        };
        // An entry has one zone for both directions, or a zone for one direction only.
        if let Some(rare) = &mut flow.rare
            && (rare.zones.original.is_some() || rare.zones.reply.is_some())
        {
            flow.zone = rare.zones.original.unwrap_or_default();
        }
        flow
    }
}

fn only(bytes: &[u8]) -> Message<'_> {
    let mut messages = Messages::new(bytes);
    let message = messages.next().unwrap().unwrap();
    assert!(messages.next().is_none());
    message
}

fn entry(bytes: &[u8]) -> ConntrackMessage<'_> {
    match only(bytes).content() {
        Content::Conntrack(entry) => entry,
        other => panic!("{other:?}"),
    }
}

fn expectation(bytes: &[u8]) -> ExpectationMessage<'_> {
    match only(bytes).content() {
        Content::Expectation(entry) => entry,
        other => panic!("{other:?}"),
    }
}

/// Returns what `write` appends. It must be the same after another message and in used memory, and end at a whole word.
fn appended(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut fresh = Vec::new();
    write(&mut fresh);
    let mut used = vec![0xee; 500];
    used.clear();
    request::statistics(&mut used, 1);
    let start = used.len();
    write(&mut used);
    assert_eq!(used[start..], fresh);
    assert_eq!(fresh.len() % 4, 0);
    assert_eq!(only(&fresh).header.port, 0);
    fresh
}

/// Returns the reply tuple after the translation that the request asks for.
fn translated(flow: &FlowView<'_>) -> Tuple {
    let mut reply = flow.reply().unwrap();
    let single = |range: NatRange| {
        assert_eq!((range.addresses.0, range.ports.0), (range.addresses.1, range.ports.1));
        (range.addresses.0.unwrap(), range.ports.0)
    };
    if let Some((address, port)) = flow.source_nat().map(single) {
        reply.dst = address;
        reply.layer4 = match (reply.layer4, port) {
            (Layer4::Ports { src, .. }, Some(dst)) => Layer4::Ports { src, dst },
            (Layer4::Keys { src, .. }, Some(dst)) => Layer4::Keys { src, dst },
            (Layer4::Icmp { kind, code, .. }, Some(id)) => Layer4::Icmp { id, kind, code },
            (layer4, _) => layer4,
        };
    }
    if let Some((address, port)) = flow.destination_nat().map(single) {
        reply.src = address;
        reply.layer4 = match (reply.layer4, port) {
            (Layer4::Ports { dst, .. }, Some(src)) => Layer4::Ports { src, dst },
            (Layer4::Keys { dst, .. }, Some(src)) => Layer4::Keys { src, dst },
            (layer4, _) => layer4,
        };
    }
    reply
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(flow in flow(), sequence: u32, port: u32) {
        for kind in [EventKind::Row, EventKind::New, EventKind::Update, EventKind::Destroy] {
            let mut bytes = Vec::new();
            write_entry(&mut bytes, Origin { sequence, port }, kind, &flow);
            let read = entry(&bytes);
            prop_assert_eq!(read.flow.oddities(), []);
            prop_assert_eq!(&read.flow.to_flow().unwrap(), &flow);
            prop_assert_eq!((read.header.sequence, read.header.port), (sequence, port));
            // A row has the form of an update.
            let told = if kind == EventKind::Row { EventKind::Update } else { kind };
            prop_assert_eq!(read.kind(), told);
            prop_assert_eq!(read.header.flags.contains(Flags::MULTI), kind == EventKind::Row);
        }
    }

    #[test]
    fn a_request_to_make_an_entry_says_what_was_asked(flow in flow(), sequence: u32) {
        let bytes = appended(|buffer| request::create(buffer, sequence, &flow));
        let read = entry(&bytes);
        prop_assert_eq!(read.flow.oddities(), []);
        let mut asked = flow.clone();
        // Only the kernel can set these parts.
        (asked.id, asked.uses, asked.started, asked.stopped) = (None, None, None, None);
        asked.counters = PerDirection::default();
        asked.status = asked.status.map(|status| Status(status.0 & !0x201 | 0x8));
        if let Some(rare) = &mut asked.rare {
            rare.secmark = None;
            rare.security_context = None;
            rare.unknown.clear();
        }
        asked.rare = asked.rare.filter(|rare| **rare != Rare::default());
        // The reply of an ICMP flow can be translated only in its address and identifier.
        let reply = &mut asked.tuples.reply;
        if let (Layer4::Icmp { kind, code, .. }, Layer4::Icmp { kind: k, code: c, .. }) =
            (asked.tuples.original.reversed().layer4, &mut reply.layer4)
        {
            (*k, *c) = (kind, code);
        }
        let mut told = read.flow.to_flow().unwrap();
        told.tuples.reply = translated(&read.flow);
        prop_assert_eq!(told, asked);
    }

    #[test]
    fn requests_about_an_entry_name_it(flow in flow(), sequence: u32, ack: bool) {
        let key = flow.key();
        let bytes = appended(|buffer| request::delete(buffer, sequence, ack, &key));
        let read = entry(&bytes);
        prop_assert_eq!(read.flow.to_flow().unwrap().key(), key);
        prop_assert_eq!(read.header.flags.contains(Flags::ACK), ack);
        prop_assert!(read.flow.filter().is_none() && read.flow.reply().is_none());

        let bytes = appended(|buffer| request::get(buffer, sequence, &key));
        let read = entry(&bytes);
        prop_assert_eq!((read.flow.original(), read.flow.zone().unwrap_or_default()), (Ok(key.original), key.zone));
    }

    #[test]
    fn changes_are_told_with_their_masks(
        flow in flow(), mark in of((any::<u32>(), any::<u32>())), labels in of((any::<u128>(), any::<u128>())), timeout in of(any::<u32>()),
    ) {
        let mark = mark.map(|(value, mask)| Masked::new(value & mask, mask).unwrap());
        let labels = labels.map(|(set, clear)| LabelChange { set, clear });
        let update = Update { key: flow.key(), mark, labels, timeout };
        let bytes = appended(|buffer| request::update(buffer, 7, true, &update));
        let read = entry(&bytes);
        prop_assert_eq!(read.flow.original(), Ok(flow.tuples.original));
        prop_assert_eq!(read.flow.mark().map(|mark| mark.0), mark.map(Masked::value));
        prop_assert_eq!(read.flow.mark_mask(), mark.map(Masked::mask));
        prop_assert_eq!(read.flow.labels().map(|labels| labels.0), labels.map(|change| change.set));
        prop_assert_eq!(read.flow.labels_mask().map(|mask| mask.0), labels.map(LabelChange::mask));
        prop_assert_eq!(read.flow.timeout(), timeout);
        prop_assert!(!read.header.flags.contains(Flags::CREATE));
    }

    #[test]
    fn expectations_are_told_as_they_are(
        (master, expected, mask) in (tuple(), tuple(), tuple()),
        (id, zone, timeout, flags, class) in
            (any::<u32>(), any::<u16>(), of(any::<u32>()), of(any::<u32>()), of(any::<u32>())),
        (helper, function) in (of("[a-z-]{0,15}"), of("[a-z-]{0,30}")),
        nat in of((any::<u32>(), tuple())),
    ) {
        let asked = Expectation {
            id: None, zone: Zone(zone), master, tuple: expected, mask, timeout, flags, class, helper, function, nat,
        };
        let bytes = appended(|buffer| request::expectation::create(buffer, 7, &asked));
        prop_assert_eq!(expectation(&bytes).expectation.to_expectation(), Ok(asked.clone()));

        let key = Expectation { id: Some(FlowId(id)), ..asked }.key();
        for bytes in [
            appended(|buffer| request::expectation::delete(buffer, 7, true, &key)),
            appended(|buffer| request::expectation::get(buffer, 7, &key)),
        ] {
            let view = expectation(&bytes).expectation;
            prop_assert_eq!((view.id(), view.zone().unwrap_or_default(), view.expected()), (Some(key.id), key.zone, Ok(key.tuple)));
        }
    }

    #[test]
    fn any_bytes_are_walked_to_an_end(bytes in vec(any::<u8>(), 0..200)) {
        let walked: usize = Messages::new(&bytes).map_while(Result::ok).map(|message| message.payload.len() + 16).sum();
        prop_assert!(walked <= bytes.len());
    }
}
