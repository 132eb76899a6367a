//! The answer of a call: any number of verdicts.

use crate::Verdict;

/// Any number of verdicts. A verdict becomes an answer with `.into()`, and iterators of verdicts collect into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// Returns an answer without verdicts.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a verdict at the end.
    pub fn push(&mut self, verdict: impl Into<Verdict>) {
        self.0.push(verdict.into());
    }

    /// Adds a verdict at the end and returns the answer.
    #[must_use]
    pub fn and(mut self, verdict: impl Into<Verdict>) -> Self {
        self.push(verdict);
        self
    }

    /// Returns the number of verdicts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no verdicts.
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
