//! State of TCP, SCTP and DCCP (`CTA_PROTOINFO`).
//!
//! Each part is independent: destroy events carry only the state (Linux 5.9 and later), and absent parts stay absent.

use ctwarden_model::{DccpState, PerDirection, ProtocolInfo, SctpState, TcpFlags, TcpState};

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::{cta, cta_protoinfo, cta_protoinfo_dccp, cta_protoinfo_sctp, cta_protoinfo_tcp};
use crate::report::{Report, Within, heard};

/// Reads the first known protocol in the attribute.
pub(crate) fn read<R: Report>(attribute: Attribute<'_>, naming: Naming, report: &mut R) -> Option<ProtocolInfo> {
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut parts = attribute.nested();
    let mut info = None;
    for part in parts.by_ref() {
        let read = match part.number {
            cta_protoinfo::TCP => tcp(part, &mut report),
            cta_protoinfo::SCTP => sctp(part, &mut report),
            cta_protoinfo::DCCP => dccp(part, &mut report),
            _ => continue,
        };
        info = info.or(Some(read));
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    info
}

fn tcp<R: Report>(attribute: Attribute<'_>, report: &mut R) -> ProtocolInfo {
    let naming: Naming = cta_protoinfo_tcp::name;
    let mut report = Within { parent: cta_protoinfo::name(cta_protoinfo::TCP), to: report };
    let mut state = None;
    let mut window_scale = PerDirection::default();
    let mut flags = PerDirection::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        let read_flags = || part.two_bytes(naming).map(|[flags, mask]| TcpFlags { flags, mask });
        match part.number {
            cta_protoinfo_tcp::STATE => state = heard(part.byte(naming).map(TcpState), &mut report),
            cta_protoinfo_tcp::WSCALE_ORIGINAL => window_scale.original = heard(part.byte(naming), &mut report),
            cta_protoinfo_tcp::WSCALE_REPLY => window_scale.reply = heard(part.byte(naming), &mut report),
            cta_protoinfo_tcp::FLAGS_ORIGINAL => flags.original = heard(read_flags(), &mut report),
            cta_protoinfo_tcp::FLAGS_REPLY => flags.reply = heard(read_flags(), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    ProtocolInfo::Tcp { state, window_scale, flags }
}

fn sctp<R: Report>(attribute: Attribute<'_>, report: &mut R) -> ProtocolInfo {
    let naming: Naming = cta_protoinfo_sctp::name;
    let mut report = Within { parent: cta_protoinfo::name(cta_protoinfo::SCTP), to: report };
    let mut state = None;
    let mut vtag = PerDirection::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_protoinfo_sctp::STATE => state = heard(part.byte(naming).map(SctpState), &mut report),
            cta_protoinfo_sctp::VTAG_ORIGINAL => vtag.original = heard(part.be32(naming), &mut report),
            cta_protoinfo_sctp::VTAG_REPLY => vtag.reply = heard(part.be32(naming), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    ProtocolInfo::Sctp { state, vtag }
}

fn dccp<R: Report>(attribute: Attribute<'_>, report: &mut R) -> ProtocolInfo {
    let naming: Naming = cta_protoinfo_dccp::name;
    let mut report = Within { parent: cta_protoinfo::name(cta_protoinfo::DCCP), to: report };
    let mut state = None;
    let mut role = None;
    let mut handshake_seq = None;
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_protoinfo_dccp::STATE => state = heard(part.byte(naming).map(DccpState), &mut report),
            cta_protoinfo_dccp::ROLE => role = heard(part.byte(naming), &mut report),
            cta_protoinfo_dccp::HANDSHAKE_SEQ => handshake_seq = heard(part.be64(naming), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    ProtocolInfo::Dccp { state, role, handshake_seq }
}

/// Writes the parts that are present.
pub(crate) fn write(message: &mut Emit<'_>, info: &ProtocolInfo) {
    message.nest(cta::PROTOINFO, |message| match *info {
        ProtocolInfo::Tcp { state, window_scale, flags } => message.nest(cta_protoinfo::TCP, |message| {
            write_byte(message, cta_protoinfo_tcp::STATE, state.map(|s| s.0));
            write_byte(message, cta_protoinfo_tcp::WSCALE_ORIGINAL, window_scale.original);
            write_byte(message, cta_protoinfo_tcp::WSCALE_REPLY, window_scale.reply);
            let flags =
                [(cta_protoinfo_tcp::FLAGS_ORIGINAL, flags.original), (cta_protoinfo_tcp::FLAGS_REPLY, flags.reply)];
            for (number, flags) in flags {
                if let Some(TcpFlags { flags, mask }) = flags {
                    message.bytes(number, &[flags, mask]);
                }
            }
        }),
        ProtocolInfo::Sctp { state, vtag } => message.nest(cta_protoinfo::SCTP, |message| {
            write_byte(message, cta_protoinfo_sctp::STATE, state.map(|s| s.0));
            if let Some(vtag) = vtag.original {
                message.be32(cta_protoinfo_sctp::VTAG_ORIGINAL, vtag);
            }
            if let Some(vtag) = vtag.reply {
                message.be32(cta_protoinfo_sctp::VTAG_REPLY, vtag);
            }
        }),
        ProtocolInfo::Dccp { state, role, handshake_seq } => message.nest(cta_protoinfo::DCCP, |message| {
            write_byte(message, cta_protoinfo_dccp::STATE, state.map(|s| s.0));
            write_byte(message, cta_protoinfo_dccp::ROLE, role);
            if let Some(sequence) = handshake_seq {
                message.be64(cta_protoinfo_dccp::HANDSHAKE_SEQ, sequence);
            }
        }),
    });
}

fn write_byte(message: &mut Emit<'_>, number: u16, value: Option<u8>) {
    if let Some(value) = value {
        message.byte(number, value);
    }
}
