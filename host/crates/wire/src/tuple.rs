//! One direction of a flow in wire format (`CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_TUPLE_MASTER`, `CTA_EXPECT_*`).
//!
//! A tuple is one value. Half a tuple names nothing, so an odd part makes the whole tuple odd. Only the zone inside,
//! which most tuples lack, may be skipped.

use core::net::IpAddr;

use ctwarden_model::{Layer4, Protocol, Tuple, Zone};

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::error::{DecodeError, Expected, Found};
use crate::nfnetlink_conntrack::{cta_ip, cta_proto, cta_tuple};
use crate::report::{Report, heard};

/// A tuple with the zone that applies to its direction only (`CTA_TUPLE_ZONE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZonedTuple {
    pub(crate) tuple: Tuple,
    pub(crate) zone: Option<Zone>,
}

#[inline]
pub(crate) fn read<R: Report>(
    attribute: Attribute<'_>,
    naming: Naming,
    report: &mut R,
) -> Result<ZonedTuple, DecodeError> {
    let parent = |error: DecodeError| error.within(naming(attribute.number));
    let missing = |part: u16| attribute.error(naming, Expected::Attribute(cta_tuple::name(part)), Found::Nothing);
    let mut ip = None;
    let mut proto = None;
    let mut zone = None;
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_tuple::IP => ip = Some(part),
            cta_tuple::PROTO => proto = Some(part),
            cta_tuple::ZONE => zone = heard(part.be16(cta_tuple::name).map(Zone).map_err(parent), report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(parent(error));
    }
    let (src, dst) = addresses(ip.ok_or_else(|| missing(cta_tuple::IP))?).map_err(parent)?;
    let (protocol, layer4) = layer4(proto.ok_or_else(|| missing(cta_tuple::PROTO))?).map_err(parent)?;
    Ok(ZonedTuple { tuple: Tuple { src, dst, protocol, layer4 }, zone })
}

#[inline]
fn addresses(ip: Attribute<'_>) -> Result<(IpAddr, IpAddr), DecodeError> {
    let mut src = None;
    let mut dst = None;
    let mut parts = ip.nested();
    for part in parts.by_ref() {
        let v4 = || part.exactly::<4>(cta_ip::name).map(IpAddr::from);
        let v6 = || part.exactly::<16>(cta_ip::name).map(IpAddr::from);
        let within = |error: DecodeError| error.within(cta_tuple::name(cta_tuple::IP));
        match part.number {
            cta_ip::V4_SRC => src = Some(v4().map_err(within)?),
            cta_ip::V4_DST => dst = Some(v4().map_err(within)?),
            cta_ip::V6_SRC => src = Some(v6().map_err(within)?),
            cta_ip::V6_DST => dst = Some(v6().map_err(within)?),
            _ => {}
        }
    }
    let odd = |expected, found| ip.error(cta_tuple::name, expected, found);
    match (src, dst) {
        (Some(src @ IpAddr::V4(_)), Some(dst @ IpAddr::V4(_)))
        | (Some(src @ IpAddr::V6(_)), Some(dst @ IpAddr::V6(_))) => Ok((src, dst)),
        (Some(IpAddr::V4(_)), Some(IpAddr::V6(_))) | (Some(IpAddr::V6(_)), Some(IpAddr::V4(_))) => {
            Err(odd(Expected::OneFamily, Found::TwoFamilies))
        }
        (None, _) => Err(odd(Expected::Attribute("a source address"), Found::Nothing)),
        (Some(_), None) => Err(odd(Expected::Attribute("a destination address"), Found::Nothing)),
    }
}

/// Reads the part that depends on the protocol. A tuple with none of the protocol's parts has none (protocols that the
/// kernel tracks by address only). A tuple with some of them is odd.
#[inline]
fn layer4(proto: Attribute<'_>) -> Result<(Protocol, Layer4), DecodeError> {
    let mut number = None;
    let mut ports = (None, None);
    let mut icmp = IcmpParts::default();
    let mut icmpv6 = IcmpParts::default();
    let mut parts = proto.nested();
    for part in parts.by_ref() {
        let within = |error: DecodeError| error.within(cta_tuple::name(cta_tuple::PROTO));
        let two = || part.be16(cta_proto::name).map(Some).map_err(within);
        let one = || part.byte(cta_proto::name).map(Some).map_err(within);
        match part.number {
            cta_proto::NUM => number = one()?,
            cta_proto::SRC_PORT => ports.0 = two()?,
            cta_proto::DST_PORT => ports.1 = two()?,
            cta_proto::ICMP_ID => icmp.id = two()?,
            cta_proto::ICMP_TYPE => icmp.kind = one()?,
            cta_proto::ICMP_CODE => icmp.code = one()?,
            cta_proto::ICMPV6_ID => icmpv6.id = two()?,
            cta_proto::ICMPV6_TYPE => icmpv6.kind = one()?,
            cta_proto::ICMPV6_CODE => icmpv6.code = one()?,
            _ => {}
        }
    }
    let missing = |part| proto.error(cta_tuple::name, Expected::Attribute(cta_proto::name(part)), Found::Nothing);
    let protocol = Protocol(number.ok_or_else(|| missing(cta_proto::NUM))?);
    let layer4 = match protocol {
        Protocol::ICMP => icmp.complete(cta_proto::ICMP_ID).map_err(missing)?,
        Protocol::ICMPV6 => icmpv6.complete(cta_proto::ICMPV6_ID).map_err(missing)?,
        Protocol(_) => match ports {
            (Some(src), Some(dst)) if protocol == Protocol::GRE => Layer4::Keys { src, dst },
            (Some(src), Some(dst)) => Layer4::Ports { src, dst },
            (None, None) => Layer4::None,
            (None, Some(_)) => return Err(missing(cta_proto::SRC_PORT)),
            (Some(_), None) => return Err(missing(cta_proto::DST_PORT)),
        },
    };
    Ok((protocol, layer4))
}

#[derive(Default)]
struct IcmpParts {
    id: Option<u16>,
    kind: Option<u8>,
    code: Option<u8>,
}

impl IcmpParts {
    /// Returns all three values, or the number of the first missing one. `id` is the number of the identifier; the
    /// other two numbers follow it.
    fn complete(self, id: u16) -> Result<Layer4, u16> {
        match self {
            Self { id: Some(id), kind: Some(kind), code: Some(code) } => Ok(Layer4::Icmp { id, kind, code }),
            Self { id: None, kind: None, code: None } => Ok(Layer4::None),
            Self { id: None, .. } => Err(id),
            Self { kind: None, .. } => Err(id.saturating_add(1)),
            Self { .. } => Err(id.saturating_add(2)),
        }
    }
}

/// Writes a tuple as attribute `number`.
pub(crate) fn write(message: &mut Emit<'_>, number: u16, tuple: &Tuple, zone: Option<Zone>) {
    message.nest(number, |message| {
        message.nest(cta_tuple::IP, |message| {
            write_address(message, tuple.src, cta_ip::V4_SRC, cta_ip::V6_SRC);
            write_address(message, tuple.dst, cta_ip::V4_DST, cta_ip::V6_DST);
        });
        message.nest(cta_tuple::PROTO, |message| write_layer4(message, tuple));
        if let Some(Zone(zone)) = zone {
            message.be16(cta_tuple::ZONE, zone);
        }
    });
}

/// Writes an address under the number of its family.
pub(crate) fn write_address(message: &mut Emit<'_>, address: IpAddr, v4: u16, v6: u16) {
    match address {
        IpAddr::V4(address) => message.bytes(v4, &address.octets()),
        IpAddr::V6(address) => message.bytes(v6, &address.octets()),
    }
}

/// Writes the number of the protocol and the part that depends on it.
fn write_layer4(message: &mut Emit<'_>, tuple: &Tuple) {
    message.byte(cta_proto::NUM, tuple.protocol.0);
    match tuple.layer4 {
        Layer4::None => {}
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => {
            message.be16(cta_proto::SRC_PORT, src);
            message.be16(cta_proto::DST_PORT, dst);
        }
        Layer4::Icmp { id, kind, code } if tuple.protocol == Protocol::ICMPV6 => {
            message.be16(cta_proto::ICMPV6_ID, id);
            message.byte(cta_proto::ICMPV6_TYPE, kind);
            message.byte(cta_proto::ICMPV6_CODE, code);
        }
        Layer4::Icmp { id, kind, code } => {
            message.be16(cta_proto::ICMP_ID, id);
            message.byte(cta_proto::ICMP_TYPE, kind);
            message.byte(cta_proto::ICMP_CODE, code);
        }
    }
}
