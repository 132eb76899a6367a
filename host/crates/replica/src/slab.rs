//! Records of one size, named by handles of 32 bits.
//!
//! Records live in chunks that are never moved, so growth copies nothing. A free slot holds the link of the free list,
//! so it needs no extra memory.

use alloc::vec::Vec;

pub(crate) type Handle = u32;

/// The handle that no slot ever has.
pub(crate) const NONE: Handle = Handle::MAX;

/// The content of a slot.
pub(crate) trait Place: Copy {
    /// A free slot, with the next free one or [`NONE`].
    fn free(next: Handle) -> Self;

    /// The next free slot, if this one is free.
    fn next_free(&self) -> Option<Handle>;
}

/// Slots of a chunk: some 40 KiB, small compared to any table and large compared to the allocator's overhead.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    free: Handle,
    len: usize,
}

impl<T: Place> Slab<T> {
    /// Bytes that the next chunk takes.
    pub(crate) const CHUNK_BYTES: usize = CHUNK * size_of::<T>();

    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Allocated heap in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Vec<T>>() + self.chunks.len() * Self::CHUNK_BYTES
    }

    /// Whether the next record needs a new chunk.
    pub(crate) fn is_full(&self) -> bool {
        self.free == NONE && self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK)
    }

    /// Inserts a record. Returns `None` if all handles are used.
    pub(crate) fn insert(&mut self, record: T) -> Option<Handle> {
        if self.free != NONE {
            let handle = self.free;
            let place = self.place_mut(handle)?;
            let next = place.next_free()?;
            *place = record;
            self.free = next;
            self.len += 1;
            return Some(handle);
        }
        if self.is_full() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) << CHUNK_BITS;
        let chunk = self.chunks.last_mut()?;
        // Two handles are reserved: `NONE`, and the one whose successor is `NONE`.
        let handle = Handle::try_from(before + chunk.len()).ok().filter(|handle| *handle < NONE - 1)?;
        chunk.push(record);
        self.len += 1;
        Some(handle)
    }

    pub(crate) fn remove(&mut self, handle: Handle) {
        let free = self.free;
        if let Some(place) = self.place_mut(handle)
            && place.next_free().is_none()
        {
            *place = T::free(free);
            self.free = handle;
            self.len -= 1;
        }
    }

    /// The record of the handle. `None` if the slot is free.
    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        let (chunk, place) = split(handle);
        self.chunks.get(chunk)?.get(place).filter(|record| record.next_free().is_none())
    }

    /// The record of the handle, for a change in place. `None` if the slot is free.
    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        self.place_mut(handle).filter(|record| record.next_free().is_none())
    }

    /// The handle after the last slot.
    pub(crate) fn end(&self) -> Handle {
        let last = self.chunks.last().map_or(0, Vec::len);
        Handle::try_from((self.chunks.len().saturating_sub(1) << CHUNK_BITS) + last).unwrap_or(NONE)
    }

    fn place_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let (chunk, place) = split(handle);
        self.chunks.get_mut(chunk)?.get_mut(place)
    }
}

const fn split(handle: Handle) -> (usize, usize) {
    ((handle >> CHUNK_BITS) as usize, handle as usize & (CHUNK - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Number {
        Free(Handle),
        Used(u64),
    }

    impl Place for Number {
        fn free(next: Handle) -> Self {
            Self::Free(next)
        }

        fn next_free(&self) -> Option<Handle> {
            match self {
                Self::Free(next) => Some(*next),
                Self::Used(_) => None,
            }
        }
    }

    proptest! {
        #[test]
        fn holds_what_was_put_in_and_not_taken_out(steps in prop::collection::vec(prop::option::of(0_usize..3_000), 0..4_000)) {
            let mut slab = Slab::new();
            let mut naive: Vec<(Handle, u64)> = Vec::new();
            for (number, step) in (0_u64..).zip(steps) {
                match step.filter(|_| !naive.is_empty()) {
                    None => naive.push((slab.insert(Number::Used(number)).unwrap(), number)),
                    Some(which) => {
                        let (handle, _) = naive.swap_remove(which % naive.len());
                        slab.remove(handle);
                        prop_assert!(slab.get(handle).is_none());
                        slab.remove(handle);
                    }
                }
                prop_assert_eq!(slab.len(), naive.len());
            }
            for (handle, number) in naive {
                prop_assert_eq!(slab.get(handle), Some(&Number::Used(number)));
                prop_assert!(handle < slab.end());
            }
        }
    }
}
