//! Address translation requested at the creation of an entry (`CTA_NAT_SRC`, `CTA_NAT_DST`).
//!
//! Only requests carry it. The kernel reports translation by the reply tuple. In a request it accepts translation only
//! together with a reply tuple that is not yet translated.

use core::net::IpAddr;

use ctwarden_model::{Layer4, PerDirection, Tuple};

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::{cta, cta_nat, cta_protonat};
use crate::report::{Report, Within, heard};
use crate::tuple::write_address;

/// Addresses and ports to translate to. A single first address or port is the whole range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatRange {
    /// First and last address.
    pub addresses: (Option<IpAddr>, Option<IpAddr>),
    /// First and last port, ICMP identifier or GRE key.
    pub ports: (Option<u16>, Option<u16>),
}

pub(crate) fn read<R: Report>(attribute: Attribute<'_>, naming: Naming, report: &mut R) -> NatRange {
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut range = NatRange::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        let v4 = || part.exactly::<4>(cta_nat::name).map(IpAddr::from);
        let v6 = || part.exactly::<16>(cta_nat::name).map(IpAddr::from);
        match part.number {
            cta_nat::V4_MINIP => range.addresses.0 = heard(v4(), &mut report),
            cta_nat::V4_MAXIP => range.addresses.1 = heard(v4(), &mut report),
            cta_nat::V6_MINIP => range.addresses.0 = heard(v6(), &mut report),
            cta_nat::V6_MAXIP => range.addresses.1 = heard(v6(), &mut report),
            cta_nat::PROTO => range.ports = ports(part, &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    range
}

fn ports<R: Report>(attribute: Attribute<'_>, report: &mut R) -> (Option<u16>, Option<u16>) {
    let mut report = Within { parent: cta_nat::name(attribute.number), to: report };
    let mut ports = (None, None);
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_protonat::PORT_MIN => ports.0 = heard(part.be16(cta_protonat::name), &mut report),
            cta_protonat::PORT_MAX => ports.1 = heard(part.be16(cta_protonat::name), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    ports
}

/// Writes the translations that turn the reversed original tuple into the reply tuple.
pub(crate) fn write(message: &mut Emit<'_>, tuples: &PerDirection<Tuple>) {
    let reversed = tuples.original.reversed();
    let reply = &tuples.reply;
    let (plain, translated) = (ends(&reversed), ends(reply));
    if (reversed.src, plain.0) != (reply.src, translated.0) {
        write_range(message, cta::NAT_DST, reply.src, translated.0);
    }
    if (reversed.dst, plain.1) != (reply.dst, translated.1) {
        write_range(message, cta::NAT_SRC, reply.dst, translated.1);
    }
}

/// The values at each end that the kernel may translate in addition to the address. An ICMP identifier belongs to the
/// sender of the original direction.
const fn ends(tuple: &Tuple) -> (Option<u16>, Option<u16>) {
    match tuple.layer4 {
        Layer4::None => (None, None),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (Some(src), Some(dst)),
        Layer4::Icmp { id, .. } => (None, Some(id)),
    }
}

fn write_range(message: &mut Emit<'_>, number: u16, address: IpAddr, port: Option<u16>) {
    message.nest(number, |message| {
        write_address(message, address, cta_nat::V4_MINIP, cta_nat::V6_MINIP);
        write_address(message, address, cta_nat::V4_MAXIP, cta_nat::V6_MAXIP);
        if let Some(port) = port {
            message.nest(cta_nat::PROTO, |message| {
                message.be16(cta_protonat::PORT_MIN, port);
                message.be16(cta_protonat::PORT_MAX, port);
            });
        }
    });
}

/// Writes the given parts of a requested translation as attribute `number`.
pub(crate) fn write_as_said(message: &mut Emit<'_>, number: u16, range: &NatRange) {
    message.nest(number, |message| {
        let addresses = [
            (range.addresses.0, cta_nat::V4_MINIP, cta_nat::V6_MINIP),
            (range.addresses.1, cta_nat::V4_MAXIP, cta_nat::V6_MAXIP),
        ];
        for (address, v4, v6) in addresses {
            if let Some(address) = address {
                write_address(message, address, v4, v6);
            }
        }
        if range.ports != (None, None) {
            message.nest(cta_nat::PROTO, |message| {
                for (port, number) in [(range.ports.0, cta_protonat::PORT_MIN), (range.ports.1, cta_protonat::PORT_MAX)]
                {
                    if let Some(port) = port {
                        message.be16(number, port);
                    }
                }
            });
        }
    });
}
