//! Things of one size, named by handles and found by the hash of what they are about.
//!
//! A hash map would move whole entries each time that it grows and hash each of them again; of a million connections that is
//! more than all the rest. Here the things stay where they are, and what is moved are eight bytes: a hash and a handle.

/// A thing's place.
pub(crate) type Handle = u32;

/// Things of a chunk. Chunks are never moved.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// The things, and where each is found.
#[derive(Debug)]
pub(crate) struct Places<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<Handle>,
    /// Hash in the upper half, handle + 1 in the lower; 0 is empty. A power of two of them, of which a quarter at least is
    /// empty: whoever looks for what is not there ends at the first such slot.
    slots: Vec<u64>,
    len: usize,
}

impl<T> Places<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), slots: Vec::new(), len: 0 }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        self.chunks.get(chunk_of(handle))?.get(place_of(handle))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        self.place_mut(handle)?.as_mut()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0..).zip(self.chunks.iter().flatten()).filter_map(|(handle, place)| Some((handle, place.as_ref()?)))
    }

    /// The one with this hash for which `is_it` holds.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(&T) -> bool) -> Option<Handle> {
        let mut slot = self.home(hash)?;
        loop {
            match self.slots.get(slot).copied() {
                None | Some(0) => return None,
                Some(found) => {
                    let handle = handle_in(found);
                    if hash_in(found) == hash && self.get(handle).is_some_and(&is_it) {
                        return Some(handle);
                    }
                }
            }
            slot = self.behind(slot);
        }
    }

    /// Puts one in that is not there yet.
    pub(crate) fn insert(&mut self, hash: u32, thing: T) -> Handle {
        let handle = self.put(thing);
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.point(slot_with(hash, handle));
        handle
    }

    /// Takes one out that was put in with this hash.
    pub(crate) fn remove(&mut self, hash: u32, handle: Handle) -> Option<T> {
        let thing = self.place_mut(handle)?.take()?;
        self.free.push(handle);
        self.len -= 1;
        self.forget(slot_with(hash, handle));
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
        // A configuration cannot ask for so many that a handle would not do.
        let before = (self.chunks.len() - 1) << CHUNK_BITS;
        let Some(chunk) = self.chunks.last_mut() else { return 0 };
        let handle = before + chunk.len();
        chunk.push(Some(thing));
        handle as Handle
    }

    /// Doubles the slots.
    fn grow(&mut self) {
        let slots = vec![0; (self.slots.len() * 2).max(16)];
        for slot in std::mem::replace(&mut self.slots, slots) {
            if slot != 0 {
                self.point(slot);
            }
        }
    }

    /// Writes into the first empty slot from its home on; there is one.
    fn point(&mut self, wanted: u64) {
        let Some(mut slot) = self.home(hash_in(wanted)) else { return };
        while self.slots.get(slot).is_some_and(|found| *found != 0) {
            slot = self.behind(slot);
        }
        self.set(slot, wanted);
    }

    /// Empties the slot and closes the gap, so that no search ends too early (Knuth, TAOCP 3, 6.4, algorithm R).
    fn forget(&mut self, wanted: u64) {
        let Some(mut gap) = self.home(hash_in(wanted)) else { return };
        loop {
            match self.slots.get(gap).copied() {
                None | Some(0) => return,
                Some(found) if found == wanted => break,
                Some(_) => gap = self.behind(gap),
            }
        }
        let mut slot = gap;
        loop {
            slot = self.behind(slot);
            let Some(found) = self.slots.get(slot).copied().filter(|found| *found != 0) else { break };
            let Some(home) = self.home(hash_in(found)) else { break };
            // It may move into the gap where its home is not behind the gap.
            if self.distance(home, slot) >= self.distance(gap, slot) {
                self.set(gap, found);
                gap = slot;
            }
        }
        self.set(gap, 0);
    }

    fn set(&mut self, slot: usize, to: u64) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = to;
        }
    }

    /// Where the search for a hash begins; none where there is nothing.
    fn home(&self, hash: u32) -> Option<usize> {
        self.slots.len().checked_sub(1).map(|mask| hash as usize & mask)
    }

    fn behind(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

const fn chunk_of(handle: Handle) -> usize {
    (handle >> CHUNK_BITS) as usize
}

const fn place_of(handle: Handle) -> usize {
    handle as usize & (CHUNK - 1)
}

const fn slot_with(hash: u32, handle: Handle) -> u64 {
    (hash as u64) << 32 | (handle as u64 + 1)
}

const fn hash_in(slot: u64) -> u32 {
    (slot >> 32) as u32
}

const fn handle_in(slot: u64) -> Handle {
    (slot as u32).wrapping_sub(1)
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
            // Few: what an attacker could do who knew the key.
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
            prop_assert_eq!(places.slots.iter().filter(|slot| **slot != 0).count(), places.len());
        }
    }
}
