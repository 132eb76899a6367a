//! Alternative ranges of ports: sorted, disjoint, and merged if they overlap or touch.
//!
//! A filter from a plugin may name hundreds of thousands of ranges. After the merge at most 32,768 are left, and the
//! search for a port takes at most sixteen steps.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use crate::PortRange;

/// Stands for a list that holds empty ranges only. Such a list matches no port, but an empty list would match every
/// port.
const NOTHING: PortRange = PortRange { first: 1, last: 0 };

/// Port ranges, sorted and disjoint. A list of empty ranges only keeps one empty range, because such a list matches no
/// port.
#[derive(Clone, Default)]
pub struct PortRanges(Option<Arc<[PortRange]>>);

impl PortRanges {
    /// No range at all, which [`Self::hold`] treats as every port.
    pub const NONE: Self = Self(None);

    /// Whether any range contains the port.
    #[must_use]
    #[inline]
    pub fn contains(&self, port: u16) -> bool {
        let behind = self.partition_point(|range| range.first <= port);
        behind.checked_sub(1).and_then(|place| self.get(place)).is_some_and(|range| port <= range.last)
    }

    /// Whether any range contains the port, or there is no range. `None` stands for a flow without ports, which no
    /// range holds.
    #[must_use]
    #[inline]
    pub fn hold(&self, port: Option<u16>) -> bool {
        self.0.is_none() || port.is_some_and(|port| self.contains(port))
    }
}

impl Deref for PortRanges {
    type Target = [PortRange];

    fn deref(&self) -> &[PortRange] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<PortRange>> for PortRanges {
    fn from(mut ranges: Vec<PortRange>) -> Self {
        if ranges.is_empty() {
            return Self::NONE;
        }
        ranges.retain(|range| range.first <= range.last);
        if ranges.is_empty() {
            ranges.push(NOTHING);
        }
        ranges.sort_unstable();
        ranges.dedup_by(|later, kept| {
            let joined = later.first <= kept.last.saturating_add(1);
            if joined {
                kept.last = kept.last.max(later.last);
            }
            joined
        });
        Self(Some(ranges.into()))
    }
}

impl<const N: usize> From<[PortRange; N]> for PortRanges {
    fn from(ranges: [PortRange; N]) -> Self {
        Vec::from(ranges).into()
    }
}

impl FromIterator<PortRange> for PortRanges {
    fn from_iter<I: IntoIterator<Item = PortRange>>(ranges: I) -> Self {
        ranges.into_iter().collect::<Vec<_>>().into()
    }
}

impl PartialEq for PortRanges {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            // Copies share the list, so equal pointers settle most comparisons.
            (Some(own), Some(others)) => Arc::ptr_eq(own, others) || own == others,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for PortRanges {}

impl fmt::Debug for PortRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange { first, last }
    }

    proptest! {
        #[test]
        fn the_same_ports_are_held_as_by_the_list(
            list in prop::collection::vec((0..40_u16, 0..40_u16), 0..12),
            port in 0..44_u16,
        ) {
            let list: Vec<_> = list.into_iter().map(|(first, last)| range(first, last)).collect();
            let held = list.iter().any(|range| (range.first..=range.last).contains(&port));
            let ranges = PortRanges::from(list.clone());
            prop_assert_eq!(ranges.contains(port), held);
            prop_assert_eq!(ranges.hold(Some(port)), held || list.is_empty());
            prop_assert_eq!(ranges.hold(None), list.is_empty());
            prop_assert!(ranges.windows(2).all(|pair| pair[0].last + 1 < pair[1].first), "{:?}", ranges);
        }
    }

    #[test]
    fn however_many_are_given_few_are_left() {
        let neighbours: PortRanges = (0..250_000_u32).map(|n| n as u16).map(|port| range(port, port)).collect();
        assert_eq!(*neighbours, [range(0, u16::MAX)]);
        let apart: PortRanges = (0..250_000_u32).map(|n| (2 * n) as u16).map(|port| range(port, port)).collect();
        assert_eq!(apart.len(), 32_768);
        assert!(apart.contains(65_534) && !apart.contains(65_535));
    }

    #[test]
    fn empty_ranges_alone_hold_no_port() {
        let nothing = PortRanges::from([range(9, 8), range(700, 1)]);
        assert!((0..=u16::MAX).all(|port| !nothing.hold(Some(port))));
        assert!(nothing.iter().all(|range| range.first > range.last), "and it shows");
        assert_eq!(*PortRanges::from([range(9, 8), range(7, 7)]), [range(7, 7)]);
    }
}
