//! The part of a filter that the kernel applies correctly in dumps.
//!
//! Requesting fewer entries from the kernel saves the most time. The kernel's answer is always a superset of what the
//! filter matches, and the caller matches exactly afterwards. The request omits these parts:
//! - addresses, ports and protocols of IPv6: the kernel's IPv6 address comparison is inverted (seen on Linux 6.18);
//! - zone 0: the kernel compares the entry's zone number, which is not 0 for a zone of the reply direction only,
//!   although the flow's original tuple is in zone 0;
//! - everything in the filter's `rare`;
//! - a mark or status under an empty mask: it matches every entry that has the field, and the kernel refuses such a
//!   status.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{Family, Filter, FilterPart, Masked, PortRange, Prefix, PrefixSet, Protocol, Zone};

/// The conditions that the kernel applies to a dump. Every part that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFilter {
    pub(crate) family: Option<Family>,
    pub(crate) mark: Option<Masked>,
    pub(crate) status: Option<Masked>,
    pub(crate) zone: Option<Zone>,
    pub(crate) original: Ipv4Parts,
    pub(crate) reply: Ipv4Parts,
}

/// Parts of an IPv4 tuple that must be equal. Ports are present only together with a protocol whose ports the kernel
/// compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ipv4Parts {
    pub(crate) src: Option<Ipv4Addr>,
    pub(crate) dst: Option<Ipv4Addr>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) src_port: Option<u16>,
    pub(crate) dst_port: Option<u16>,
}

impl KernelFilter {
    pub const EVERYTHING: Self =
        Self { family: None, mark: None, status: None, zone: None, original: Ipv4Parts::ANY, reply: Ipv4Parts::ANY };

    /// Returns the filter for every entry of a family.
    #[must_use]
    pub const fn family(family: Family) -> Self {
        Self { family: Some(family), ..Self::EVERYTHING }
    }

    /// Returns the part of the filter that the kernel applies.
    #[must_use]
    pub fn of(filter: &Filter) -> Self {
        let family = filter.family.or_else(|| implied_family(filter));
        let zone = match &*filter.zones {
            [zone] if *zone != Zone(0) => Some(*zone),
            _ => None,
        };
        let (original, reply) = match family {
            Some(Family::Ipv4) => {
                let protocol = match &*filter.protocols {
                    [protocol] => Some(*protocol),
                    _ => None,
                };
                // For other protocols the kernel accepts ports and does not compare them.
                let has_ports = matches!(protocol, Some(Protocol::TCP | Protocol::UDP));
                let port = |ranges: &[PortRange]| if has_ports { single_port(ranges) } else { None };
                let original = Ipv4Parts {
                    src: single_address(&filter.original_src),
                    dst: single_address(&filter.original_dst),
                    protocol,
                    src_port: port(&filter.src_ports),
                    dst_port: port(&filter.dst_ports),
                };
                let reply = Ipv4Parts {
                    src: single_address(&filter.reply_src),
                    dst: single_address(&filter.reply_dst),
                    ..Ipv4Parts::ANY
                };
                (original, reply)
            }
            Some(Family::Ipv6) | None => (Ipv4Parts::ANY, Ipv4Parts::ANY),
        };
        Self {
            family,
            mark: filter.mark.filter(|mark| mark.mask() != 0),
            status: filter.status.filter(|status| status.mask() != 0),
            zone,
            original,
            reply,
        }
    }

    /// Returns what the kernel applies for flows that match any of the filters. No filters mean everything, as in a
    /// subscription.
    #[must_use]
    pub fn union_of(filters: &[Filter]) -> Self {
        filters.iter().map(Self::of).reduce(Self::union).unwrap_or(Self::EVERYTHING)
    }

    /// Returns the narrowest filter that passes everything that either filter passes.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            family: both(self.family, other.family),
            mark: agreed(self.mark, other.mark),
            status: agreed(self.status, other.status),
            zone: both(self.zone, other.zone),
            original: self.original.union(other.original),
            reply: self.reply.union(other.reply),
        }
        .without_loose_parts()
    }

    /// Drops parts that the kernel refuses: parts of a tuple without the family, and ports without the protocol.
    fn without_loose_parts(mut self) -> Self {
        if self.family != Some(Family::Ipv4) {
            self.original = Ipv4Parts::ANY;
            self.reply = Ipv4Parts::ANY;
        }
        if self.original.protocol.is_none() {
            self.original.src_port = None;
            self.original.dst_port = None;
        }
        self
    }

    /// The parts that the request contains and the value of each, as text for operators.
    #[must_use]
    pub fn asked(&self) -> Vec<(FilterPart, String)> {
        let address = |address: Option<Ipv4Addr>| address.map(|address| address.to_string());
        let port = |port: Option<u16>| port.map(|port| port.to_string());
        let masked = |masked: Option<Masked>| masked.map(|bits| format!("{:#x}/{:#x}", bits.value(), bits.mask()));
        let family = self.family.map(|family| match family {
            Family::Ipv4 => "ipv4".to_owned(),
            Family::Ipv6 => "ipv6".to_owned(),
        });
        [
            (FilterPart::Family, family),
            (FilterPart::Protocols, self.original.protocol.map(|protocol| protocol.to_string())),
            (FilterPart::Zones, self.zone.map(|zone| zone.0.to_string())),
            (FilterPart::OriginalSrc, address(self.original.src)),
            (FilterPart::OriginalDst, address(self.original.dst)),
            (FilterPart::ReplySrc, address(self.reply.src)),
            (FilterPart::ReplyDst, address(self.reply.dst)),
            (FilterPart::SrcPorts, port(self.original.src_port)),
            (FilterPart::DstPorts, port(self.original.dst_port)),
            (FilterPart::Mark, masked(self.mark)),
            (FilterPart::Status, masked(self.status)),
        ]
        .into_iter()
        .filter_map(|(part, value)| Some((part, value?)))
        .collect()
    }

    /// Whether the request is for every entry.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::EVERYTHING
    }
}

impl Ipv4Parts {
    pub(crate) const ANY: Self = Self { src: None, dst: None, protocol: None, src_port: None, dst_port: None };

    fn union(self, other: Self) -> Self {
        Self {
            src: both(self.src, other.src),
            dst: both(self.dst, other.dst),
            protocol: both(self.protocol, other.protocol),
            src_port: both(self.src_port, other.src_port),
            dst_port: both(self.dst_port, other.dst_port),
        }
    }
}

/// Returns the value that both request.
fn both<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.filter(|value| Some(value) == other.as_ref())
}

/// Returns the bits on which both agree.
fn agreed(one: Option<Masked>, other: Option<Masked>) -> Option<Masked> {
    let (one, other) = (one?, other?);
    let mask = one.mask() & other.mask() & !(one.value() ^ other.value());
    Masked::new(one.value() & mask, mask).ok().filter(|masked| masked.mask() != 0)
}

/// Returns the family that all prefixes of one of the lists share. No flow of the other family can match.
fn implied_family(filter: &Filter) -> Option<Family> {
    filter.listed_networks().find_map(shared_family)
}

fn shared_family(networks: &PrefixSet) -> Option<Family> {
    let mut families = networks.iter().map(Prefix::family);
    let first = families.next()?;
    families.all(|family| family == first).then_some(first)
}

fn single_address(networks: &PrefixSet) -> Option<Ipv4Addr> {
    let mut networks = networks.iter();
    match (networks.next(), networks.next()) {
        (Some(network), None) if network.length() == 32 => match network.address() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        },
        _ => None,
    }
}

fn single_port(ranges: &[PortRange]) -> Option<u16> {
    match ranges {
        [PortRange { first, last }] if first == last => Some(*first),
        _ => None,
    }
}
