//! What a packet filter holds of a set: ranges of addresses that do not overlap, each with its end.
//!
//! The networks of a set may lie in each other and have different ends. A packet filter wants ranges that do not
//! overlap. A range stays as long as the last network that covers it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{Family, Prefix, PrefixSet, Timestamp};

use crate::second::Second;

/// Addresses from `first` to `last`, both included, as numbers of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    pub first: u128,
    pub last: u128,
    /// `None` means that the addresses stay until a network is removed.
    pub until: Option<Timestamp>,
}

/// The networks of a set, each with its latest end over all sources.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    networks: BTreeMap<Prefix, Second>,
    /// Number of networks of each prefix length, so that a search for wider networks tries only the lengths in use.
    ipv4: BTreeMap<u8, usize>,
    ipv6: BTreeMap<u8, usize>,
}

impl Coverage {
    #[must_use]
    pub const fn new() -> Self {
        Self { networks: BTreeMap::new(), ipv4: BTreeMap::new(), ipv6: BTreeMap::new() }
    }

    /// Number of networks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Every network, by address, the wider first.
    pub fn networks(&self) -> impl Iterator<Item = Prefix> {
        self.networks.keys().copied()
    }

    /// Adds a network, or gives it another end. `None` means no end.
    pub fn put(&mut self, network: Prefix, until: Option<Timestamp>) {
        if self.networks.insert(network, Second::end(until)).is_none() {
            *self.lengths(network.family()).entry(network.length()).or_default() += 1;
        }
    }

    /// Removes a network. Wider and narrower networks stay.
    pub fn remove(&mut self, network: Prefix) {
        if self.networks.remove(&network).is_none() {
            return;
        }
        let lengths = self.lengths(network.family());
        if let Some(count) = lengths.get_mut(&network.length()) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&network.length());
            }
        }
    }

    const fn lengths(&mut self, family: Family) -> &mut BTreeMap<u8, usize> {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }

    /// The addresses whose pieces a change of the network affects: the widest network of the set that contains the
    /// network, or the network itself. The answer is the same before and after the change.
    #[must_use]
    pub fn region(&self, network: Prefix) -> Prefix {
        let lengths = match network.family() {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        };
        let wider = lengths.range(..network.length()).map(|(length, _)| Prefix::around(network.address(), *length));
        wider.into_iter().find(|wider| self.networks.contains_key(wider)).unwrap_or(network)
    }

    /// The pieces inside a region, lowest first. A network that overlaps `never` covers nothing; narrower networks in
    /// it still do.
    #[must_use]
    pub fn pieces(&self, region: Prefix, never: &PrefixSet) -> Vec<Piece> {
        let end = Prefix::host(region.last());
        let inside = self.networks.range(region..=end).filter(|(network, _)| !never.overlaps(**network));
        partition(inside.map(|(network, end)| (*network, *end)))
    }

    /// All pieces of a family, lowest first; see [`Self::pieces`].
    #[must_use]
    pub fn all_pieces(&self, family: Family, never: &PrefixSet) -> Vec<Piece> {
        let of_family = |(network, _): &(&Prefix, &Second)| network.family() == family && !never.overlaps(**network);
        partition(self.networks.iter().filter(of_family).map(|(network, end)| (*network, *end)))
    }
}

/// The number of an address; the order of numbers is the order of addresses of a family.
#[must_use]
pub const fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits() as u128,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Makes pieces of networks of one family that come by address, the wider first.
pub(crate) fn partition(networks: impl Iterator<Item = (Prefix, Second)>) -> Vec<Piece> {
    let mut pieces = Pieces::default();
    // The networks around the present place, the widest first. Each ends later than the one around it.
    let mut open: Vec<(u128, Second)> = Vec::new();
    for (network, end) in networks {
        let (first, last) = (number_of(network.address()), number_of(network.last()));
        while let Some((closed, until)) = open.pop_if(|(last, _)| *last < first) {
            pieces.up_to(closed, until);
        }
        match open.last() {
            Some((_, around)) if *around >= end => continue,
            Some((_, around)) => {
                if let Some(before) = first.checked_sub(1) {
                    pieces.up_to(before, *around);
                }
            }
            None => pieces.begin(first),
        }
        open.push((last, end));
    }
    while let Some((closed, until)) = open.pop() {
        pieces.up_to(closed, until);
    }
    pieces.done
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    /// The first address that no piece has; `None` behind the highest address.
    next: Option<u128>,
    /// The first piece of the present region. Pieces of different regions are not joined, because each region changes
    /// alone.
    region: usize,
}

impl Pieces {
    /// Begins a region at this address.
    const fn begin(&mut self, first: u128) {
        self.next = Some(first);
        self.region = self.done.len();
    }

    /// Adds the addresses from the present place to `last`, and joins them to a neighbour with the same end.
    fn up_to(&mut self, last: u128, until: Second) {
        let Some(first) = self.next.filter(|first| *first <= last) else { return };
        self.next = last.checked_add(1);
        let until = until.moment();
        let joins = |piece: &&mut Piece| piece.until == until && piece.last.checked_add(1) == Some(first);
        let of_region = self.done.get_mut(self.region..).unwrap_or_default();
        match of_region.last_mut().filter(joins) {
            Some(neighbour) => neighbour.last = last,
            None => self.done.push(Piece { first, last, until }),
        }
    }
}

#[cfg(test)]
mod tests;
