//! Sorted keys. A key is an address with the handle of a flow that has it, so a network is a range of keys.
//!
//! The index is a tree of three levels: keys in short chunks, chunks in groups, and the list of the groups. Each growth
//! moves one chunk or one group, never the whole index. Chunks have little spare room, so a key takes little more than
//! its own bytes.

use alloc::vec::Vec;

/// Maximum number of keys in a chunk: small enough that an insertion moves little, large enough that there are few
/// chunks. (Small in tests, so all levels grow and shrink.)
const CHUNK: usize = if cfg!(test) { 12 } else { 128 };
/// Room that a full chunk gets in addition. It is small, because it is the memory that the index wastes.
const STEP: usize = 8;
/// Maximum number of chunks in a group.
const GROUP: usize = if cfg!(test) { 16 } else { 256 };

#[derive(Debug)]
pub(crate) struct AddressIndex<K> {
    /// First key of each group.
    firsts: Vec<K>,
    /// No group is empty.
    groups: Vec<Group<K>>,
    /// Number of keys for which the chunks have room.
    capacity: usize,
}

#[derive(Debug)]
struct Group<K> {
    /// First key of each chunk.
    firsts: Vec<K>,
    /// No chunk is empty.
    chunks: Vec<Vec<K>>,
}

/// A position in the index. It is valid until the index changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    group: usize,
    chunk: usize,
    place: usize,
}

impl<K: Copy + Ord> AddressIndex<K> {
    pub(crate) const fn new() -> Self {
        Self { firsts: Vec::new(), groups: Vec::new(), capacity: 0 }
    }

    /// Allocated heap in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let group = GROUP * (size_of::<K>() + size_of::<Vec<K>>());
        self.firsts.capacity() * size_of::<K>()
            + self.groups.capacity() * size_of::<Group<K>>()
            + self.groups.len() * group
            + self.capacity * size_of::<K>()
    }

    pub(crate) fn insert(&mut self, key: K) {
        if self.groups.is_empty() {
            self.firsts.push(key);
            self.groups.push(Group::new());
        }
        let index = last_not_behind(&self.firsts, key);
        let Some(group) = self.groups.get_mut(index) else { return };
        group.insert(key, &mut self.capacity);
        let upper = (group.chunks.len() == GROUP).then(|| group.split());
        self.update_first(index);
        if let Some(upper) = upper {
            self.firsts.insert(index + 1, key);
            self.groups.insert(index + 1, upper);
            self.update_first(index + 1);
        }
    }

    pub(crate) fn remove(&mut self, key: K) {
        let index = last_not_behind(&self.firsts, key);
        let Some(group) = self.groups.get_mut(index) else { return };
        group.remove(key, &mut self.capacity);
        if group.chunks.is_empty() {
            self.firsts.remove(index);
            self.groups.remove(index);
            return;
        }
        self.update_first(index);
        let len_of = |index: usize| self.groups.get(index).map_or(GROUP, |group| group.chunks.len());
        if len_of(index) < GROUP / 4 && len_of(index) + len_of(index + 1) < GROUP * 3 / 4 {
            self.firsts.remove(index + 1);
            let upper = self.groups.remove(index + 1);
            if let Some(group) = self.groups.get_mut(index) {
                group.firsts.extend(upper.firsts);
                group.chunks.extend(upper.chunks);
            }
        }
    }

    /// The position of the first key that is at least `key`.
    pub(crate) fn seek(&self, key: K) -> Cursor {
        let at = last_not_behind(&self.firsts, key);
        let Some(group) = self.groups.get(at) else { return Cursor::default() };
        let chunk = last_not_behind(&group.firsts, key);
        Cursor { group: at, chunk, place: group.chunks.get(chunk).map_or(0, |chunk| rank(chunk, key)) }
    }

    /// The position of the first key after `key`, whether or not `key` is in the index.
    pub(crate) fn seek_behind(&self, key: K) -> Cursor {
        let at = self.seek(key);
        let mut behind = at;
        if self.next(&mut behind) == Some(key) { behind } else { at }
    }

    /// Returns the key at the cursor and moves the cursor past the key.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<K> {
        loop {
            let group = self.groups.get(cursor.group)?;
            match group.chunks.get(cursor.chunk) {
                Some(chunk) => match chunk.get(cursor.place) {
                    Some(key) => {
                        cursor.place += 1;
                        return Some(*key);
                    }
                    None => *cursor = Cursor { chunk: cursor.chunk + 1, place: 0, ..*cursor },
                },
                None => *cursor = Cursor { group: cursor.group + 1, chunk: 0, place: 0 },
            }
        }
    }

    /// The key that [`AddressIndex::next`] returned last, if it is in the cursor's chunk.
    pub(crate) fn before(&self, cursor: Cursor) -> Option<K> {
        self.groups.get(cursor.group)?.chunks.get(cursor.chunk)?.get(cursor.place.checked_sub(1)?).copied()
    }

    /// The approximate number of keys from `first` to `last`. Within a chunk it is exact or one too many. Otherwise
    /// every chunk counts with the average capacity.
    pub(crate) fn estimate(&self, first: K, last: K) -> usize {
        let (from, to) = (self.seek(first), self.seek(last));
        if (from.group, from.chunk) == (to.group, to.chunk) {
            return to.place.saturating_sub(from.place) + 1;
        }
        let chunks = |groups: &[Group<K>]| groups.iter().map(|group| group.chunks.len()).sum::<usize>();
        let before = |cursor: Cursor| chunks(self.groups.get(..cursor.group).unwrap_or_default()) + cursor.chunk;
        before(to).saturating_sub(before(from)) * (self.capacity / chunks(&self.groups).max(1))
    }

    fn update_first(&mut self, index: usize) {
        let key = self.groups.get(index).and_then(|group| group.firsts.first());
        if let (Some(first), Some(key)) = (self.firsts.get_mut(index), key) {
            *first = *key;
        }
    }
}

impl<K: Copy + Ord> Group<K> {
    fn new() -> Self {
        Self { firsts: Vec::with_capacity(GROUP), chunks: Vec::with_capacity(GROUP) }
    }

    fn insert(&mut self, key: K, capacity: &mut usize) {
        let index = last_not_behind(&self.firsts, key);
        let Some(chunk) = self.chunks.get_mut(index) else {
            let mut chunk = Vec::with_capacity(STEP);
            chunk.push(key);
            *capacity += chunk.capacity();
            self.firsts.push(key);
            self.chunks.push(chunk);
            return;
        };
        let place = rank(chunk, key);
        if chunk.get(place) == Some(&key) {
            return;
        }
        *capacity -= chunk.capacity();
        let mut upper = None;
        if chunk.len() < CHUNK {
            if chunk.len() == chunk.capacity() {
                chunk.reserve_exact(STEP);
            }
            chunk.insert(place, key);
        } else {
            // Keys inserted in order leave full chunks behind. Otherwise both halves get spare room.
            let at = if place == CHUNK { CHUNK } else { CHUNK / 2 };
            let mut behind = Vec::with_capacity((CHUNK - at) + STEP);
            behind.extend(chunk.drain(at..));
            if place < at {
                chunk.insert(place, key)
            } else {
                behind.insert(place - at, key)
            }
            chunk.shrink_to(chunk.len() + STEP);
            *capacity += behind.capacity();
            upper = Some(behind);
        }
        *capacity += chunk.capacity();
        if place == 0 {
            self.update_first(index);
        }
        if let Some(upper) = upper
            && let Some(first) = upper.first()
        {
            self.firsts.insert(index + 1, *first);
            self.chunks.insert(index + 1, upper);
        }
    }

    fn remove(&mut self, key: K, capacity: &mut usize) {
        let index = last_not_behind(&self.firsts, key);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let place = rank(chunk, key);
        if chunk.get(place) != Some(&key) {
            return;
        }
        *capacity -= chunk.capacity();
        chunk.remove(place);
        if chunk.is_empty() {
            self.firsts.remove(index);
            self.chunks.remove(index);
            return;
        }
        if chunk.capacity() > chunk.len() + 3 * STEP {
            chunk.shrink_to(chunk.len() + STEP);
        }
        *capacity += chunk.capacity();
        if place == 0 {
            self.update_first(index);
        }
        self.join(index, capacity);
    }

    /// Joins a short chunk with the next one, if the joined chunk is far from full.
    fn join(&mut self, index: usize, capacity: &mut usize) {
        let len_of = |index: usize| self.chunks.get(index).map_or(CHUNK, Vec::len);
        let (here, behind) = (len_of(index), len_of(index + 1));
        if here > CHUNK / 4 || here + behind > CHUNK * 3 / 4 {
            return;
        }
        let upper = self.chunks.remove(index + 1);
        self.firsts.remove(index + 1);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        *capacity -= chunk.capacity() + upper.capacity();
        chunk.reserve_exact(upper.len() + STEP);
        chunk.extend(upper);
        *capacity += chunk.capacity();
    }

    /// Removes and returns the upper half of the chunks.
    fn split(&mut self) -> Self {
        let mut upper = Self::new();
        upper.firsts.extend(self.firsts.drain(GROUP / 2..));
        upper.chunks.extend(self.chunks.drain(GROUP / 2..));
        upper
    }

    fn update_first(&mut self, index: usize) {
        let key = self.chunks.get(index).and_then(|chunk| chunk.first());
        if let (Some(first), Some(key)) = (self.firsts.get_mut(index), key) {
            *first = *key;
        }
    }
}

/// The last list whose first key is at most `key`, or else the first list. The key is in this list or belongs there.
fn last_not_behind<K: Copy + Ord>(firsts: &[K], key: K) -> usize {
    let place = rank(firsts, key);
    if firsts.get(place) == Some(&key) { place } else { place.saturating_sub(1) }
}

/// Number of the sorted keys that are less than `key`.
fn rank<K: Copy + Ord>(keys: &[K], key: K) -> usize {
    keys.partition_point(|k| *k < key)
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
            // Rounds of mostly insertions, then mostly deletions. Chunks fill and become empty.
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
            let chunks = || index.groups.iter().flat_map(|group| &group.chunks);
            prop_assert_eq!(index.capacity, chunks().map(Vec::capacity).sum::<usize>());
            prop_assert!(chunks().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
            prop_assert!(index.groups.iter().all(|group| !group.chunks.is_empty() && group.chunks.len() < GROUP));
            for (group, first) in index.groups.iter().zip(&index.firsts) {
                prop_assert_eq!(group.firsts.first(), Some(first));
                prop_assert!(group.chunks.iter().zip(&group.firsts).all(|(chunk, first)| chunk.first() == Some(first)));
            }
        }
    }
}
