//! The search for flows in the replica, in steps and turns that are short whatever is searched.
//!
//! The replica says which flows there are, and the parts of each that never change: id, zone and tuples. Most verdicts over a
//! selection need no more. For all others the program reads the flow from the kernel, whole and as it is now, so that an
//! entry means the same whether it came from the replica or from a dump.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ctwarden_model::{Filter, Flow, FlowKey, PerDirection, Tuple};
use ctwarden_replica::{Replica, Selected, Walk};

/// Flows of the replica that are looked at in one step: a fraction of a millisecond.
const FLOWS_IN_ONE_STEP: usize = 4096;
/// Flows that are judged in one turn: as long as a step.
const FLOWS_IN_ONE_TURN: usize = 256;
/// Comparisons of flows with the filters of their selections in one turn. Many selections in one request have fewer flows each.
const COMPARISONS_IN_ONE_TURN: usize = 4096;
/// Flows that are read from the kernel in one turn. Their answers fit many times into the buffer of the request socket, and
/// reading them takes less than a millisecond.
const FLOWS_IN_ONE_READ: usize = 64;

/// A search in the replica for the flows of some filters.
#[derive(Debug)]
pub struct Search {
    walk: Walk,
    /// How many flows are judged in one turn.
    in_one_turn: usize,
    /// Whether the walk has more flows.
    more: bool,
    /// Flows that the walk passed and no turn took yet.
    found: VecDeque<KnownFlow>,
}

/// The parts of a flow that never change.
#[derive(Debug)]
struct KnownFlow {
    key: FlowKey,
    /// The reply tuple where the flow is translated; few are.
    translated: Option<Box<Tuple>>,
}

impl KnownFlow {
    fn to_flow(&self) -> Flow {
        let original = self.key.original;
        let reply = self.translated.as_deref().copied().unwrap_or_else(|| original.reversed());
        let mut flow = Flow::new(PerDirection { original, reply });
        flow.id = Some(self.key.id);
        flow.zone = self.key.zone;
        flow
    }
}

impl From<Selected> for KnownFlow {
    fn from(selected: Selected) -> Self {
        let Selected { key, reply } = selected;
        Self { key, translated: (reply != key.original.reversed()).then(|| Box::new(reply)) }
    }
}

impl Search {
    /// Searches every flow that may match any of the filters, each of which [`crate::Reader::knows`] left to the replica.
    #[must_use]
    pub fn new(filters: &[Filter]) -> Self {
        Self {
            walk: Walk::new(filters.iter().filter_map(Filter::lasting).collect()),
            in_one_turn: in_one_turn(filters.len()),
            more: true,
            found: VecDeque::new(),
        }
    }

    /// Whether no flow is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.more && self.found.is_empty()
    }

    /// Walks on where no flow is left to take, until there are some or the step is over. A replica that a reload has given up has no
    /// flows, and nobody waits for them.
    pub(crate) fn step(&mut self, replica: Option<&Replica>) {
        if !self.found.is_empty() || !self.more {
            return;
        }
        let Self { walk, more, found, .. } = self;
        *more = replica.is_some_and(|replica| {
            replica.step(walk, FLOWS_IN_ONE_STEP, |selected| found.push_back(KnownFlow::from(selected)))
        });
    }

    pub(crate) fn turn(&mut self) -> Turn<'_> {
        Turn { left: self.in_one_turn, found: &mut self.found, to_read: Vec::new() }
    }

    pub(crate) fn take_keys(&mut self) -> Vec<FlowKey> {
        let many = self.found.len().min(FLOWS_IN_ONE_READ).min(self.in_one_turn);
        self.found.drain(..many).map(|flow| flow.key).collect()
    }
}

/// The flows that one turn takes from a search, as the replica knows them.
#[derive(Debug)]
pub struct Turn<'a> {
    found: &'a mut VecDeque<KnownFlow>,
    left: usize,
    to_read: Vec<FlowKey>,
}

impl Turn<'_> {
    /// More has to be known of this flow: it is to be read from the kernel.
    pub fn read(&mut self, key: FlowKey) {
        self.to_read.push(key);
    }

    /// The flows that are to be read.
    #[must_use]
    pub fn into_reads(self) -> Vec<FlowKey> {
        self.to_read
    }
}

impl Iterator for Turn<'_> {
    type Item = Flow;

    /// None at the end of the turn, which comes early where many flows are to be read.
    fn next(&mut self) -> Option<Flow> {
        if self.to_read.len() >= FLOWS_IN_ONE_READ {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        self.found.pop_front().map(|flow| flow.to_flow())
    }
}

/// Flows that are judged in one turn where each is compared with so many filters.
fn in_one_turn(filters: usize) -> usize {
    COMPARISONS_IN_ONE_TURN.checked_div(filters).unwrap_or(FLOWS_IN_ONE_TURN).clamp(1, FLOWS_IN_ONE_TURN)
}

/// Searches for the selections of several requests. They take turns, so that a small search ends soon beside a large one.
#[derive(Debug)]
pub struct Searches<Id> {
    waiting: VecDeque<(Id, Search)>,
}

impl<Id> Searches<Id> {
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Adds a search for a request, or gives one back after its turn; it is then last in the line.
    pub fn push(&mut self, request: Id, search: Search) {
        self.waiting.push_back((request, search));
    }

    /// Takes the search that is first in the line.
    pub fn pop(&mut self) -> Option<(Id, Search)> {
        self.waiting.pop_front()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<Id> Default for Searches<Id> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_its_bound_however_many_selections_share_a_request() {
        for filters in 0..10_000 {
            let flows = in_one_turn(filters);
            assert!((1..=FLOWS_IN_ONE_TURN).contains(&flows));
            assert!(flows == 1 || flows * filters <= COMPARISONS_IN_ONE_TURN, "{flows} flows of {filters} filters");
        }
    }

    #[test]
    fn searches_take_turns() {
        let mut searches = Searches::new();
        searches.push('a', Search::new(&[]));
        searches.push('b', Search::new(&[]));
        let (first, search) = searches.pop().unwrap();
        searches.push(first, search);
        let order: Vec<char> = core::iter::from_fn(|| searches.pop().map(|(id, _)| id)).collect();
        assert_eq!((first, order.as_slice()), ('a', ['b', 'a'].as_slice()));
        assert!(searches.is_empty());
    }
}
