//! Flows of a typical gateway: mostly TCP and UDP over IPv4, some of it translated, a fifth IPv6, a little ICMP.
//!
//! All bodies use them as input, so that the figures of different parts can be compared.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::{
    Counters, Event, EventKind, Flow, FlowId, Labels, Layer4, Mark, PerDirection, Protocol, ProtocolInfo, Status,
    TcpFlags, TcpState, Timestamp, Tuple, Zone,
};

use crate::numbers::Numbers;

/// The number of clients. Each has about the same number of flows.
const CLIENTS: u64 = 20_000;

/// This number of flows, each with its own id.
pub(crate) fn mixed(count: usize) -> Vec<Flow> {
    beyond(0, count)
}

/// This number of flows, after the first `skipped` ones.
pub(crate) fn beyond(skipped: usize, count: usize) -> Vec<Flow> {
    let mut numbers = Numbers(42);
    (0..).map(|number| flow(number, &mut numbers)).skip(skipped).take(count).collect()
}

/// The flows as events of one kind.
pub(crate) fn events(kind: EventKind, flows: &[Flow]) -> Vec<Event> {
    flows.iter().map(|flow| Event { kind, by_us: false, flow: flow.clone() }).collect()
}

fn flow(number: u32, numbers: &mut Numbers) -> Flow {
    let random = numbers.next();
    // Of 20 flows, 16 are IPv4 (4 of them translated, 1 of them ICMP) and 4 are IPv6.
    let share = number % 20;
    let (src, dst) = addresses(share >= 16, numbers);
    let (protocol, layer4) = match share {
        15 => (Protocol::ICMP, Layer4::Icmp { id: number as u16, kind: 8, code: 0 }),
        3 | 7 | 11 | 19 => (Protocol::UDP, Layer4::Ports { src: number as u16 | 1024, dst: 53 }),
        _ => (Protocol::TCP, Layer4::Ports { src: number as u16 | 1024, dst: 443 }),
    };
    let original = Tuple { src, dst, protocol, layer4 };
    let mut reply = original.reversed();
    let mut status = Status::CONFIRMED | Status::SEEN_REPLY;
    if share < 4 {
        reply.dst = Ipv4Addr::new(203, 0, 113, (random % 4) as u8).into();
        status = status | Status::SRC_NAT | Status::SRC_NAT_DONE;
    }
    let mut flow = Flow::new(PerDirection { original, reply });
    // The ids of existing flows differ.
    flow.id = Some(FlowId(number.wrapping_mul(0x9e37_79b1)));
    flow.timeout = Some((random >> 8) as u32 % 432_000);
    flow.mark = Some(Mark((random >> 40) as u32 & 0xff));
    flow.uses = Some(1);
    if protocol == Protocol::TCP {
        let flags = Some(TcpFlags { flags: 0x23, mask: 0 });
        flow.info = Some(ProtocolInfo::Tcp {
            state: Some(TcpState::ESTABLISHED),
            window_scale: PerDirection { original: Some(7), reply: Some(8) },
            flags: PerDirection { original: flags, reply: flags },
        });
        status = status | Status::ASSURED;
    }
    flow.status = Some(status);
    let counted = |bits: u64| Some(Counters { packets: 1 + bits % 1_000, bytes: 60 + bits % 1_000_000 });
    flow.counters = PerDirection { original: counted(random >> 16), reply: counted(random >> 20) };
    flow.started = Some(Timestamp(1_700_000_000_000_000_000 + (random >> 24)));
    if share == 5 {
        flow.zone = Zone(7);
        flow.labels = Some(Labels(1 << 100 | 1 << 3));
    }
    flow
}

fn addresses(ipv6: bool, numbers: &mut Numbers) -> (IpAddr, IpAddr) {
    let (client, server) = (numbers.next() % CLIENTS, numbers.next() % 200);
    if ipv6 {
        let of = |network: u128, host: u64| Ipv6Addr::from_bits(network << 96 | u128::from(host) << 16 | 1).into();
        (of(0x2001_0db8, client), of(0x2001_0db9, server))
    } else {
        let of = |network: u32, host: u64| Ipv4Addr::from_bits(network | host as u32).into();
        (of(0x0a00_0000, client), of(0xc633_6400, server))
    }
}
