//! Finds handles by hash: extendible hashing over segments with open addressing.
//!
//! A table that doubles would have to move a million handles at once, or keep two tables for a while. Here one split
//! concerns only one segment of 512 slots and takes some microseconds. Keys are elsewhere; a slot holds the hash and the
//! handle. Therefore probing, moving and deleting read no key except the one that is found.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Names the place of a key outside the index.
pub type Handle = u32;

/// Slots of a segment. The low bits of the hash select the slot.
const PLACES: usize = 512;
/// Number of handles at which a segment is split. Beyond 4/5, probes become long.
const FULL: usize = PLACES * 4 / 5;
/// Maximum number of hash bits that select the segment: those above the bits that select the slot.
const DEPTH_MAX: u32 = 32 - PLACES.trailing_zeros();

/// The hash in the upper half, handle + 1 in the lower half. 0 means empty.
type Slot = u64;

#[derive(Debug)]
struct Segment {
    /// Number of leading hash bits that all handles of the segment share.
    depth: u32,
    len: usize,
    slots: Box<[Slot]>,
}

/// An index of handles by hash.
#[derive(Debug, Default)]
pub struct HashIndex {
    /// Number of leading hash bits that index the directory.
    depth: u32,
    /// Segment for each value of those bits.
    directory: Vec<u32>,
    segments: Vec<Segment>,
}

impl HashIndex {
    /// An empty index, which has allocated nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { depth: 0, directory: Vec::new(), segments: Vec::new() }
    }

    /// Allocated heap in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
            + self.segments.len() * PLACES * size_of::<Slot>()
    }

    /// The handle with that hash for which `is_it` returns true.
    #[inline]
    pub fn find(&self, hash: u32, is_it: impl Fn(Handle) -> bool) -> Option<Handle> {
        let slots = &self.segments.get(self.segment_of(hash)?)?.slots;
        let mut place = home(hash);
        for _ in 0..PLACES {
            let slot = *slots.get(place)?;
            if slot == 0 {
                return None;
            }
            let handle = handle_of(slot);
            if hash_of(slot) == hash && is_it(handle) {
                return Some(handle);
            }
            place = next(place);
        }
        None
    }

    /// Inserts a handle that is not in the index yet. Returns `false` if there is no room, which takes hundreds of
    /// keys with one hash.
    #[inline]
    pub fn insert(&mut self, hash: u32, handle: Handle) -> bool {
        if self.segments.is_empty() {
            self.segments.push(Segment::new(0));
            self.directory.push(0);
        }
        loop {
            let lean = self.segments.len() * 64;
            let Some(index) = self.segment_of(hash) else { return false };
            let Some(segment) = self.segments.get_mut(index) else { return false };
            // If hashes are evenly distributed, all segments are split at about the same time. If they are not, the
            // directory must not keep doubling for a single segment.
            let final_depth =
                segment.depth == DEPTH_MAX || (segment.depth == self.depth && self.directory.len() > lean);
            if segment.len < FULL || (final_depth && segment.len < PLACES) {
                segment.put(u64::from(hash) << 32 | (u64::from(handle) + 1));
                return true;
            }
            if final_depth {
                return false;
            }
            self.split(index);
        }
    }

    /// Removes a handle. It is no error if the index does not have it.
    #[inline]
    pub fn remove(&mut self, hash: u32, handle: Handle) {
        let wanted = u64::from(hash) << 32 | (u64::from(handle) + 1);
        let segment = self.segment_of(hash).and_then(|index| self.segments.get_mut(index));
        if let Some(segment) = segment {
            segment.take(wanted);
        }
    }

    fn segment_of(&self, hash: u32) -> Option<usize> {
        let bits = u64::from(hash) >> (32 - self.depth);
        self.directory.get(bits as usize).map(|segment| *segment as usize)
    }

    /// Splits a segment into two by the next bit of the hash.
    fn split(&mut self, index: usize) {
        let Some(segment) = self.segments.get_mut(index) else { return };
        let depth = segment.depth + 1;
        let mut halves = [Segment::new(depth), Segment::new(depth)];
        for slot in segment.slots.iter().copied().filter(|slot| *slot != 0) {
            let [lower, upper] = &mut halves;
            if hash_of(slot) >> (32 - depth) & 1 == 0 { lower.put(slot) } else { upper.put(slot) }
        }
        let [lower, upper] = halves;
        *segment = lower;
        let new = self.segments.len() as u32;
        self.segments.push(upper);
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|segment| [*segment, *segment]).collect();
            self.depth = depth;
        }
        let bit = 1 << (self.depth - depth);
        for (bits, segment) in self.directory.iter_mut().enumerate() {
            if *segment as usize == index && bits & bit != 0 {
                *segment = new;
            }
        }
    }
}

impl Segment {
    fn new(depth: u32) -> Self {
        Self { depth, len: 0, slots: vec![0; PLACES].into_boxed_slice() }
    }

    /// Puts a slot into the first empty position at or after its home. There is an empty one.
    fn put(&mut self, slot: Slot) {
        let mut place = home(hash_of(slot));
        for _ in 0..PLACES {
            if let Some(empty) = self.slots.get_mut(place).filter(|slot| **slot == 0) {
                *empty = slot;
                self.len += 1;
                return;
            }
            place = next(place);
        }
    }

    /// Removes a slot and closes the gap, so no probe ends too early (Knuth, TAOCP 3, 6.4, algorithm R).
    fn take(&mut self, wanted: Slot) {
        let mut gap = home(hash_of(wanted));
        for _ in 0..PLACES {
            match self.slots.get(gap) {
                Some(slot) if *slot == wanted => break,
                None | Some(0) => return,
                Some(_) => gap = next(gap),
            }
        }
        let mut place = gap;
        for _ in 0..PLACES {
            place = next(place);
            let slot = self.slots.get(place).copied().unwrap_or(0);
            if slot == 0 {
                break;
            }
            // The slot may move into the gap if its home does not lie after the gap.
            let distance = |from: usize| place.wrapping_sub(from) % PLACES;
            if distance(home(hash_of(slot))) >= distance(gap) {
                self.set(gap, slot);
                gap = place;
            }
        }
        self.set(gap, 0);
        self.len -= 1;
    }

    fn set(&mut self, place: usize, slot: Slot) {
        if let Some(target) = self.slots.get_mut(place) {
            *target = slot;
        }
    }
}

const fn home(hash: u32) -> usize {
    hash as usize % PLACES
}

const fn next(place: usize) -> usize {
    (place + 1) % PLACES
}

const fn hash_of(slot: Slot) -> u32 {
    (slot >> 32) as u32
}

const fn handle_of(slot: Slot) -> Handle {
    (slot as u32).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::collections::btree_map::Entry;

    use proptest::prelude::*;

    use super::*;

    fn scattered(number: u32) -> u32 {
        crate::upper_half(crate::keyed_hash(crate::Seed([3, 4]), [number.into()]))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 0_u32..3_000), 0..8_000), narrow in any::<bool>()) {
            // Narrow: many flows share one hash, as an attacker with the key could arrange.
            let hash = |number: u32| if narrow { scattered(number % 30) } else { scattered(number) };
            let mut index = HashIndex::new();
            let mut naive = BTreeMap::new();
            for (insert, number) in steps {
                if insert {
                    if let Entry::Vacant(entry) = naive.entry(number) {
                        let room = index.insert(hash(number), number);
                        prop_assert!(room || narrow);
                        if room {
                            entry.insert(());
                        }
                    }
                } else {
                    index.remove(hash(number), number);
                    naive.remove(&number);
                }
            }
            for number in 0..3_000 {
                let found = index.find(hash(number), |handle| handle == number);
                prop_assert_eq!(found.is_some(), naive.contains_key(&number));
            }
            prop_assert_eq!(index.segments.iter().map(|s| s.len).sum::<usize>(), naive.len());
        }
    }

    #[test]
    fn a_thousand_flows_of_one_hash_are_refused_in_bounded_memory() {
        let mut index = HashIndex::new();
        let taken = (0..1_000).filter(|handle| index.insert(0xdead_beef, *handle)).count();
        assert_eq!(taken, PLACES);
        assert!(index.bytes() < 1 << 20, "{}", index.bytes());
    }
}
