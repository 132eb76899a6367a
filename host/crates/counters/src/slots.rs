//! A list that grows and shrinks by pages, so that growth moves nothing and the memory follows the number of elements.

use alloc::vec::Vec;

use ctwarden_hash::Handle;

const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 7;

#[derive(Debug)]
pub(crate) struct Slots<S> {
    /// The last page may be empty: one that was just emptied may be needed again at once.
    pages: Vec<Vec<S>>,
    len: usize,
}

impl<S> Slots<S> {
    /// Most bytes that are allocated beyond those of the elements.
    pub(crate) const SPARE: usize = 2 * PAGE * size_of::<S>();

    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Allocated heap in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.len() * PAGE * size_of::<S>() + self.list_bytes()
    }

    /// At least [`Slots::bytes`]. Grows and shrinks with each element.
    pub(crate) fn bytes_at_most(&self) -> usize {
        self.len * size_of::<S>() + self.list_bytes() + Self::SPARE
    }

    fn list_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Vec<S>>()
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&S> {
        self.pages.get(page_of(handle))?.get(place_of(handle))
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut S> {
        self.pages.get_mut(page_of(handle))?.get_mut(place_of(handle))
    }

    /// Appends an element and returns its handle.
    pub(crate) fn push(&mut self, element: S) -> Handle {
        let handle = self.len as Handle;
        if page_of(handle) >= self.pages.len() {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.pages.get_mut(page_of(handle)) {
            page.push(element);
            self.len += 1;
        }
        handle
    }

    /// Removes an element. The last element takes its place.
    pub(crate) fn swap_remove(&mut self, handle: Handle) -> Option<S> {
        let last = self.len.checked_sub(1)?;
        let moved = self.pages.get_mut(page_of(last as Handle))?.pop()?;
        self.len = last;
        if self.pages.len() > last.div_ceil(PAGE) + 1 {
            self.pages.pop();
        }
        match self.get_mut(handle) {
            Some(place) => Some(core::mem::replace(place, moved)),
            None => Some(moved),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &S> {
        self.pages.iter().flatten()
    }
}

const fn page_of(handle: Handle) -> usize {
    (handle >> PAGE_BITS) as usize
}

const fn place_of(handle: Handle) -> usize {
    handle as usize % PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_follows_the_number_of_elements() {
        let mut slots = Slots::new();
        for number in 0..1_000_u64 {
            assert_eq!(u64::from(slots.push(number)), number);
            assert!(slots.bytes() <= slots.bytes_at_most());
        }
        assert_eq!(slots.swap_remove(3), Some(3));
        assert_eq!((slots.get(3), slots.len()), (Some(&999), 999));
        assert_eq!(slots.swap_remove(998), Some(998));
        while slots.swap_remove(0).is_some() {
            assert!(slots.bytes() <= slots.bytes_at_most());
            assert_eq!(slots.iter().count(), slots.len());
        }
        assert!(slots.bytes() <= Slots::<u64>::SPARE);
    }
}
