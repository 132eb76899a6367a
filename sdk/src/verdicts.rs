//! The answer of a call: none, one or many verdicts.

use crate::Verdict;

/// None, one or many verdicts. A verdict becomes an answer with `.into()`; iterators collect into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// Nothing is wanted.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// One more.
    pub fn push(&mut self, verdict: impl Into<Verdict>) {
        self.0.push(verdict.into());
    }

    /// These and one more.
    #[must_use]
    pub fn and(mut self, verdict: impl Into<Verdict>) -> Self {
        self.push(verdict);
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V: Into<Verdict>> From<V> for Verdicts {
    fn from(verdict: V) -> Self {
        Self(vec![verdict.into()])
    }
}

impl From<Option<Verdict>> for Verdicts {
    fn from(verdict: Option<Verdict>) -> Self {
        Self(verdict.into_iter().collect())
    }
}

impl From<Vec<Verdict>> for Verdicts {
    fn from(verdicts: Vec<Verdict>) -> Self {
        Self(verdicts)
    }
}

impl<const N: usize> From<[Verdict; N]> for Verdicts {
    fn from(verdicts: [Verdict; N]) -> Self {
        Self(verdicts.into())
    }
}

impl Extend<Verdict> for Verdicts {
    fn extend<I: IntoIterator<Item = Verdict>>(&mut self, verdicts: I) {
        self.0.extend(verdicts);
    }
}

impl FromIterator<Verdict> for Verdicts {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        Self(verdicts.into_iter().collect())
    }
}

impl IntoIterator for Verdicts {
    type Item = Verdict;
    type IntoIter = std::vec::IntoIter<Verdict>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
