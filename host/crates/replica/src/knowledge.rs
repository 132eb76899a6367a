//! What the replica knows, and what it does not.
//!
//! An answer without its limits would be worth no more than a guess: whoever asks is told how far it holds.

use ctwarden_model::Steady;

/// How far the replica holds all flows of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Every flow that lives is in the replica, as of the last event handled.
    Complete {
        /// When the sweep that made it so ended.
        since: Steady,
    },
    /// No complete sweep has ended yet: older flows are missing.
    NeverSwept,
    /// Events were lost, and no complete sweep that began after the loss has ended: flows may be missing.
    Overrun {
        /// When the first loss was noticed.
        since: Steady,
    },
    /// Flows were turned away as the limit of memory was reached, and no complete sweep since has found room for all.
    OverLimit {
        /// When the first was turned away.
        since: Steady,
    },
}

impl Knowledge {
    /// Whether no flow that lives is missing.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// The one that promises less.
    #[must_use]
    pub const fn weaker(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Complete { .. } => 0,
            Self::OverLimit { .. } => 1,
            Self::Overrun { .. } => 2,
            Self::NeverSwept => 3,
        }
    }
}
