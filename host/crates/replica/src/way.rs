//! Scans for the flows that may match a filter. A scan uses the index that promises the fewest flows, and examines one
//! key or record at a time (a look).
//!
//! After [`Ways::pause`] the replica may change before the next look. A paused scan remembers the last key that it
//! examined, not the position of that key.

use alloc::vec::Vec;

use ctwarden_model::{Addresses, Filter, FilterPart, Networks};

use crate::address::{Address, Long};
use crate::address_index::Cursor;
use crate::shelf::Shelf;
use crate::slab::{Handle, NONE};
use crate::view::{Selected, View, judged};

/// Maximum number of networks that an estimate counts. Counting them takes some microseconds, and the estimate may be
/// requested again and again. Longer lists usually hold single addresses.
const COUNTED: usize = 64;

/// The scans of both families.
#[derive(Debug)]
pub(crate) struct Ways {
    ipv4: Way<u32>,
    ipv6: Way<Long>,
}

impl Ways {
    /// Prepares the scans for `filter`.
    pub(crate) fn new(view: View<'_>, filter: &Filter) -> Self {
        Self { ipv4: Way::new(view.ipv4, filter), ipv6: Way::new(view.ipv6, filter) }
    }

    /// The approximate number of looks, computed quickly: long lists of networks are not counted.
    pub(crate) fn estimate(view: View<'_>, filter: &Filter) -> usize {
        looks(view.ipv4, filter) + looks(view.ipv6, filter)
    }

    /// Number of networks in the filter. When a scan begins, it sorts the networks of its family.
    pub(crate) fn networks(filter: &Filter) -> usize {
        filter.addressed().map(|(_, networks)| networks.len()).sum()
    }

    /// The next flow that may match. `filter` must be the one passed to [`Ways::new`]. Returns `None` if there are no
    /// more flows, or if `looks` has counted down to zero.
    pub(crate) fn next(&mut self, view: View<'_>, filter: &Filter, looks: &mut usize) -> Option<Selected> {
        let found_by = self.ipv4.part();
        while let Some(handle) = self.ipv4.next(view.ipv4, looks) {
            if let Some(selected) = judged(view.ipv4, filter, found_by, handle) {
                return Some(selected);
            }
        }
        let found_by = self.ipv6.part();
        while let Some(handle) = self.ipv6.next(view.ipv6, looks) {
            if let Some(selected) = judged(view.ipv6, filter, found_by, handle) {
                return Some(selected);
            }
        }
        None
    }

    /// The replica may change before the next look.
    pub(crate) fn pause(&mut self, view: View<'_>) {
        self.ipv4.pause(view.ipv4);
        self.ipv6.pause(view.ipv6);
    }
}

/// A scan of one family for the flows that may match.
#[derive(Debug)]
enum Way<A: Address> {
    /// No flow can match.
    Nothing,
    /// All records, from this handle on. Records never move.
    All(Handle),
    /// The flows with an address in the ranges, which are sorted and do not overlap.
    Ranges {
        part: FilterPart,
        addresses: Addresses,
        ranges: Vec<(A, A)>,
        at: usize,
        /// The position of the next key.
        cursor: Option<Cursor>,
        /// After a pause, the scan continues behind this key.
        last: Option<A::Key>,
    },
}

impl<A: Address> Way<A> {
    fn new(shelf: &Shelf<A>, filter: &Filter) -> Self {
        if filter.family.is_some_and(|family| family != A::FAMILY) {
            return Self::Nothing;
        }
        let mut best: Option<(FilterPart, Vec<(A, A)>)> = None;
        for (part, networks) in filter.addressed() {
            let ranges = ranges(networks);
            if ranges.is_empty() {
                return Self::Nothing;
            }
            if best.as_ref().is_none_or(|(_, best)| estimate(shelf, &ranges) < estimate(shelf, best)) {
                best = Some((part, ranges));
            }
        }
        let found = best.and_then(|(part, ranges)| Some((part, part.addresses()?, ranges)));
        found.map_or(Self::All(0), |(part, addresses, ranges)| Self::Ranges {
            part,
            addresses,
            ranges,
            at: 0,
            cursor: None,
            last: None,
        })
    }

    /// The filter part that all flows of this scan match.
    const fn part(&self) -> Option<FilterPart> {
        match self {
            Self::Nothing | Self::All(_) => None,
            Self::Ranges { part, .. } => Some(*part),
        }
    }

    fn pause(&mut self, shelf: &Shelf<A>) {
        if let Self::Ranges { cursor, last, .. } = self
            && let Some(cursor) = cursor.take()
        {
            *last = shelf.addresses.before(cursor);
        }
    }

    /// The next flow. Each flow is returned once.
    fn next(&mut self, shelf: &Shelf<A>, looks: &mut usize) -> Option<Handle> {
        match self {
            Self::Nothing => None,
            Self::All(next) => {
                let end = shelf.records.end();
                while *looks > 0 && *next < end {
                    *looks -= 1;
                    *next += 1;
                    if shelf.get(*next - 1).is_some() {
                        return Some(*next - 1);
                    }
                }
                None
            }
            Self::Ranges { part: _, addresses, ranges, at, cursor, last } => {
                while *looks > 0 {
                    let (first, end) = *ranges.get(*at)?;
                    let place = cursor.get_or_insert_with(|| match last.take() {
                        Some(last) => shelf.addresses.seek_behind(last),
                        None => shelf.addresses.seek(first.key(0)),
                    });
                    let Some(key) = shelf.addresses.next(place) else {
                        *at = ranges.len();
                        return None;
                    };
                    *looks -= 1;
                    let (address, handle) = A::parts(key);
                    if end < address {
                        // Skip to the next range that does not end before this address. If the address lies before that
                        // range, seek the range in the index. Ranges skip keys and keys skip ranges, so a scan takes at
                        // most as many steps as the shorter of the two lists.
                        let behind = ranges.get(*at..).unwrap_or_default().partition_point(|(_, end)| *end < address);
                        *at += behind;
                        if ranges.get(*at).is_none_or(|(first, _)| address < *first) {
                            *cursor = None;
                            continue;
                        }
                    }
                    let found = shelf.get(handle);
                    if found.is_some_and(|record| is_met_at(*addresses, address, shelf.addresses_of(record), ranges)) {
                        return Some(handle);
                    }
                }
                None
            }
        }
    }
}

/// Whether a flow that was found at `address` matches the filter part there, and at no earlier address of its tuples.
/// `address` lies in the ranges. The check returns a flow with several matching addresses at only one of them.
fn is_met_at<A: Address>(
    compared: Addresses,
    address: A,
    [src, dst, reply_src, reply_dst]: [A; 4],
    ranges: &[(A, A)],
) -> bool {
    let held = |address: A| {
        let behind = ranges.partition_point(|(first, _)| *first <= address);
        behind.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|(_, last)| address <= *last)
    };
    match compared {
        Addresses::OriginalSrc => address == src,
        Addresses::OriginalDst => address == dst,
        Addresses::ReplySrc => address == reply_src,
        Addresses::ReplyDst => address == reply_dst,
        Addresses::Any => {
            let mut earlier = [src, dst, reply_src, reply_dst].into_iter().take_while(|other| *other != address);
            !earlier.any(held)
        }
    }
}

/// The networks of one family as sorted ranges without overlaps.
fn ranges<A: Address>(networks: Networks<'_>) -> Vec<(A, A)> {
    let mut ranges: Vec<(A, A)> = Vec::new();
    networks.each(A::FAMILY, &mut |network| {
        ranges.extend(A::from_ip(network.address()).zip(A::from_ip(network.last())));
    });
    ranges.sort_unstable();
    // Networks nest or do not overlap: of two that overlap, the one that begins first contains the other. Of two that
    // begin at the same address, the shorter is sorted first, so the greater end is kept.
    ranges.dedup_by(|later, kept| {
        later.0 <= kept.1 && {
            kept.1 = kept.1.max(later.1);
            true
        }
    });
    ranges
}

/// The approximate number of looks of one scan.
fn looks<A: Address>(shelf: &Shelf<A>, filter: &Filter) -> usize {
    if !filter.can_match(A::FAMILY) {
        return 0;
    }
    let of_part = |networks: Networks<'_>| {
        if networks.len() > COUNTED { 0 } else { estimate(shelf, &ranges(networks)) }
    };
    filter.addressed().map(|(_, networks)| of_part(networks)).min().unwrap_or(shelf.len())
}

fn estimate<A: Address>(shelf: &Shelf<A>, ranges: &[(A, A)]) -> usize {
    ranges.iter().map(|(first, last)| shelf.addresses.estimate(first.key(0), last.key(NONE))).sum()
}
