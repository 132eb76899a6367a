//! What the kernel holds of one set, as far as ctwarden knows, and what has to change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ctwarden_model::{Family, Prefix, Timestamp};
use ctwarden_sets::{Piece, ServicePiece, number_of};

use crate::netlink::nftables::managed::ServiceRange;
use crate::netlink::nftables::{Element, Lifetime, Range};

/// How much longer an element lives in the kernel than in the set. ctwarden removes elements itself; the kernel's
/// lifetime matters only while the daemon does not run.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Values of both address families.
#[derive(Clone, Debug, Default)]
pub(super) struct PerFamily<T> {
    ipv4: T,
    ipv6: T,
}

impl<T> PerFamily<T> {
    pub(super) const fn of(&self, family: Family) -> &T {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    pub(super) const fn of_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }
}

pub(super) const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    addresses: PerFamily<BTreeMap<u128, Piece>>,
    services: PerFamily<BTreeSet<ServicePiece>>,
}

/// Pieces to remove, and then pieces to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference<T> {
    pub(super) out: Vec<T>,
    pub(super) into: Vec<T>,
}

impl<T> Difference<T> {
    pub(super) const fn is_empty(&self) -> bool {
        self.out.is_empty() && self.into.is_empty()
    }
}

impl Held {
    /// Number of elements in the kernel.
    pub(super) fn len(&self) -> usize {
        let of = |family| self.addresses.of(family).len().saturating_add(self.services.of(family).len());
        FAMILIES.into_iter().map(of).sum()
    }

    pub(super) fn pieces(&self, family: Family) -> impl Iterator<Item = Piece> {
        self.addresses.of(family).values().copied()
    }

    /// What turns the pieces of a region into `wanted`.
    pub(super) fn difference(&self, region: Prefix, wanted: &[Piece]) -> Difference<Piece> {
        let all = number_of(region.address())..=number_of(region.last());
        let present = self.addresses.of(region.family()).range(all).map(|(_, piece)| *piece);
        difference(present, wanted)
    }

    /// What turns all pieces of a family into `wanted`.
    pub(super) fn whole_difference(&self, family: Family, wanted: &[Piece]) -> Difference<Piece> {
        difference(self.pieces(family), wanted)
    }

    pub(super) fn service_difference(&self, family: Family, wanted: &[ServicePiece]) -> Difference<ServicePiece> {
        difference(self.services.of(family).iter().copied(), wanted)
    }

    /// Notes that the kernel has carried out a difference.
    pub(super) fn take(&mut self, family: Family, done: &Difference<Piece>) {
        let pieces = self.addresses.of_mut(family);
        for piece in &done.out {
            pieces.remove(&piece.first);
        }
        pieces.extend(done.into.iter().map(|piece| (piece.first, *piece)));
    }

    pub(super) fn take_services(&mut self, family: Family, done: &Difference<ServicePiece>) {
        let pieces = self.services.of_mut(family);
        for piece in &done.out {
            pieces.remove(piece);
        }
        pieces.extend(done.into.iter().copied());
    }
}

/// Compares two lists in ascending order.
fn difference<T: Copy + Ord>(present: impl Iterator<Item = T>, wanted: &[T]) -> Difference<T> {
    let mut difference = Difference { out: Vec::new(), into: Vec::new() };
    let (mut present, mut wanted) = (present.peekable(), wanted.iter().copied().peekable());
    loop {
        match (present.peek().copied(), wanted.peek().copied()) {
            (Some(old), Some(new)) if old == new => {
                present.next();
                wanted.next();
            }
            (Some(old), new) if new.is_none_or(|new| old < new) => {
                difference.out.push(old);
                present.next();
            }
            (_, Some(new)) => {
                difference.into.push(new);
                wanted.next();
            }
            (Some(_) | None, None) => return difference,
        }
    }
}

/// The lifetime in the kernel of a piece that ends at `until`.
pub(super) fn lifetime(until: Option<Timestamp>, now: Timestamp) -> Lifetime {
    let Some(until) = until else { return Lifetime::FOREVER };
    let left = Duration::from_nanos(until.0.saturating_sub(now.0)).saturating_add(GRACE);
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    Lifetime { whole: Some(left), left: Some(left) }
}

/// Whether an element of the kernel lives about as long as a piece should.
pub(super) fn is_as_long(element: Lifetime, until: Option<Timestamp>, now: Timestamp) -> bool {
    match (element.left, lifetime(until, now).left) {
        (None, None) => true,
        (Some(left), Some(wanted)) => {
            let grace = u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX);
            left <= wanted.saturating_add(grace) && wanted <= left.saturating_add(grace)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

pub(super) fn element(piece: Piece, now: Timestamp) -> Element {
    Element { range: range(piece), lifetime: lifetime(piece.until, now), userdata: Vec::new() }
}

pub(super) const fn range(piece: Piece) -> Range {
    Range { first: piece.first, last: piece.last }
}

pub(super) fn service_range(ServicePiece { service, piece }: ServicePiece, now: Timestamp) -> ServiceRange {
    ServiceRange {
        addresses: range(piece),
        protocol: service.protocol,
        ports: service.ports,
        lifetime: lifetime(piece.until, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first: u128, last: u128, until: Option<u64>) -> Piece {
        Piece { first, last, until: until.map(|seconds| Timestamp(seconds * 1_000_000_000)) }
    }

    #[test]
    fn a_piece_with_another_end_is_replaced_and_an_equal_one_stays() {
        let mut held = Held::default();
        let region: Prefix = "10.0.0.0/8".parse().unwrap();
        let base = number_of(region.address());
        let before = [piece(base, base + 9, Some(5)), piece(base + 20, base + 29, None)];
        let all = held.difference(region, &before);
        assert_eq!(all, Difference { out: vec![], into: before.to_vec() });
        held.take(Family::Ipv4, &all);
        assert!(held.difference(region, &before).is_empty());
        let wanted = [piece(base, base + 9, Some(6)), before[1], piece(base + 40, base + 40, None)];
        let change = held.difference(region, &wanted);
        assert_eq!(change, Difference { out: vec![before[0]], into: vec![wanted[0], wanted[2]] });
        held.take(Family::Ipv4, &change);
        assert!(held.whole_difference(Family::Ipv4, &wanted).is_empty());
        assert_eq!(held.len(), 3);
    }

    #[test]
    fn an_element_that_would_end_too_soon_or_never_is_not_as_long() {
        let now = Timestamp(1_000_000_000_000);
        let until = Some(Timestamp(now.0 + 60_000_000_000));
        let left = |seconds: u64| Lifetime { whole: None, left: Some(seconds * 1000) };
        assert!(is_as_long(lifetime(until, now), until, now) && is_as_long(left(62), until, now));
        assert!(!is_as_long(left(30), until, now) && !is_as_long(left(300), until, now));
        assert!(!is_as_long(Lifetime::FOREVER, until, now) && !is_as_long(left(60), None, now));
        assert!(is_as_long(Lifetime::FOREVER, None, now));
    }
}
