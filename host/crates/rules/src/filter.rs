//! The part of a rule's conditions that the host, the kernel and the replica can apply: the filter of a subscription.

use ctwarden_net::{Family, Masked, PortRange, Prefix, PrefixSet, Protocol};

use crate::domain::Domain;
use crate::field::{Address, Field};

/// Most protocols, zones and states in a filter. A longer list would cost more than it saves.
const MOST: i64 = 32;

/// A condition that every flow of the rule fulfils. An empty part holds for every flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Address family.
    pub family: Option<Family>,
    /// Protocols.
    pub protocols: Vec<Protocol>,
    /// Conntrack zones.
    pub zones: Vec<u16>,
    /// Networks of the sender of the first packet.
    pub original_src: Vec<Prefix>,
    /// Networks of the receiver of the first packet.
    pub original_dst: Vec<Prefix>,
    /// Networks of the sender of the answers.
    pub reply_src: Vec<Prefix>,
    /// Networks of the receiver of the answers.
    pub reply_dst: Vec<Prefix>,
    /// Networks of any of the four addresses.
    pub either: Vec<Prefix>,
    /// Source ports of the first packet.
    pub src_ports: Vec<PortRange>,
    /// Destination ports of the first packet.
    pub dst_ports: Vec<PortRange>,
    /// States.
    pub states: Vec<u8>,
    /// Mark under a mask.
    pub mark: Option<Masked>,
    /// Status under a mask.
    pub status: Option<Masked>,
    /// First and last seconds until the entry expires.
    pub timeout: Option<(u32, u32)>,
    /// Label bits that must all be set.
    pub labels: u128,
}

impl Filter {
    /// Takes over what the conditions together allow. `either` and `labels` are not in the domain.
    pub(crate) fn of(domain: &Domain, either: &PrefixSet, labels: u128) -> Self {
        let networks = |address| domain.networks(address).map(|networks| networks.iter().collect()).unwrap_or_default();
        let numbers = |field| domain.values(field, MOST).unwrap_or_default();
        // Every protocol with ports is implied by ports, and needs no list of its own.
        let has_port = [Field::OriginalSrcPort, Field::OriginalDstPort, Field::ReplySrcPort, Field::ReplyDstPort];
        let implied = has_port.iter().any(|port| domain.ranges(*port).is_some());
        let protocols = numbers(Field::Protocol);
        let protocols = if implied && protocols.len() == 5 { Vec::new() } else { protocols };
        let family = domain.values(Field::Family, 1).unwrap_or_default();
        Self {
            family: match family.as_slice() {
                [4] => Some(Family::Ipv4),
                [6] => Some(Family::Ipv6),
                _ => None,
            },
            protocols: protocols.into_iter().filter_map(|number| u8::try_from(number).ok().map(Protocol)).collect(),
            zones: numbers(Field::Zone).into_iter().filter_map(|number| u16::try_from(number).ok()).collect(),
            original_src: networks(Address::OriginalSrc),
            original_dst: networks(Address::OriginalDst),
            reply_src: networks(Address::ReplySrc),
            reply_dst: networks(Address::ReplyDst),
            either: either.iter().collect(),
            src_ports: ports(domain, Field::OriginalSrcPort),
            dst_ports: ports(domain, Field::OriginalDstPort),
            states: numbers(Field::State).into_iter().filter_map(|number| u8::try_from(number).ok()).collect(),
            mark: masked(domain, Field::Mark),
            status: masked(domain, Field::Status),
            timeout: timeout(domain),
            labels,
        }
    }

    /// Whether the filter matches every flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn ports(domain: &Domain, field: Field) -> Vec<PortRange> {
    let ranges = domain.ranges(field).unwrap_or_default();
    let ports = |(first, last): &(i64, i64)| {
        Some(PortRange { first: u16::try_from(*first).ok()?, last: u16::try_from(*last).ok()? })
    };
    ranges.iter().filter_map(ports).collect()
}

fn masked(domain: &Domain, field: Field) -> Option<Masked> {
    if let Some((mask, value)) = domain.bits(field) {
        return Masked::new(u32::try_from(value).ok()?, u32::try_from(mask).ok()?).ok();
    }
    match domain.values(field, 1)?.as_slice() {
        [value] => u32::try_from(*value).ok().map(Masked::all),
        _ => None,
    }
}

fn timeout(domain: &Domain) -> Option<(u32, u32)> {
    const SECOND: i64 = 1_000_000_000;
    match domain.ranges(Field::Timeout)? {
        // Outwards to whole seconds, so that the filter matches at least the flows of the rule.
        [(first, last)] => {
            let last = last.saturating_add(SECOND.saturating_sub(1)) / SECOND;
            Some((u32::try_from(first / SECOND).ok()?, u32::try_from(last).ok()?))
        }
        _ => None,
    }
}
