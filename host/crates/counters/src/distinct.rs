//! The distinct values of one key: a 64-bit hash of each, and the sub-window in which it was last seen.
//!
//! A key has at most [`DISTINCT_MAX`] values. A further value replaces the one that was seen longest ago. So the number
//! of values is exact up to that limit, whatever comes and goes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::tally::Tally;
use crate::window::{SUB_WINDOWS, SubWindow, counts};

/// Most distinct values of a key that are told apart. With more values, a key has this number.
pub const DISTINCT_MAX: usize = 1_024;

/// Bytes of the allocator for each allocation.
const ALLOCATION: usize = 16;

/// Distinct values by the sub-window in which each was last seen.
#[derive(Debug, Default)]
pub struct Distinct {
    /// The value if there is only one, as most keys of a flood have.
    one: u64,
    values: Option<Box<Values>>,
    /// Low bits of the sub-window in which the one value was seen.
    one_seen: u8,
    has_one: bool,
}

/// Values, and for each the low bits of the sub-window in which it was seen. All sub-windows are so near to the latest
/// that the low bits tell them apart.
#[derive(Debug, Default)]
struct Values {
    hashes: Vec<u64>,
    seen: Vec<u8>,
}

impl Distinct {
    /// Notes a value by its hash. The tally is at this sub-window.
    pub(crate) fn see(&mut self, value: u64, now: SubWindow) {
        let now = now as u8;
        if let Some(values) = &mut self.values {
            values.see(value, now);
        } else if !self.has_one || self.one == value {
            (self.one, self.one_seen, self.has_one) = (value, now, true);
        } else {
            let hashes = [self.one, value].to_vec();
            self.values = Some(Box::new(Values { hashes, seen: [self.one_seen, now].to_vec() }));
            self.has_one = false;
        }
    }
}

impl Tally for Distinct {
    fn advance(&mut self, from: SubWindow, to: SubWindow) {
        if to <= from {
            return;
        }
        if !counts(from, to) {
            *self = Self::default();
            return;
        }
        let to = to as u8;
        self.has_one &= is_near(self.one_seen, to);
        if let Some(values) = &mut self.values {
            values.retain(to);
            if values.hashes.is_empty() {
                self.values = None;
            }
        }
    }

    fn value(&self) -> u64 {
        self.values.as_ref().map_or(u64::from(self.has_one), |values| values.hashes.len() as u64)
    }

    fn value_at(&self, from: SubWindow, now: SubWindow) -> u64 {
        if now <= from {
            return self.value();
        }
        if !counts(from, now) {
            return 0;
        }
        let now = now as u8;
        match &self.values {
            None => u64::from(self.has_one && is_near(self.one_seen, now)),
            Some(values) => values.seen.iter().filter(|seen| is_near(**seen, now)).count() as u64,
        }
    }

    fn bytes(&self) -> usize {
        self.values.as_ref().map_or(0, |values| {
            let lists = values.hashes.capacity() * size_of::<u64>() + values.seen.capacity();
            lists + size_of::<Values>() + 3 * ALLOCATION
        })
    }
}

impl Values {
    fn see(&mut self, value: u64, now: u8) {
        let place = match self.hashes.iter().position(|hash| *hash == value) {
            Some(place) => place,
            None if self.hashes.len() < DISTINCT_MAX => {
                self.hashes.push(value);
                self.seen.push(now);
                return;
            }
            None => self.oldest(now),
        };
        if let (Some(hash), Some(seen)) = (self.hashes.get_mut(place), self.seen.get_mut(place)) {
            (*hash, *seen) = (value, now);
        }
    }

    fn oldest(&self, now: u8) -> usize {
        // Two passes over bytes are faster than one over bytes with their places.
        let oldest = self.seen.iter().map(|seen| now.wrapping_sub(*seen)).max().unwrap_or(0);
        self.seen.iter().position(|seen| now.wrapping_sub(*seen) == oldest).unwrap_or(0)
    }

    /// Removes what was seen too long ago.
    fn retain(&mut self, now: u8) {
        if self.seen.iter().all(|seen| is_near(*seen, now)) {
            return;
        }
        let mut kept = self.seen.iter().map(|seen| is_near(*seen, now));
        self.hashes.retain(|_| kept.next().unwrap_or(false));
        self.seen.retain(|seen| is_near(*seen, now));
        self.hashes.shrink_to(self.hashes.len() * 2);
        self.seen.shrink_to(self.seen.len() * 2);
    }
}

const fn is_near(seen: u8, now: u8) -> bool {
    now.wrapping_sub(seen) as u64 <= SUB_WINDOWS
}
