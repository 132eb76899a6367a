//! The flags of a record.

/// The flags of a record, and the kind of its layer-4 part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// No flag is set.
    pub(crate) const EMPTY: Self = Self(0);
    /// The slot is free.
    pub(crate) const FREE: Self = Self(1 << 2);
    /// The flow ended while a sweep runs. The record stays, so a row that was read before the end does not restore the
    /// flow.
    pub(crate) const DEAD: Self = Self(1 << 3);
    /// An event was received in the epoch of the record. Rows of that epoch's sweep may be older than the event.
    pub(crate) const EVENT: Self = Self(1 << 4);

    /// The two lowest bits hold the kind of the layer-4 part.
    const KIND: u8 = 3;

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn set(&mut self, other: Self, on: bool) {
        self.0 = if on { self.0 | other.0 } else { self.0 & !other.0 };
    }

    pub(crate) const fn kind(self) -> u8 {
        self.0 & Self::KIND
    }

    pub(crate) const fn with_kind(self, kind: u8) -> Self {
        Self(self.0 & !Self::KIND | kind & Self::KIND)
    }
}
