//! An independent decoder agrees on every attribute that it types: tuples, status, timeout, mark and TCP state.

use std::net::IpAddr;

use ctwarden_model::{Layer4, Mark, PerDirection, Protocol, ProtocolInfo, Status, TcpFlags, TcpState, Tuple};
use ctwarden_wire::{Content, FlowView, Messages};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple, Tuple as TuplePart,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};

use crate::entry_file;

#[test]
fn both_decoders_agree() {
    let mut compared = 0;
    for file in entry_file::all() {
        for bytes in &file.messages {
            let Content::Conntrack(ours) = Messages::new(bytes).next().unwrap().unwrap().content() else { continue };
            let theirs = NetlinkMessage::<NetfilterMessage>::deserialize(bytes).unwrap();
            let NetlinkPayload::InnerMessage(theirs) = theirs.payload else { panic!("{}", file.name()) };
            let attributes = match theirs.inner {
                NetfilterMessageInner::Conntrack(
                    ConntrackMessage::New(attributes) | ConntrackMessage::Delete(attributes),
                ) => attributes,
                other => panic!("{}: {other:?}", file.name()),
            };
            for attribute in &attributes {
                compared += usize::from(agrees(&ours.flow, attribute, file.name()));
            }
        }
    }
    assert!(compared > 200, "only {compared} attributes were compared");
}

/// Compares the attribute. Returns false if the other decoder does not type it.
fn agrees(ours: &FlowView<'_>, theirs: &ConntrackAttribute, name: &str) -> bool {
    match theirs {
        ConntrackAttribute::CtaTupleOrig(parts) => same_tuple(&ours.original().unwrap(), parts, name),
        ConntrackAttribute::CtaTupleReply(parts) => same_tuple(&ours.reply().unwrap(), parts, name),
        ConntrackAttribute::CtaProtoInfo(parts) => match parts.as_slice() {
            [ProtoInfo::TCP(parts)] => same_tcp(ours.protocol_info(), parts, name),
            _ => return false,
        },
        ConntrackAttribute::CtaStatus(status) => assert_eq!(ours.status(), Some(Status(status.bits())), "{name}"),
        ConntrackAttribute::CtaTimeout(seconds) => assert_eq!(ours.timeout(), Some(*seconds), "{name}"),
        ConntrackAttribute::CtaMark(mark) => assert_eq!(ours.mark(), Some(Mark(*mark)), "{name}"),
        _ => return false,
    }
    true
}

fn same_tuple(ours: &Tuple, theirs: &[TuplePart], name: &str) {
    let (mut addresses, mut ports) = ((None, None), (None, None));
    for part in theirs {
        match part {
            TuplePart::Ip(parts) => {
                for part in parts {
                    match part {
                        IPTuple::SourceAddress(address) => addresses.0 = Some(*address),
                        IPTuple::DestinationAddress(address) => addresses.1 = Some(*address),
                        _ => {}
                    }
                }
            }
            TuplePart::Proto(parts) => {
                for part in parts {
                    match part {
                        // The other decoder has a wrong number for IP in IP (94 instead of 4).
                        ProtoTuple::Protocol(protocol) if ours.protocol != Protocol::IPIP => {
                            assert_eq!(u8::from(*protocol), ours.protocol.0, "{name}");
                        }
                        ProtoTuple::SourcePort(port) => ports.0 = Some(*port),
                        ProtoTuple::DestinationPort(port) => ports.1 = Some(*port),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    assert_eq!(addresses, (Some::<IpAddr>(ours.src), Some::<IpAddr>(ours.dst)), "{name}");
    let of_ours = match ours.layer4 {
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (Some(src), Some(dst)),
        Layer4::None | Layer4::Icmp { .. } => (None, None),
    };
    assert_eq!(ports, of_ours, "{name}");
}

fn same_tcp(ours: Option<ProtocolInfo>, theirs: &[ProtoInfoTCP], name: &str) {
    let (mut state, mut window_scale, mut flags) =
        (None, PerDirection::<Option<u8>>::default(), PerDirection::<Option<TcpFlags>>::default());
    for part in theirs {
        match part {
            ProtoInfoTCP::State(number) => state = Some(TcpState(*number)),
            ProtoInfoTCP::OriginalWindowScale(scale) => window_scale.original = Some(*scale),
            ProtoInfoTCP::ReplyWindowScale(scale) => window_scale.reply = Some(*scale),
            ProtoInfoTCP::OriginalFlags(f) => flags.original = Some(TcpFlags { flags: f.flags, mask: f.mask }),
            ProtoInfoTCP::ReplyFlags(f) => flags.reply = Some(TcpFlags { flags: f.flags, mask: f.mask }),
            _ => {}
        }
    }
    assert_eq!(ours, Some(ProtocolInfo::Tcp { state, window_scale, flags }), "{name}");
}
