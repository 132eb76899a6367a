//! How the flows that may match a filter are found: through the index that promises the fewest, one look after the other.
//!
//! Between two looks the replica may change, once [`Ways::pause`] was said: a way remembers which key it looked at last, and
//! not where that lies.

use alloc::vec::Vec;

use ctwarden_model::{Addresses, Filter, FilterPart, Networks};

use crate::address::{Address, Long};
use crate::address_index::Cursor;
use crate::shelf::Shelf;
use crate::slab::{Handle, NONE};
use crate::view::{Selected, View, judged};

/// Networks that are counted for an estimate: together they take some microseconds, as it may be asked for again and again. Lists
/// that are longer hold single addresses as a rule.
const COUNTED: usize = 64;

/// The ways through both families.
#[derive(Debug)]
pub(crate) struct Ways {
    ipv4: Way<u32>,
    ipv6: Way<Long>,
}

impl Ways {
    /// Those for that filter.
    pub(crate) fn new(view: View<'_>, filter: &Filter) -> Self {
        Self { ipv4: Way::new(view.ipv4, filter), ipv6: Way::new(view.ipv6, filter) }
    }

    /// About how many looks they take, told in a moment: long lists of networks are not counted.
    pub(crate) fn estimate(view: View<'_>, filter: &Filter) -> usize {
        looks(view.ipv4, filter) + looks(view.ipv6, filter)
    }

    /// How many networks the filter names, of which those of its ways are sorted when it begins.
    pub(crate) fn networks(filter: &Filter) -> usize {
        filter.addressed().map(|(_, networks)| networks.len()).sum()
    }

    /// The next flow of the same filter that may match; none where there is no more, or where so many looks are used up, which
    /// are counted down.
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

/// How the flows of a family that may match are found.
#[derive(Debug)]
enum Way<A: Address> {
    /// None can match.
    Nothing,
    /// One after the other, from this place on. Records never move.
    All(Handle),
    /// Those with an address in ranges, which are in order and apart.
    Ranges {
        part: FilterPart,
        addresses: Addresses,
        ranges: Vec<(A, A)>,
        at: usize,
        /// Where the next key lies.
        cursor: Option<Cursor>,
        /// The key behind which to go on, after a pause.
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

    /// The part that all flows of this way meet.
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

    /// The next one; each comes once.
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
                        // On to the next range that this address does not lie behind. Either side leaps over what the other
                        // lacks, so that a way takes no more steps than the shorter of the two has.
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

/// Whether a flow that was found at this address, which lies in the ranges, meets the part there, and nowhere earlier in
/// its tuples: a flow with several addresses is taken at one of them.
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

/// The networks of one family as ranges, in order, without overlaps.
fn ranges<A: Address>(networks: Networks<'_>) -> Vec<(A, A)> {
    let mut ranges: Vec<(A, A)> = Vec::new();
    networks.each(A::FAMILY, &mut |network| {
        ranges.extend(A::from_ip(network.address()).zip(A::from_ip(network.last())));
    });
    ranges.sort_unstable();
    // Networks nest or are apart, so that of two that meet the one that begins first, and is longer, holds the other.
    ranges.dedup_by(|later, kept| {
        later.0 <= kept.1 && {
            kept.1 = kept.1.max(later.1);
            true
        }
    });
    ranges
}

/// About how many looks a way takes.
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
