//! The sum of the amounts of one key.
//!
//! Most keys of a flood occur in one sub-window only. They have just one amount; earlier sub-windows get an allocation
//! when there are some.

use alloc::boxed::Box;

use crate::tally::Tally;
use crate::window::{SUB_WINDOWS, SubWindow, counts};

const PLACES: usize = SUB_WINDOWS as usize;

/// Heap memory of the earlier amounts, with 16 bytes of the allocator.
const BYTES: usize = size_of::<[u64; PLACES]>() + 16;

/// The amounts of one key over the window, one for each sub-window.
#[derive(Debug, Default)]
pub struct Sum {
    /// Amount of the latest sub-window.
    latest: u64,
    /// Sum of the earlier amounts.
    before: u64,
    /// Amounts of the [`SUB_WINDOWS`] sub-windows before the latest, each at its number modulo their count.
    earlier: Option<Box<[u64; PLACES]>>,
}

impl Sum {
    pub(crate) const fn add(&mut self, amount: u64) {
        self.latest = self.latest.saturating_add(amount);
    }
}

impl Tally for Sum {
    fn advance(&mut self, from: SubWindow, to: SubWindow) {
        if to <= from {
            return;
        }
        if !counts(from, to) {
            *self = Self::default();
            return;
        }
        let latest = core::mem::take(&mut self.latest);
        if latest == 0 && self.earlier.is_none() {
            return;
        }
        let earlier = self.earlier.get_or_insert_default();
        set(earlier, from, latest);
        (from.saturating_add(1)..to).for_each(|gap| set(earlier, gap, 0));
        self.before = earlier.iter().fold(0, |sum, amount| sum.saturating_add(*amount));
        if self.before == 0 {
            self.earlier = None;
        }
    }

    fn value(&self) -> u64 {
        self.before.saturating_add(self.latest)
    }

    fn value_at(&self, from: SubWindow, now: SubWindow) -> u64 {
        if now <= from {
            return self.value();
        }
        if !counts(from, now) {
            return 0;
        }
        let Some(earlier) = &self.earlier else { return self.latest };
        // The sub-windows from here on are still in the window.
        let first = now.saturating_sub(SUB_WINDOWS);
        (first..from).fold(self.latest, |sum, number| sum.saturating_add(get(earlier, number)))
    }

    fn bytes(&self) -> usize {
        if self.earlier.is_some() { BYTES } else { 0 }
    }
}

fn set(earlier: &mut [u64; PLACES], number: SubWindow, amount: u64) {
    if let Some(place) = earlier.get_mut((number % SUB_WINDOWS) as usize) {
        *place = amount;
    }
}

fn get(earlier: &[u64; PLACES], number: SubWindow) -> u64 {
    earlier.get((number % SUB_WINDOWS) as usize).copied().unwrap_or(0)
}
