//! How completely the replica knows the flows of a family.
//!
//! Every answer comes with this value, because an answer without its limits would be a guess.

use ctwarden_model::Steady;

/// How completely the replica holds the flows of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Every flow that lives is in the replica, as of the last event handled.
    Complete {
        /// Time at which the sweep ended that made the replica complete.
        since: Steady,
    },
    /// No complete sweep has ended yet: older flows are missing.
    NeverSwept,
    /// Events were lost, and no complete sweep that began after the loss has ended: flows may be missing.
    Overrun {
        /// Time at which the first loss was noticed.
        since: Steady,
    },
    /// The replica rejected flows because it reached its memory limit, and no complete sweep since has found room for
    /// all.
    OverLimit {
        /// Time at which the first flow was rejected.
        since: Steady,
    },
}

impl Knowledge {
    /// Whether no live flow is missing.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// Returns the weaker of the two.
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
