//! Networks with claims that end, by the second of the end.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use ctwarden_model::{Prefix, Timestamp};

use crate::second::Second;

/// An entry says only that a claim on the network may end then: the claim may be longer now, or removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(BinaryHeap<Reverse<(Second, Prefix)>>);

impl Ends {
    pub(crate) fn note(&mut self, end: Second, network: Prefix) {
        if end != Second::NEVER {
            self.0.push(Reverse((end, network)));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first second in which a claim may end.
    pub(crate) fn first(&self) -> Option<Second> {
        self.0.peek().map(|Reverse((end, _))| *end)
    }

    /// Takes the next network whose claims may have ended.
    pub(crate) fn next_over(&mut self, now: Timestamp) -> Option<Prefix> {
        let over = self.first().is_some_and(|end| end.is_over(now));
        if over { self.0.pop().map(|Reverse((_, network))| network) } else { None }
    }
}

impl FromIterator<(Second, Prefix)> for Ends {
    fn from_iter<I: IntoIterator<Item = (Second, Prefix)>>(ends: I) -> Self {
        Self(ends.into_iter().filter(|(end, _)| *end != Second::NEVER).map(Reverse).collect())
    }
}
