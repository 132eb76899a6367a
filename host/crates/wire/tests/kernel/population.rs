//! Entries of every kind that a request can make.
//!
//! Creation through netlink needs no rule and no traffic, so a test can build any table.

use ctwarden_model::{
    DccpState, Flow, Labels, Layer4, Mark, PerDirection, Protocol, ProtocolInfo, SctpState, Status, TcpFlags, TcpState,
    Tuple, Zone,
};

pub(crate) fn tuple(src: &str, dst: &str, protocol: Protocol, layer4: Layer4) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol, layer4 }
}

pub(crate) const fn ports(src: u16, dst: u16) -> Layer4 {
    Layer4::Ports { src, dst }
}

/// An entry that lives for 1000 seconds and whose reply is the reversed original.
pub(crate) fn plain(original: Tuple) -> Flow {
    Flow {
        timeout: Some(1000),
        status: Some(Status::CONFIRMED),
        ..Flow::new(PerDirection { original, reply: original.reversed() })
    }
}

/// A UDP entry from 192.0.2.1:1000 to 192.0.2.2:2000.
pub(crate) fn udp() -> Flow {
    plain(tuple("192.0.2.1", "192.0.2.2", Protocol::UDP, ports(1000, 2000)))
}

/// The kernel accepts window scales only together with the flag of their negotiation (`IP_CT_TCP_FLAG_WINDOW_SCALE`).
pub(crate) fn tcp_info(state: TcpState) -> Option<ProtocolInfo> {
    let scaled = Some(TcpFlags { flags: 1, mask: 1 });
    Some(ProtocolInfo::Tcp {
        state: Some(state),
        window_scale: PerDirection { original: Some(7), reply: Some(8) },
        flags: PerDirection { original: scaled, reply: scaled },
    })
}

/// Entries of both families with many protocols, marks, zones and states, with and without translation.
pub(crate) fn population() -> Vec<Flow> {
    let mut flows = Vec::new();
    for (index, &(src, dst)) in [
        ("192.0.2.1", "192.0.2.2"),
        ("192.0.2.1", "198.51.100.9"),
        ("203.0.113.7", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::2"),
        ("2001:db8::1", "2001:db8:1::9"),
    ]
    .iter()
    .enumerate()
    {
        let six = src.contains(':');
        let port = 1000 + u16::try_from(index).unwrap();
        let of = |protocol, layer4| plain(tuple(src, dst, protocol, layer4));
        let tcp = |src, dst| of(Protocol::TCP, ports(src, dst));
        flows.push(Flow {
            info: tcp_info(TcpState::ESTABLISHED),
            status: Some(Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED),
            mark: Some(Mark(0x11)),
            ..tcp(port, 80)
        });
        flows.push(Flow { info: tcp_info(TcpState::SYN_SENT), mark: Some(Mark(0x1100)), ..tcp(port, 443) });
        flows.push(Flow { status: Some(Status::CONFIRMED | Status::SEEN_REPLY), ..of(Protocol::UDP, ports(port, 53)) });
        flows.push(Flow { zone: Zone(5), mark: Some(Mark(0x12)), ..of(Protocol::UDP, ports(port, 53)) });
        flows.push(Flow { zone: Zone(6), ..of(Protocol::UDP, ports(80, port)) });
        let mut one_sided = of(Protocol::UDP, ports(port, 5353));
        one_sided.rare_mut().zones.reply = Some(Zone(5));
        flows.push(one_sided);
        let mut one_sided = Flow { zone: Zone(5), ..of(Protocol::UDP, ports(port, 5354)) };
        one_sided.rare_mut().zones.original = Some(Zone(5));
        flows.push(one_sided);
        let (protocol, kind) = if six { (Protocol::ICMPV6, 128) } else { (Protocol::ICMP, 8) };
        flows.push(of(protocol, Layer4::Icmp { id: port, kind, code: 0 }));
        flows.push(Flow {
            info: Some(ProtocolInfo::Sctp {
                state: Some(SctpState::ESTABLISHED),
                vtag: PerDirection { original: Some(0x1122_3344), reply: Some(0x5566_7788) },
            }),
            ..of(Protocol::SCTP, ports(port, 80))
        });
        flows.push(of(Protocol::UDPLITE, ports(port, 80)));
        flows.push(of(Protocol::GRE, Layer4::Keys { src: port, dst: 80 }));
        flows.push(of(Protocol(253), Layer4::None));
        let mut translated = tcp(port, 8080);
        translated.tuples.reply.layer4 = ports(80, port);
        translated.tuples.reply.src = if six { "2001:db8::99" } else { "192.0.2.99" }.parse().unwrap();
        flows.push(Flow { info: tcp_info(TcpState::ESTABLISHED), ..translated });
        let mut translated = tcp(port, 8081);
        translated.tuples.reply.layer4 = ports(8081, port + 1);
        translated.tuples.reply.dst = if six { "2001:db8::98" } else { "192.0.2.98" }.parse().unwrap();
        flows.push(Flow { info: tcp_info(TcpState::ESTABLISHED), mark: Some(Mark(1)), ..translated });
    }
    flows
}

/// Protocol state that no connection tracker of this kernel reads.
pub(crate) fn dccp_info() -> ProtocolInfo {
    ProtocolInfo::Dccp { state: Some(DccpState::OPEN), role: Some(1), handshake_seq: Some(7) }
}

/// Labels 1, 64 and 127.
pub(crate) const LABELS: Labels = Labels(1 << 1 | 1 << 64 | 1 << 127);
