//! Computes the change of a set of ranges that adds or removes a network: a function of values, without a kernel.
//!
//! Elements of an interval set may not overlap, so the kernel refuses a network that touches a present element. Two
//! rules hold. After an addition, each address of the network stays at least as long as requested, no longer stay is
//! shortened, and no other address is touched. After a removal, none of the network's addresses is left, and no other
//! address is touched.

/// Addresses from `first` to `last`, both included, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) first: u128,
    pub(crate) last: u128,
}

impl Range {
    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The parts of this range outside of the other.
    fn outside(self, other: Self) -> impl Iterator<Item = Self> {
        let below = other.first.checked_sub(1).map(|last| Self { first: self.first, last: last.min(self.last) });
        let above = other.last.checked_add(1).map(|first| Self { first: first.max(self.first), last: self.last });
        below.into_iter().chain(above).filter(|piece| piece.first <= piece.last)
    }
}

impl Range {
    /// The parts of this range that none of the others has.
    pub(crate) fn without(self, others: &[Self]) -> Vec<Self> {
        others.iter().fold(vec![self], |parts, other| parts.into_iter().flat_map(|part| part.outside(*other)).collect())
    }
}

/// How long an element stays, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The full timeout (`NFTA_SET_ELEM_TIMEOUT`), if the element has its own.
    pub(crate) whole: Option<u64>,
    /// The remaining time (`NFTA_SET_ELEM_EXPIRATION`). `None` means forever.
    pub(crate) left: Option<u64>,
}

impl Lifetime {
    pub(crate) const FOREVER: Self = Self { whole: None, left: None };

    /// A lifetime that begins now.
    pub(super) fn fresh(seconds: Option<u32>) -> Self {
        seconds.map_or(Self::FOREVER, |seconds| {
            let milliseconds = u64::from(seconds).saturating_mul(1000);
            Self { whole: Some(milliseconds), left: Some(milliseconds) }
        })
    }

    const fn outlasts(self, other: Self) -> bool {
        match (self.left, other.left) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => own >= others,
        }
    }
}

/// One element: its range, its lifetime, and its owner's user data (`NFTA_SET_ELEM_USERDATA`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) range: Range,
    pub(crate) lifetime: Lifetime,
    pub(crate) userdata: Vec<u8>,
}

/// Elements to remove, then elements to add, in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) out: Vec<Element>,
    pub(super) into: Vec<Element>,
}

/// Returns the longest first part of the range that overlaps at most `most` of the elements, which are sorted, then
/// these elements, and the rest of the range.
pub(super) fn portion(range: Range, present: &[Element], most: usize) -> (Range, &[Element], Option<Range>) {
    let cut = present.get(most).map(|next| next.range.first).filter(|cut| range.first < *cut);
    match (cut, present.split_at_checked(most)) {
        (Some(cut), Some((taken, _))) => {
            let behind = Range { first: cut, last: range.last };
            (Range { first: range.first, last: cut.saturating_sub(1) }, taken, Some(behind))
        }
        _ => (range, present, None),
    }
}

/// Returns the change that adds `range` for that lifetime, or `None` if nothing has to change. `present` does not
/// overlap itself.
pub(super) fn adding(range: Range, lifetime: Lifetime, present: &[Element]) -> Option<Exchange> {
    let mut exchange = Exchange::default();
    let mut missing = vec![range];
    for element in present.iter().filter(|element| element.range.overlaps(range)) {
        if element.lifetime.outlasts(lifetime) {
            missing = missing.into_iter().flat_map(|piece| piece.outside(element.range)).collect();
        } else {
            exchange.replace_by_outside(element, range);
        }
    }
    exchange.into.extend(missing.into_iter().map(|range| Element { range, lifetime, userdata: Vec::new() }));
    (!exchange.into.is_empty() || !exchange.out.is_empty()).then_some(exchange)
}

/// Returns the change that removes `range`, or `None` if no address of it is present.
pub(super) fn removing(range: Range, present: &[Element]) -> Option<Exchange> {
    let mut exchange = Exchange::default();
    for element in present.iter().filter(|element| element.range.overlaps(range)) {
        exchange.replace_by_outside(element, range);
    }
    (!exchange.out.is_empty()).then_some(exchange)
}

impl Exchange {
    /// Replaces the element by its parts outside of the range.
    fn replace_by_outside(&mut self, element: &Element, range: Range) {
        self.out.push(element.clone());
        self.into.extend(element.range.outside(range).map(|piece| Element { range: piece, ..element.clone() }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn element(first: u128, last: u128, left: Option<u64>) -> Element {
        Element { range: Range { first, last }, lifetime: Lifetime { whole: left, left }, userdata: Vec::new() }
    }

    fn lifetime(left: Option<u64>) -> Lifetime {
        Lifetime { whole: left, left }
    }

    #[test]
    fn an_address_in_a_longer_block_changes_nothing() {
        let present = [element(10, 20, Some(9000))];
        assert_eq!(adding(Range { first: 15, last: 15 }, lifetime(Some(9000)), &present), None);
        assert_eq!(adding(Range { first: 15, last: 15 }, Lifetime::FOREVER, &[element(10, 20, None)]), None);
    }

    #[test]
    fn an_address_that_stays_longer_than_its_block_splits_it() {
        let present = [element(10, 20, Some(1000))];
        let exchange = adding(Range { first: 15, last: 15 }, lifetime(Some(9000)), &present).unwrap();
        assert_eq!(exchange.out, present);
        assert_eq!(
            exchange.into,
            [element(10, 14, Some(1000)), element(16, 20, Some(1000)), element(15, 15, Some(9000))]
        );
    }

    #[test]
    fn the_same_network_again_is_renewed_and_never_shortened() {
        let present = [element(10, 20, Some(1000))];
        let exchange = adding(Range { first: 10, last: 20 }, lifetime(Some(2000)), &present).unwrap();
        assert_eq!(exchange, Exchange { out: present.to_vec(), into: vec![element(10, 20, Some(2000))] });
        assert_eq!(adding(Range { first: 10, last: 20 }, lifetime(Some(500)), &present), None);
    }

    #[test]
    fn removing_cuts_a_hole() {
        let exchange = removing(Range { first: 0, last: 3 }, &[element(0, u128::MAX, None)]).unwrap();
        assert_eq!(exchange.into, [element(4, u128::MAX, None)]);
        assert_eq!(removing(Range { first: 5, last: 6 }, &[element(0, 4, None), element(7, 9, None)]), None);
    }

    /// Elements that do not overlap, over addresses 0 to 63.
    fn elements() -> impl Strategy<Value = Vec<Element>> {
        proptest::collection::vec((1u128..6, 0u128..6, proptest::option::of(1u64..10)), 0..10).prop_map(|steps| {
            let mut next = 0;
            steps
                .into_iter()
                .map(|(length, gap, left)| {
                    let first = next + gap;
                    next = first + length;
                    element(first, next - 1, left)
                })
                .collect()
        })
    }

    /// Maps each address to its lifetime. Panics if elements overlap.
    fn by_address(elements: &[Element]) -> BTreeMap<u128, Option<u64>> {
        let mut map = BTreeMap::new();
        for element in elements {
            for address in element.range.first..=element.range.last {
                assert_eq!(map.insert(address, element.lifetime.left), None, "{elements:?} overlap");
            }
        }
        map
    }

    fn carried_out(present: &[Element], exchange: Option<Exchange>) -> BTreeMap<u128, Option<u64>> {
        let Exchange { out, into } = exchange.unwrap_or_default();
        let mut after: Vec<Element> = present.iter().filter(|element| !out.contains(element)).cloned().collect();
        after.extend(into);
        by_address(&after)
    }

    proptest! {
        #[test]
        fn adding_gives_each_address_the_longer_life(present in elements(), first in 0u128..64, length in 1u128..20, left in proptest::option::of(1u64..10)) {
            let range = Range { first, last: first + length - 1 };
            let mut expected = by_address(&present);
            for address in range.first..=range.last {
                let old = expected.get(&address).copied();
                let longer = match (old, left) {
                    (Some(Some(old)), Some(new)) => Some(old.max(new)),
                    (Some(_), _) => None,
                    (None, new) => new,
                };
                expected.insert(address, longer);
            }
            prop_assert_eq!(carried_out(&present, adding(range, lifetime(left), &present)), expected);
        }

        #[test]
        fn portions_make_up_the_whole(present in elements(), first in 0u128..64, length in 1u128..40, most in 1usize..4) {
            let whole = Range { first, last: first + length - 1 };
            let mut rest = Some(whole);
            let mut next = whole.first;
            while let Some(range) = rest {
                let overlapping: Vec<Element> = present.iter().filter(|e| e.range.overlaps(range)).cloned().collect();
                let (portion, taken, behind) = super::portion(range, &overlapping, most);
                prop_assert_eq!(portion.first, next);
                prop_assert!(taken.len() <= most);
                let within: Vec<Element> = present.iter().filter(|e| e.range.overlaps(portion)).cloned().collect();
                prop_assert_eq!(taken, within);
                next = portion.last + 1;
                rest = behind;
            }
            prop_assert_eq!(next, whole.last + 1);
        }

        #[test]
        fn removing_takes_exactly_the_network(present in elements(), first in 0u128..64, length in 1u128..20) {
            let range = Range { first, last: first + length - 1 };
            let mut expected = by_address(&present);
            expected.retain(|address, _| !(range.first..=range.last).contains(address));
            prop_assert_eq!(carried_out(&present, removing(range, &present)), expected);
        }
    }
}
