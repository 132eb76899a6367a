//! What is known of a record, in bits.

/// Bits of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    /// None.
    pub(crate) const EMPTY: Self = Self(0);
    /// The place is free.
    pub(crate) const FREE: Self = Self(1 << 2);
    /// The flow ended while a sweep runs: it is kept so that a row read before its end does not bring it back.
    pub(crate) const DEAD: Self = Self(1 << 3);
    /// An event of this very flow was heard, so the kernel tells of it.
    pub(crate) const HEARD: Self = Self(1 << 4);
    /// An event was heard in the epoch of the record: rows of that epoch's sweep may be older.
    pub(crate) const EVENT: Self = Self(1 << 5);
    /// That event, or one of that epoch, brought the protocol state.
    pub(crate) const STATE_EVENT: Self = Self(1 << 6);
    /// Status bits are known.
    pub(crate) const STATUS_KNOWN: Self = Self(1 << 7);
    /// The protocol state is known.
    pub(crate) const STATE_KNOWN: Self = Self(1 << 8);
    /// The protocol state may have changed in a gap, though the rest was heard since.
    pub(crate) const STATE_DOUBTFUL: Self = Self(1 << 9);

    /// The two lowest bits hold the kind of the layer-4 part.
    const KIND: u16 = 3;

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn set(&mut self, other: Self, on: bool) {
        self.0 = if on { self.0 | other.0 } else { self.0 & !other.0 };
    }

    pub(crate) const fn kind(self) -> u8 {
        (self.0 & Self::KIND) as u8
    }

    pub(crate) const fn with_kind(self, kind: u8) -> Self {
        Self(self.0 & !Self::KIND | kind as u16 & Self::KIND)
    }
}
