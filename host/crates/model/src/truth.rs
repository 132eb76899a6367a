//! Three-valued logic, for conditions on flows that are not completely known.

/// Whether a condition holds, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Yes,
    No,
    /// The field that decides is not known.
    Unknown,
}

impl Truth {
    /// Whether both conditions hold. The second is evaluated only if the first leaves the answer open.
    #[inline(always)]
    #[must_use]
    pub fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => other(),
            Self::No => Self::No,
            Self::Unknown => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unknown => Self::Unknown,
            },
        }
    }

    /// Whether either condition holds. The second is evaluated only if the first leaves the answer open.
    #[inline(always)]
    #[must_use]
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::Unknown => match other() {
                Self::Yes => Self::Yes,
                Self::No | Self::Unknown => Self::Unknown,
            },
        }
    }

    /// Combines two answers about one flow from different sources of facts. If the answers contradict each other, the
    /// condition holds.
    #[must_use]
    pub const fn with_another_look(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    #[inline(always)]
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that an answer can take once everything is known.
    fn may_be(truth: Truth) -> &'static [bool] {
        match truth {
            Truth::Yes => &[true],
            Truth::No => &[false],
            Truth::Unknown => &[true, false],
        }
    }

    #[test]
    fn an_answer_is_known_where_every_outcome_agrees() {
        let all = [Truth::Yes, Truth::No, Truth::Unknown];
        for (first, second) in all.into_iter().flat_map(|first| all.map(|second| (first, second))) {
            let outcomes = |join: fn(bool, bool) -> bool| {
                let pairs = may_be(first).iter().flat_map(|a| may_be(second).iter().map(move |b| join(*a, *b)));
                let (yes, no) = pairs.fold((false, false), |(yes, no), holds| (yes || holds, no || !holds));
                if yes && no { Truth::Unknown } else { yes.into() }
            };
            assert_eq!(first.and(|| second), outcomes(|a, b| a && b), "{first:?} and {second:?}");
            assert_eq!(first.or(|| second), outcomes(|a, b| a || b), "{first:?} or {second:?}");
        }
    }
}
