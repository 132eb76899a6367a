//! A tuple whose parts arrive one by one and in any order.
//!
//! Text and JSON name the parts differently, with the same meaning.

use core::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{Flow, Layer4, PerDirection, Protocol, Tuple};

use super::error::LineProblem;

/// The known parts of a tuple.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TupleParts {
    pub(super) src: Option<IpAddr>,
    pub(super) dst: Option<IpAddr>,
    pub(super) ports: (Option<u16>, Option<u16>),
    pub(super) keys: (Option<u16>, Option<u16>),
    pub(super) icmp_type: Option<u8>,
    pub(super) icmp_code: Option<u8>,
    pub(super) icmp_id: Option<u16>,
}

impl TupleParts {
    /// The tuple; the protocol's part may be missing.
    pub(super) fn tuple(&self, protocol: Protocol) -> Result<Tuple, LineProblem> {
        let src = self.src.ok_or(LineProblem::Missing("a source address"))?;
        let dst = self.dst.ok_or(LineProblem::Missing("a destination address"))?;
        if src.is_ipv4() != dst.is_ipv4() {
            return Err(LineProblem::TwoFamilies);
        }
        Ok(Tuple { src, dst, protocol, layer4: self.layer4()? })
    }

    /// The tuple. The kernel always sends a part for some protocols; if it is missing there, the line was cut.
    pub(super) fn complete(&self, protocol: Protocol) -> Result<Tuple, LineProblem> {
        let tuple = self.tuple(protocol)?;
        // DCCP has no ports since the kernel no longer tracks it (since Linux 6.17).
        let wanting = match (protocol, tuple.layer4) {
            (Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP, Layer4::None) => "a pair of ports",
            (Protocol::ICMP | Protocol::ICMPV6, Layer4::None) => "the type of the ICMP message",
            (Protocol::GRE, Layer4::None) => "a pair of keys",
            _ => return Ok(tuple),
        };
        Err(LineProblem::Missing(wanting))
    }

    /// Whether the code of an ICMP message is known and its identifier, which follows, is not.
    pub(super) const fn awaits_icmp_id(&self) -> bool {
        self.icmp_code.is_some() && self.icmp_id.is_none()
    }

    fn layer4(&self) -> Result<Layer4, LineProblem> {
        let icmp = (self.icmp_type, self.icmp_code, self.icmp_id);
        let layer4 = match (self.ports, self.keys, icmp) {
            ((None, None), (None, None), (None, None, None)) => Layer4::None,
            ((Some(src), Some(dst)), (None, None), (None, None, None)) => Layer4::Ports { src, dst },
            ((None, None), (Some(src), Some(dst)), (None, None, None)) => Layer4::Keys { src, dst },
            ((None, None), (None, None), (Some(kind), Some(code), Some(id))) => Layer4::Icmp { id, kind, code },
            ((None, Some(_)), ..) => return Err(LineProblem::Missing("a source port")),
            ((Some(_), None), ..) => return Err(LineProblem::Missing("a destination port")),
            (_, (None, Some(_)), _) => return Err(LineProblem::Missing("a source key")),
            (_, (Some(_), None), _) => return Err(LineProblem::Missing("a destination key")),
            (ports, keys, _) if ports.0.is_some() || keys.0.is_some() => {
                return Err(LineProblem::expected("one of ports, keys and ICMP", "more than one of them"));
            }
            (_, _, (None, ..)) => return Err(LineProblem::Missing("the type of the ICMP message")),
            (_, _, (_, None, _)) => return Err(LineProblem::Missing("the code of the ICMP message")),
            (_, _, (_, _, None)) => return Err(LineProblem::Missing("the id of the ICMP message")),
            (_, _, (Some(_), Some(_), Some(_))) => Layer4::None,
        };
        Ok(layer4)
    }
}

/// Both tuples of a flow, of one family.
pub(super) fn pair(original: Tuple, reply: Tuple) -> Result<PerDirection<Tuple>, LineProblem> {
    if original.family() != reply.family() {
        return Err(LineProblem::TwoFamilies);
    }
    Ok(PerDirection { original, reply })
}

/// An entry whose tuples are not known yet.
pub(super) fn nowhere() -> Flow {
    let tuple = Tuple {
        src: Ipv4Addr::UNSPECIFIED.into(),
        dst: Ipv4Addr::UNSPECIFIED.into(),
        protocol: Protocol(0),
        layer4: Layer4::None,
    };
    Flow::new(PerDirection { original: tuple, reply: tuple })
}
