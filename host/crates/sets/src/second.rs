//! Whole seconds since the Unix epoch, in 32 bits: a set of a million entries keeps two of them for each claim.

use ctwarden_model::Timestamp;

const NANOSECONDS: u64 = 1_000_000_000;

/// A second until the year 2106, or [`Second::NEVER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Second(u32);

impl Second {
    /// Later than every second.
    pub(crate) const NEVER: Self = Self(u32::MAX);
    const LAST: Self = Self(u32::MAX - 1);

    /// The second in which the moment lies.
    pub(crate) fn floor(moment: Timestamp) -> Self {
        Self::of(moment.0 / NANOSECONDS)
    }

    /// The first second that begins at the moment or after it, so that no end is early.
    pub(crate) fn ceil(moment: Timestamp) -> Self {
        Self::of(moment.0.div_ceil(NANOSECONDS))
    }

    /// An end; `None` is never.
    pub(crate) fn end(until: Option<Timestamp>) -> Self {
        until.map_or(Self::NEVER, Self::ceil)
    }

    /// `None` for [`Self::NEVER`].
    pub(crate) fn moment(self) -> Option<Timestamp> {
        (self != Self::NEVER).then(|| self.begin())
    }

    /// The begin of the second.
    pub(crate) fn begin(self) -> Timestamp {
        Timestamp(u64::from(self.0) * NANOSECONDS)
    }

    /// Whether an end at this second is over.
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        self != Self::NEVER && self.begin() <= now
    }

    fn of(seconds: u64) -> Self {
        u32::try_from(seconds).map_or(Self::LAST, Self).min(Self::LAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_never_early_and_a_late_one_is_not_never() {
        assert_eq!(Second::end(Some(Timestamp(1))).moment(), Some(Timestamp(NANOSECONDS)));
        assert_eq!(Second::end(Some(Timestamp(NANOSECONDS))).moment(), Some(Timestamp(NANOSECONDS)));
        assert_eq!(Second::end(None).moment(), None);
        assert!(Second::end(Some(Timestamp(u64::MAX))).moment().is_some());
        assert!(!Second::NEVER.is_over(Timestamp(u64::MAX)));
        assert!(Second(1).is_over(Timestamp(NANOSECONDS)) && !Second(1).is_over(Timestamp(NANOSECONDS - 1)));
    }
}
