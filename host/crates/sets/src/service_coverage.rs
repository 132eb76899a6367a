//! What a packet filter holds of the services of a set: blocks of addresses and ports that do not overlap.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use ctwarden_model::{Family, PortRange, Prefix, PrefixSet, Timestamp};

use crate::coverage::partition;
use crate::second::Second;
use crate::{Piece, Service};

/// Addresses of a piece, on some ports of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePiece {
    pub service: Service,
    pub piece: Piece,
}

/// The services of a set, each with its latest end over all sources. Every change computes all pieces anew, so this is
/// for thousands of services, not for millions.
#[derive(Clone, Debug, Default)]
pub struct ServiceCoverage {
    services: BTreeMap<(Service, Prefix), Second>,
}

impl ServiceCoverage {
    #[must_use]
    pub const fn new() -> Self {
        Self { services: BTreeMap::new() }
    }

    /// Number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.services.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Adds a service of a network, or gives it another end. `None` means no end.
    pub fn put(&mut self, network: Prefix, service: Service, until: Option<Timestamp>) {
        self.services.insert((service, network), Second::end(until));
    }

    pub fn remove(&mut self, network: Prefix, service: Service) {
        self.services.remove(&(service, network));
    }

    /// All pieces of a family. The ports of a protocol are cut where any service begins or ends, so that no two pieces
    /// overlap. A network that overlaps `never` covers nothing.
    #[must_use]
    pub fn pieces(&self, family: Family, never: &PrefixSet) -> Vec<ServicePiece> {
        let valid: Vec<(Service, Prefix, Second)> = self
            .services
            .iter()
            .filter(|((_, network), _)| network.family() == family && !never.overlaps(*network))
            .map(|((service, network), end)| (*service, *network, *end))
            .collect();
        let mut pieces = Vec::new();
        for of_protocol in valid.chunk_by(|(a, ..), (b, ..)| a.protocol == b.protocol) {
            for ports in cut(of_protocol.iter().map(|(service, ..)| service.ports)) {
                let mut networks: BTreeMap<Prefix, Second> = BTreeMap::new();
                for (service, network, end) in of_protocol {
                    if service.ports.contains(ports.first) {
                        let latest = networks.entry(*network).or_insert(*end);
                        *latest = (*latest).max(*end);
                    }
                }
                let protocol = of_protocol.first().map(|(service, ..)| service.protocol);
                let service = protocol.map(|protocol| Service { protocol, ports });
                let of_ports = partition(networks.into_iter());
                pieces.extend(
                    service
                        .into_iter()
                        .flat_map(|service| of_ports.iter().map(move |piece| ServicePiece { service, piece: *piece })),
                );
            }
        }
        pieces
    }
}

/// Cuts ranges of ports at each other's borders. Each result lies in each range wholly or not at all.
fn cut(ranges: impl Iterator<Item = PortRange> + Clone) -> Vec<PortRange> {
    let begins = ranges.clone().map(|range| u32::from(range.first));
    let behind = ranges.clone().map(|range| u32::from(range.last) + 1);
    let borders: BTreeSet<u32> = begins.chain(behind).collect();
    let borders: Vec<u32> = borders.into_iter().collect();
    borders
        .windows(2)
        .filter_map(|pair| {
            let &[first, behind] = pair else { return None };
            let range = PortRange { first: u16::try_from(first).ok()?, last: u16::try_from(behind - 1).ok()? };
            ranges.clone().any(|whole| whole.contains(range.first)).then_some(range)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use ctwarden_model::Protocol;
    use proptest::prelude::*;

    use super::*;

    fn service(protocol: Protocol, first: u16, last: u16) -> Service {
        Service { protocol, ports: PortRange { first, last } }
    }

    #[test]
    fn ports_are_cut_where_services_begin_and_end() {
        let mut coverage = ServiceCoverage::new();
        let host: Prefix = "192.0.2.7".parse().unwrap();
        coverage.put(host, service(Protocol::TCP, 0, u16::MAX), None);
        coverage.put("192.0.2.8".parse().unwrap(), service(Protocol::TCP, 80, 443), None);
        coverage.put(host, service(Protocol::UDP, 53, 53), None);
        let pieces = coverage.pieces(Family::Ipv4, &PrefixSet::new());
        let shown: Vec<_> = pieces.iter().map(|piece| (piece.service, piece.piece.last - piece.piece.first)).collect();
        let expected = [
            (service(Protocol::TCP, 0, 79), 0),
            (service(Protocol::TCP, 80, 443), 0),
            (service(Protocol::TCP, 80, 443), 0),
            (service(Protocol::TCP, 444, u16::MAX), 0),
            (service(Protocol::UDP, 53, 53), 0),
        ];
        assert_eq!(shown, expected);
        assert!(coverage.pieces(Family::Ipv6, &PrefixSet::new()).is_empty());
    }

    proptest! {
        #[test]
        fn each_address_and_port_stays_as_long_as_its_last_service(
            services in proptest::collection::vec(
                (0_u8..16, 28_u8..=32, 0_u16..8, 0_u16..8, any::<bool>(), proptest::option::of(1_u64..5)), 0..8),
        ) {
            let mut coverage = ServiceCoverage::new();
            let mut model = BTreeMap::new();
            for (low, length, first, more, tcp, until) in services {
                let network = Prefix::around(IpAddr::V4(Ipv4Addr::new(192, 0, 2, low)), length);
                let protocol = if tcp { Protocol::TCP } else { Protocol::UDP };
                let service = service(protocol, first, first + more);
                coverage.put(network, service, until.map(|until| Timestamp(until * 1_000_000_000)));
                model.insert((service, network), until);
            }
            let mut expected: BTreeMap<(Protocol, u16, u128), Option<u64>> = BTreeMap::new();
            for ((service, network), until) in model {
                let addresses = crate::coverage::number_of(network.address())..=crate::coverage::number_of(network.last());
                for address in addresses {
                    for port in service.ports.first..=service.ports.last {
                        let there = expected.entry((service.protocol, port, address)).or_insert(until);
                        *there = there.zip(until).map(|(a, b)| a.max(b));
                    }
                }
            }
            let mut shown = BTreeMap::new();
            for ServicePiece { service, piece } in coverage.pieces(Family::Ipv4, &PrefixSet::new()) {
                for address in piece.first..=piece.last {
                    for port in service.ports.first..=service.ports.last {
                        let until = piece.until.map(|until| until.0 / 1_000_000_000);
                        let twice = shown.insert((service.protocol, port, address), until);
                        prop_assert_eq!(twice, None, "pieces overlap");
                    }
                }
            }
            prop_assert_eq!(shown, expected);
        }
    }
}
