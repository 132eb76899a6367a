//! One counter: its keys, the index that finds them, and the eviction that keeps its memory within a limit.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use ctwarden_hash::{Handle, HashIndex, Seed, upper_half};
use ctwarden_model::{COUNTER_KEY_BYTES, CounterKey, Steady};

use crate::distinct::Distinct;
use crate::packed_key::PackedKey;
use crate::slots::Slots;
use crate::sum::Sum;
use crate::tally::Tally;
use crate::window::{SubWindow, Window, counts};

/// Least memory of a counter in bytes. A smaller limit counts as this one.
pub const LIMIT_MIN: usize = 32 << 10;

/// Keys that are looked at to find one that may go. The hand passes over the keys in order, so each is looked at once
/// in a round, and neighbours are near to each other in memory.
const GROUP: usize = 8;

/// The text of a key is longer than [`COUNTER_KEY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTooLong;

impl core::fmt::Display for KeyTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the text of a key is longer than {COUNTER_KEY_BYTES} bytes")
    }
}

impl core::error::Error for KeyTooLong {}

/// A counter of sums or of distinct values.
#[derive(Debug)]
pub struct Counter<T> {
    seed: Seed,
    window: Window,
    limit: usize,
    /// The latest sub-window of any call: time does not go back.
    latest: SubWindow,
    slots: Slots<Slot<T>>,
    index: HashIndex,
    /// Heap memory of all keys and tallies.
    heap: usize,
    hand: usize,
    evictions: u64,
}

/// A key and its tally.
#[derive(Debug)]
struct Slot<T> {
    key: PackedKey,
    tally: T,
    /// The sub-window of the tally.
    at: SubWindow,
    hash: u32,
}

impl<T: Tally> Slot<T> {
    fn bytes(&self) -> usize {
        self.key.bytes() + self.tally.bytes()
    }
}

impl Counter<Sum> {
    /// A counter of sums over a window in seconds. `limit` bounds its memory in bytes.
    #[must_use]
    pub const fn sum(seed: Seed, window: u32, limit: usize) -> Self {
        Self::new(seed, window, limit)
    }

    /// Adds an amount to a key and returns the sum of the window.
    ///
    /// # Errors
    /// The text of the key is too long.
    pub fn add(&mut self, key: &CounterKey, amount: u64, now: Steady) -> Result<u64, KeyTooLong> {
        self.change(key, now, |sum, _| sum.add(amount))
    }
}

impl Counter<Distinct> {
    /// A counter of distinct values over a window in seconds. `limit` bounds its memory in bytes.
    #[must_use]
    pub const fn distinct(seed: Seed, window: u32, limit: usize) -> Self {
        Self::new(seed, window, limit)
    }

    /// Notes a value of a key and returns the number of distinct values of the window.
    ///
    /// # Errors
    /// The text of the key or of the value is too long.
    pub fn see(&mut self, key: &CounterKey, value: &CounterKey, now: Steady) -> Result<u64, KeyTooLong> {
        let value = PackedKey::new(value).ok_or(KeyTooLong)?.hash(self.seed);
        self.change(key, now, |distinct, at| distinct.see(value, at))
    }
}

impl<T: Tally> Counter<T> {
    const fn new(seed: Seed, window: u32, limit: usize) -> Self {
        Self {
            seed,
            window: Window::seconds(window),
            limit: if limit < LIMIT_MIN { LIMIT_MIN } else { limit },
            latest: 0,
            slots: Slots::new(),
            index: HashIndex::new(),
            heap: 0,
            hand: 0,
            evictions: 0,
        }
    }

    /// The value of a key now. A key that was never added has 0.
    #[must_use]
    pub fn value(&self, key: &CounterKey, now: Steady) -> u64 {
        let now = self.window.at(now).max(self.latest);
        let found = PackedKey::new(key).and_then(|key| self.find(upper_half(key.hash(self.seed)), &key));
        let slot = found.and_then(|handle| self.slots.get(handle));
        slot.map_or(0, |slot| slot.tally.value_at(slot.at, now))
    }

    /// The keys with the largest values, largest first, at most `most`. Looks at every key.
    #[must_use]
    pub fn largest(&self, most: usize, now: Steady) -> Vec<(CounterKey, u64)> {
        let now = self.window.at(now).max(self.latest);
        let mut largest = BinaryHeap::new();
        for (number, slot) in (0..).zip(self.slots.iter()) {
            let value = slot.tally.value_at(slot.at, now);
            let least = largest.peek().map_or(0, |Reverse((value, _))| *value);
            if value == 0 || most == 0 || (largest.len() >= most && value <= least) {
                continue;
            }
            if largest.len() >= most {
                largest.pop();
            }
            largest.push(Reverse((value, number)));
        }
        let key = |number| self.slots.get(number).and_then(|slot| slot.key.unpack());
        let mut keys: Vec<(CounterKey, u64)> =
            largest.into_iter().filter_map(|Reverse((value, number))| Some((key(number)?, value))).collect();
        keys.sort_unstable_by(|(one, more), (other, less)| less.cmp(more).then_with(|| one.cmp(other)));
        keys
    }

    /// Forgets a key, so that it begins again.
    pub fn reset(&mut self, key: &CounterKey) {
        let found = PackedKey::new(key).and_then(|key| self.find(upper_half(key.hash(self.seed)), &key));
        if let Some(handle) = found {
            self.remove(handle);
        }
    }

    /// Number of keys in memory, with those whose window is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the counter takes now, with those of its keys.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.bytes() + self.index.bytes() + self.heap
    }

    /// At least [`Counter::bytes`]. Shrinks with each key that is evicted.
    fn bytes_at_most(&self) -> usize {
        self.slots.bytes_at_most() + self.index.bytes() + self.heap
    }

    /// Number of keys that were evicted for lack of memory since the counter began.
    #[must_use]
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Changes the limit of the memory. A lower limit evicts keys.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(LIMIT_MIN);
        self.keep_to_limit(None);
    }

    fn change(
        &mut self,
        key: &CounterKey,
        now: Steady,
        change: impl FnOnce(&mut T, SubWindow),
    ) -> Result<u64, KeyTooLong> {
        self.latest = self.window.at(now).max(self.latest);
        let now = self.latest;
        let key = PackedKey::new(key).ok_or(KeyTooLong)?;
        let hash = upper_half(key.hash(self.seed));
        let (handle, is_new) = match self.find(hash, &key) {
            Some(handle) => (Some(handle), false),
            None => (self.admit(Slot { key, tally: T::default(), at: now, hash }), true),
        };
        let Some(slot) = handle.and_then(|handle| self.slots.get_mut(handle)) else { return Ok(0) };
        let before = slot.tally.bytes();
        if slot.at < now {
            slot.tally.advance(slot.at, now);
            slot.at = now;
        }
        change(&mut slot.tally, now);
        let (after, value) = (slot.tally.bytes(), slot.tally.value());
        self.heap = (self.heap + after).saturating_sub(before);
        if is_new || after > before {
            self.keep_to_limit(handle);
        }
        Ok(value)
    }

    fn find(&self, hash: u32, key: &PackedKey) -> Option<Handle> {
        self.index.find(hash, |handle| self.slots.get(handle).is_some_and(|slot| slot.key == *key))
    }

    /// Takes in a new key: in the place of a key whose window is over or that is evicted, or else in a new place.
    /// Returns `None` if the index has no room for it, which takes hundreds of keys with one hash.
    fn admit(&mut self, slot: Slot<T>) -> Option<Handle> {
        if self.slots.len() >= GROUP
            && let Some((handle, value)) = self.least(None)
            && (value == 0 || self.bytes_at_most() + size_of::<Slot<T>>() > self.limit)
        {
            self.count_eviction(value);
            return self.replace(handle, slot);
        }
        let hash = slot.hash;
        self.heap += slot.bytes();
        let handle = self.slots.push(slot);
        self.enter(hash, handle)
    }

    /// Enters a key into the index. A key that does not fit is removed again.
    fn enter(&mut self, hash: u32, handle: Handle) -> Option<Handle> {
        if self.index.insert(hash, handle) {
            return Some(handle);
        }
        self.count_eviction(1);
        self.remove(handle);
        None
    }

    /// Puts a key into the place of another one.
    fn replace(&mut self, handle: Handle, slot: Slot<T>) -> Option<Handle> {
        let place = self.slots.get_mut(handle)?;
        let hash = slot.hash;
        self.heap += slot.bytes();
        let gone = core::mem::replace(place, slot);
        self.heap = self.heap.saturating_sub(gone.bytes());
        self.index.remove(gone.hash, handle);
        self.enter(hash, handle)
    }

    /// Counts the eviction of a key. A key whose window is over is no loss.
    const fn count_eviction(&mut self, value: u64) {
        if value > 0 {
            self.evictions = self.evictions.saturating_add(1);
        }
    }

    /// Evicts keys until the memory is within the limit, but not the key with the handle `kept`.
    fn keep_to_limit(&mut self, mut kept: Option<Handle>) {
        while self.bytes_at_most() > self.limit && self.slots.len() > GROUP {
            let Some((victim, value)) = self.least(kept) else { return };
            self.count_eviction(value);
            self.remove(victim);
            // The last key has the place of the victim now.
            if kept.is_some_and(|kept| kept as usize == self.slots.len()) {
                kept = Some(victim);
            }
        }
    }

    /// Moves the hand over the next keys and returns the one with the smallest value, the oldest of equals.
    fn least(&mut self, kept: Option<Handle>) -> Option<(Handle, u64)> {
        let len = self.slots.len();
        let mut least: Option<(u64, SubWindow, Handle)> = None;
        for _ in 0..GROUP.min(len) {
            let handle = if self.hand < len { self.hand as Handle } else { 0 };
            self.hand = handle as usize + 1;
            let Some(slot) = self.slots.get(handle).filter(|_| kept != Some(handle)) else { continue };
            // A key of a past window needs no look at its tally.
            let value = if counts(slot.at, self.latest) { slot.tally.value_at(slot.at, self.latest) } else { 0 };
            let this = (value, slot.at, handle);
            if least.is_none_or(|least| this < least) {
                least = Some(this);
            }
        }
        least.map(|(value, _, handle)| (handle, value))
    }

    fn remove(&mut self, handle: Handle) {
        let last = self.slots.len().saturating_sub(1) as Handle;
        let (Some(gone), Some(moved)) = (self.slots.get(handle), self.slots.get(last)) else { return };
        let moved = moved.hash;
        self.index.remove(gone.hash, handle);
        if last != handle {
            self.index.remove(moved, last);
            self.index.insert(moved, handle);
        }
        if let Some(gone) = self.slots.swap_remove(handle) {
            self.heap = self.heap.saturating_sub(gone.bytes());
        }
    }
}
