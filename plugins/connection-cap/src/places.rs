//! Storage of values of one type, with handles and lookup by hash.
//!
//! A growing hash map would move whole entries and hash each of them again. With a million connections, that costs more
//! than all the rest. Here the values stay in place, and only eight bytes move: a hash and a handle.

use hashbrown::HashTable;

/// Names the place of a value.
pub(crate) type Handle = u32;

/// Number of values in a chunk. Chunks never move.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// The values, and a table that finds them by hash.
#[derive(Debug)]
pub(crate) struct Places<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<Handle>,
    by_hash: HashTable<Slot>,
}

/// A handle with the hash of its value, so that the table can grow without reading the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    hash: u32,
    handle: Handle,
}

impl Slot {
    /// Returns the hash for the table, which uses the upper bits to tell apart values in the same position.
    const fn spread(self) -> u64 {
        spread(self.hash)
    }
}

const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

impl<T> Places<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), by_hash: HashTable::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        self.chunks.get(chunk_of(handle))?.get(place_of(handle))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        self.place_mut(handle)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0..).zip(self.chunks.iter().flatten()).filter_map(|(handle, place)| Some((handle, place.as_ref()?)))
    }

    /// Finds the value with this hash for which `is_it` returns true.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(&T) -> bool) -> Option<Handle> {
        let there = |slot: &Slot| slot.hash == hash && self.get(slot.handle).is_some_and(&is_it);
        self.by_hash.find(spread(hash), there).map(|slot| slot.handle)
    }

    /// Adds a value that is not stored yet.
    pub(crate) fn insert(&mut self, hash: u32, thing: T) -> Handle {
        let handle = self.put(thing);
        self.by_hash.insert_unique(spread(hash), Slot { hash, handle }, |slot| slot.spread());
        handle
    }

    /// Removes a value that was added with this hash.
    pub(crate) fn remove(&mut self, hash: u32, handle: Handle) -> Option<T> {
        let thing = self.place_mut(handle)?.take()?;
        self.free.push(handle);
        if let Ok(slot) = self.by_hash.find_entry(spread(hash), |slot| slot.handle == handle) {
            slot.remove();
        }
        Some(thing)
    }

    fn place_mut(&mut self, handle: Handle) -> Option<&mut Option<T>> {
        self.chunks.get_mut(chunk_of(handle))?.get_mut(place_of(handle))
    }

    fn put(&mut self, thing: T) -> Handle {
        if let Some(handle) = self.free.pop() {
            if let Some(place) = self.place_mut(handle) {
                *place = Some(thing);
            }
            return handle;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        // The configuration bounds the number of values, so a handle never overflows.
        let before = (self.chunks.len() - 1) << CHUNK_BITS;
        let Some(chunk) = self.chunks.last_mut() else { return 0 };
        let handle = before + chunk.len();
        chunk.push(Some(thing));
        handle as Handle
    }
}

const fn chunk_of(handle: Handle) -> usize {
    (handle >> CHUNK_BITS) as usize
}

const fn place_of(handle: Handle) -> usize {
    handle as usize & (CHUNK - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_map(
            steps in prop::collection::vec((any::<bool>(), 0_u32..3_000), 0..6_000),
            // Few different hashes: an attacker who knew the key could cause as many collisions.
            hashes in prop_oneof![Just(3_u32), Just(1_000), Just(u32::MAX)],
        ) {
            let hash = |number: u32| number.wrapping_mul(0x9e37_79b9) % hashes;
            let mut places = Places::new();
            let mut naive = BTreeMap::new();
            for (insert, number) in steps {
                let found = places.find(hash(number), |there| *there == number);
                prop_assert_eq!(found, naive.get(&number).copied());
                match found {
                    None if insert => {
                        naive.insert(number, places.insert(hash(number), number));
                    }
                    Some(handle) if !insert => {
                        prop_assert_eq!(places.remove(hash(number), handle), Some(number));
                        prop_assert_eq!(places.remove(hash(number), handle), None);
                        naive.remove(&number);
                    }
                    None | Some(_) => {}
                }
                prop_assert_eq!(places.len(), naive.len());
            }
            let all: BTreeMap<u32, Handle> = places.iter().map(|(handle, number)| (*number, handle)).collect();
            prop_assert_eq!(&all, &naive);
            for (number, handle) in naive {
                prop_assert_eq!(places.find(hash(number), |there| *there == number), Some(handle));
                prop_assert_eq!(places.get(handle), Some(&number));
            }
        }
    }
}
