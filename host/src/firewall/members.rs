//! The members of one set, from its list and from claims, as ranges for a packet filter.

use std::collections::BTreeMap;

use ctwarden_model::{Family, Prefix, PrefixSet, Timestamp};
use ctwarden_sets::{Coverage, Member, Piece, ServiceCoverage, ServicePiece};

use crate::set_file::Networks;

/// The end of what all claims on a member say together; the inner `None` means no end.
pub(crate) type LatestEnd = Option<Option<Timestamp>>;

#[derive(Debug, Default)]
pub(super) struct Members {
    /// The networks of the list. They have no end.
    list: Option<Networks>,
    claims: BTreeMap<Member, Option<Timestamp>>,
    networks: Coverage,
    services: ServiceCoverage,
    held_back: HeldBack,
}

/// The networks of a set that a packet filter must not hold, because they overlap addresses that are never banned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldBack {
    pub(crate) count: usize,
    /// The first of them.
    pub(crate) first: Vec<Prefix>,
}

/// Most networks that are named.
const NAMED: usize = 5;

impl Members {
    pub(super) fn new(list: Option<Networks>, claims: Vec<(Member, Option<Timestamp>)>) -> Self {
        let mut members = Self { claims: claims.into_iter().collect(), ..Self::default() };
        members.use_list(list);
        members
    }

    /// Replaces the list.
    pub(super) fn use_list(&mut self, list: Option<Networks>) {
        self.list = list;
        self.networks = Coverage::new();
        self.services = ServiceCoverage::new();
        for (network, _) in self.list.iter().flat_map(|list| list.iter()) {
            self.networks.put(network, None);
        }
        for member in self.claims.keys().copied().collect::<Vec<_>>() {
            self.cover(member);
        }
    }

    /// Changes what is claimed of a member. `None` means that no claim is left.
    pub(super) fn claim(&mut self, member: Member, until: LatestEnd) {
        match until {
            Some(until) => drop(self.claims.insert(member, until)),
            None => drop(self.claims.remove(&member)),
        }
        self.cover(member);
    }

    fn cover(&mut self, member: Member) {
        let (network, claimed) = (member.prefix(), self.claims.get(&member).copied());
        match member.only() {
            Some(service) => match claimed {
                Some(until) => self.services.put(network, service, until),
                None => self.services.remove(network, service),
            },
            None => {
                let is_listed = self.list.as_ref().is_some_and(|list| list.get(network).is_some());
                match claimed {
                    _ if is_listed => self.networks.put(network, None),
                    Some(until) => self.networks.put(network, until),
                    None => self.networks.remove(network),
                }
            }
        }
    }

    /// The addresses whose pieces a change of the network affects.
    pub(super) fn region(&self, network: Prefix) -> Prefix {
        self.networks.region(network)
    }

    pub(super) fn pieces_in(&self, region: Prefix, never: &PrefixSet) -> Vec<Piece> {
        self.networks.pieces(region, never)
    }

    pub(super) fn pieces(&self, family: Family, never: &PrefixSet) -> Vec<Piece> {
        self.networks.all_pieces(family, never)
    }

    pub(super) fn service_pieces(&self, family: Family, never: &PrefixSet) -> Vec<ServicePiece> {
        self.services.pieces(family, never)
    }

    /// Looks for networks that overlap addresses that are never banned. This reads every network.
    pub(super) fn find_held_back(&mut self, never: &PrefixSet) {
        let mut held_back = HeldBack::default();
        for network in self.networks.networks().filter(|network| never.overlaps(*network)) {
            held_back.count += 1;
            if held_back.first.len() < NAMED {
                held_back.first.push(network);
            }
        }
        self.held_back = held_back;
    }

    pub(super) const fn held_back(&self) -> &HeldBack {
        &self.held_back
    }
}
