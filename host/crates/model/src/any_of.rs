//! A list of alternative values. A search costs the same, however the list was written.
//!
//! A filter from a plugin may name a value a hundred thousand times. The list is sorted and free of duplicates, so it
//! is never longer than its type has values. A search takes as many steps as that number has bits. Copies share the
//! list, so a copy of a filter costs nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

/// A sorted list without duplicates.
#[derive(Clone)]
pub struct AnyOf<T>(Option<Arc<[T]>>);

impl<T> AnyOf<T> {
    /// The empty list, which a filter treats as every value.
    pub const NONE: Self = Self(None);
}

impl<T: Ord> AnyOf<T> {
    /// Whether the list contains the value.
    #[must_use]
    pub fn contains(&self, value: &T) -> bool {
        self.binary_search(value).is_ok()
    }

    /// Whether the list contains the value or is empty.
    pub(crate) fn holds(&self, value: &T) -> bool {
        self.0.is_none() || self.contains(value)
    }
}

impl<T> Default for AnyOf<T> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<T> Deref for AnyOf<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<T: Ord> From<Vec<T>> for AnyOf<T> {
    fn from(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        values.dedup();
        Self((!values.is_empty()).then(|| values.into()))
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for AnyOf<T> {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Ord> FromIterator<T> for AnyOf<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T: PartialEq> PartialEq for AnyOf<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            // Copies share the list, so equal pointers settle most comparisons.
            (Some(own), Some(others)) => Arc::ptr_eq(own, others) || own == others,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl<T: Eq> Eq for AnyOf<T> {}

impl<T: fmt::Debug> fmt::Debug for AnyOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_list_is_no_longer_than_its_type_has_values() {
        let many: AnyOf<u8> = (0..250_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        assert_eq!(many.len(), 256);
        assert!((0..=u8::MAX).all(|value| many.contains(&value)));
    }

    #[test]
    fn order_and_repetition_make_no_difference() {
        let list = AnyOf::from(vec![7, 3, 7, 5]);
        assert_eq!(*list, [3, 5, 7]);
        assert_eq!(list, AnyOf::from([5, 3, 7]));
        assert_ne!(list, AnyOf::from([5, 3]));
        assert_ne!(list, AnyOf::NONE);
        assert_eq!(AnyOf::<u8>::from(vec![]), AnyOf::NONE);
        assert_eq!([4, 5].map(|value| list.contains(&value)), [false, true]);
    }

    #[test]
    fn a_copy_shares_the_list() {
        let list: AnyOf<u16> = (0..1000).collect();
        assert!(core::ptr::eq(list.clone().as_ptr(), list.as_ptr()));
    }
}
