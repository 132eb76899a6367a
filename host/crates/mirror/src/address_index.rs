//! Keys in order: an address with the handle of a flow that has it, so that a network is a range.
//!
//! One sorted list cut into short chunks, and above it the sorted list of the chunks. Two steps find a place, growth moves
//! a chunk or the short upper list and never everything, and there is no pointer for each key as in a tree.

use alloc::vec::Vec;

/// Keys of a chunk at most: short enough that an insertion moves little, long enough that the upper list stays short.
const CHUNK: usize = 128;
/// Room that a full chunk is given: small, as it is what the index wastes.
const STEP: usize = 8;

#[derive(Debug)]
pub(crate) struct AddressIndex<K> {
    /// First key of each chunk.
    firsts: Vec<K>,
    /// None is empty.
    chunks: Vec<Vec<K>>,
    /// Keys that the chunks have room for.
    capacity: usize,
}

/// A place in the index; it holds until the index changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    chunk: usize,
    place: usize,
}

impl<K: Copy + Ord> AddressIndex<K> {
    pub(crate) const fn new() -> Self {
        Self { firsts: Vec::new(), chunks: Vec::new(), capacity: 0 }
    }

    /// Heap that is held.
    pub(crate) fn bytes(&self) -> usize {
        self.firsts.capacity() * size_of::<K>()
            + self.chunks.capacity() * size_of::<Vec<K>>()
            + self.capacity * size_of::<K>()
    }

    /// Puts a key in.
    pub(crate) fn insert(&mut self, key: K) {
        let index = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.capacity += STEP;
            let mut chunk = Vec::with_capacity(STEP);
            chunk.push(key);
            self.firsts.push(key);
            self.chunks.push(chunk);
            return;
        };
        let Err(place) = chunk.binary_search(&key) else { return };
        if chunk.len() < CHUNK {
            let before = chunk.capacity();
            if chunk.len() == before {
                chunk.reserve_exact(STEP);
            }
            chunk.insert(place, key);
            self.capacity += chunk.capacity() - before;
            if place == 0 {
                self.set_first(index, key);
            }
            return;
        }
        // Keys that come in order leave full chunks behind; else both halves have room.
        let at = if place == CHUNK { CHUNK } else { CHUNK / 2 };
        let before = chunk.capacity();
        let mut upper = Vec::with_capacity((CHUNK - at) + STEP);
        upper.extend(chunk.drain(at..));
        if place < at {
            chunk.insert(place, key)
        } else {
            upper.insert(place - at, key)
        }
        chunk.shrink_to(chunk.len() + STEP);
        self.capacity += chunk.capacity() + upper.capacity();
        self.capacity -= before;
        if place == 0 {
            self.set_first(index, key);
        }
        if let Some(first) = upper.first() {
            self.firsts.insert(index + 1, *first);
            self.chunks.insert(index + 1, upper);
        }
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: K) {
        let index = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let Ok(place) = chunk.binary_search(&key) else { return };
        chunk.remove(place);
        let before = chunk.capacity();
        if let Some(first) = chunk.first().copied() {
            if before > chunk.len() + 3 * STEP {
                chunk.shrink_to(chunk.len() + STEP);
                self.capacity -= before - chunk.capacity();
            }
            if place == 0 {
                self.set_first(index, first);
            }
            self.join(index);
        } else {
            self.capacity -= before;
            self.firsts.remove(index);
            self.chunks.remove(index);
        }
    }

    /// Where the keys from this one on begin.
    pub(crate) fn seek(&self, key: K) -> Cursor {
        let chunk = self.chunk_of(key);
        Cursor { chunk, place: self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(|k| *k < key)) }
    }

    /// The key at the cursor, which then stands behind it.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<K> {
        loop {
            let chunk = self.chunks.get(cursor.chunk)?;
            if let Some(key) = chunk.get(cursor.place) {
                cursor.place += 1;
                return Some(*key);
            }
            *cursor = Cursor { chunk: cursor.chunk + 1, place: 0 };
        }
    }

    /// About how many keys lie from `first` to `last`: exact within a chunk, else off by two chunks at most.
    pub(crate) fn estimate(&self, first: K, last: K) -> usize {
        let (from, to) = (self.seek(first), self.seek(last));
        let chunks = to.chunk.saturating_sub(from.chunk);
        if chunks == 0 { to.place.saturating_sub(from.place) + 1 } else { chunks * CHUNK }
    }

    /// The chunk in which the key lies or would be put: the last one that does not begin behind it, else the first.
    fn chunk_of(&self, key: K) -> usize {
        self.firsts.partition_point(|first| *first <= key).saturating_sub(1)
    }

    fn set_first(&mut self, index: usize, key: K) {
        if let Some(first) = self.firsts.get_mut(index) {
            *first = key;
        }
    }

    /// Joins a chunk that has become short with the one behind it, where both then are far from full.
    fn join(&mut self, index: usize) {
        let len_of = |index: usize| self.chunks.get(index).map_or(CHUNK, Vec::len);
        let (here, behind) = (len_of(index), len_of(index + 1));
        if here > CHUNK / 4 || here + behind > CHUNK * 3 / 4 {
            return;
        }
        let upper = self.chunks.remove(index + 1);
        self.firsts.remove(index + 1);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let before = chunk.capacity() + upper.capacity();
        chunk.reserve_exact(upper.len() + STEP);
        chunk.extend(upper);
        self.capacity += chunk.capacity();
        self.capacity -= before;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_an_ordered_set(
            steps in prop::collection::vec((0_u8..5, 0_u64..2_000), 0..6_000),
            ranges in prop::collection::vec((0_u64..2_000, 0_u64..2_000), 0..20),
            in_order in any::<bool>(),
        ) {
            let mut index = AddressIndex::new();
            let mut naive = BTreeSet::new();
            // Rounds of mostly insertions, then mostly deletions, so that chunks fill and empty.
            for (number, (kind, key)) in (0_u64..).zip(steps) {
                let inserts = if number / 1_500 % 2 == 0 { kind > 0 } else { kind == 0 };
                let key = if in_order && inserts { number } else { key };
                if inserts { index.insert(key); naive.insert(key); } else { index.remove(key); naive.remove(&key); }
            }
            for (a, b) in ranges {
                let (first, last) = (a.min(b), a.max(b));
                let mut cursor = index.seek(first);
                let found: Vec<u64> = core::iter::from_fn(|| index.next(&mut cursor)).take_while(|k| *k <= last).collect();
                prop_assert_eq!(found, naive.range(first..=last).copied().collect::<Vec<_>>());
            }
            prop_assert_eq!(index.capacity, index.chunks.iter().map(Vec::capacity).sum::<usize>());
            prop_assert!(index.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
            prop_assert!(index.chunks.iter().zip(&index.firsts).all(|(chunk, first)| chunk.first() == Some(first)));
        }
    }
}
