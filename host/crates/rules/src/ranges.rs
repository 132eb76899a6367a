//! Sorted ranges of numbers: which values of a field a condition allows.

/// Sorts and joins ranges, and cuts them to the bounds.
pub(crate) fn within(ranges: impl IntoIterator<Item = (i64, i64)>, (least, most): (i64, i64)) -> Vec<(i64, i64)> {
    let cut = |(first, last): (i64, i64)| (first.max(least), last.min(most));
    let mut all: Vec<(i64, i64)> = ranges.into_iter().map(cut).filter(|(first, last)| first <= last).collect();
    all.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            Some(_) | None => joined.push((first, last)),
        }
    }
    joined
}

/// Returns the values that both have.
pub(crate) fn both(left: &[(i64, i64)], right: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    within(pairs.filter(|(first, last)| first <= last), (i64::MIN, i64::MAX))
}

/// Returns the values within the bounds that the ranges lack.
pub(crate) fn without(ranges: &[(i64, i64)], (least, most): (i64, i64)) -> Vec<(i64, i64)> {
    let mut rest = Vec::new();
    let mut next = Some(least);
    for (first, last) in within(ranges.iter().copied(), (least, most)) {
        if let Some(from) = next
            && from < first
        {
            rest.push((from, first.saturating_sub(1)));
        }
        next = last.checked_add(1);
    }
    if let Some(from) = next.filter(|from| *from <= most) {
        rest.push((from, most));
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has(ranges: &[(i64, i64)], value: i64) -> bool {
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
    }

    proptest! {
        #[test]
        fn ranges_have_the_values_that_they_should(
            a in prop::collection::vec((0_i64..40, 0_i64..40), 0..6),
            b in prop::collection::vec((0_i64..40, 0_i64..40), 0..6),
        ) {
            let (left, right) = (within(a.clone(), (0, 39)), within(b, (0, 39)));
            let (met, rest) = (both(&left, &right), without(&left, (0, 39)));
            prop_assert!(left.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            for value in 0..40 {
                prop_assert_eq!(has(&left, value), has(&a, value));
                prop_assert_eq!(has(&met, value), has(&left, value) && has(&right, value));
                prop_assert_eq!(has(&rest, value), !has(&left, value));
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_not_overflow() {
        assert_eq!(without(&[(i64::MIN, i64::MAX)], (i64::MIN, i64::MAX)), []);
        assert_eq!(without(&[(5, i64::MAX)], (0, i64::MAX)), [(0, 4)]);
    }
}
