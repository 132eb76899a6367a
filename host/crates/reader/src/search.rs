//! The search for flows in the replica, in short steps and turns of bounded length.
//!
//! The replica lists the flows and the immutable parts of each: id, zone and tuples. Most verdicts over a selection
//! need no more. For all others the program reads the whole current entry from the kernel. An entry therefore means the
//! same whether its flow was found in the replica or in a dump.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ctwarden_model::{Filter, Flow, FlowKey, PerDirection, Tuple};
use ctwarden_replica::{Replica, Selected, Walk};

/// Flows of the replica that one step examines. One step takes a fraction of a millisecond.
const FLOWS_IN_ONE_STEP: usize = 4096;
/// Flows that one turn judges. One turn takes about as long as one step.
const FLOWS_IN_ONE_TURN: usize = 256;
/// Comparisons of flows with the filters of their selections in one turn. The more selections a request has, the fewer
/// flows fit into a turn.
const COMPARISONS_IN_ONE_TURN: usize = 4096;
/// Flows that one turn reads from the kernel. The buffer of the request socket holds their answers many times over, and
/// reading the flows takes less than a millisecond.
const FLOWS_IN_ONE_READ: usize = 64;

/// A search in the replica for the flows that match filters.
#[derive(Debug)]
pub struct Search {
    walk: Walk,
    /// Flows that one turn judges.
    in_one_turn: usize,
    /// Whether the walk may find more flows.
    more: bool,
    /// Flows that the walk has found and no turn has taken yet.
    found: VecDeque<KnownFlow>,
}

/// The immutable parts of a flow.
#[derive(Debug)]
struct KnownFlow {
    key: FlowKey,
    /// The reply tuple if the flow is translated. Few flows are.
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
    /// Searches for every flow that may match any of the filters. [`crate::Reader::knows`] must have assigned each
    /// filter to the replica.
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

    /// Continues the walk by one step, unless found flows are left to take. If a reload has dropped the replica, there
    /// are no flows, and nobody waits for them.
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

/// The flows that one turn takes from a search, with the parts that the replica knows.
#[derive(Debug)]
pub struct Turn<'a> {
    found: &'a mut VecDeque<KnownFlow>,
    left: usize,
    to_read: Vec<FlowKey>,
}

impl Turn<'_> {
    /// Requests a read of this flow from the kernel, because more than the known parts is needed.
    pub fn read(&mut self, key: FlowKey) {
        self.to_read.push(key);
    }

    /// The flows to read from the kernel.
    #[must_use]
    pub fn into_reads(self) -> Vec<FlowKey> {
        self.to_read
    }
}

impl Iterator for Turn<'_> {
    type Item = Flow;

    /// Returns `None` at the end of the turn. The turn ends early if many flows are to be read.
    fn next(&mut self) -> Option<Flow> {
        if self.to_read.len() >= FLOWS_IN_ONE_READ {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        self.found.pop_front().map(|flow| flow.to_flow())
    }
}

/// Flows that one turn judges if each flow is compared with `filters` filters.
fn in_one_turn(filters: usize) -> usize {
    COMPARISONS_IN_ONE_TURN.checked_div(filters).unwrap_or(FLOWS_IN_ONE_TURN).clamp(1, FLOWS_IN_ONE_TURN)
}

/// Searches for the selections of several requests. They take turns, so a small search does not wait for a large one.
#[derive(Debug)]
pub struct Searches<Id> {
    waiting: VecDeque<(Id, Search)>,
}

impl<Id> Searches<Id> {
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Adds a search at the end of the queue, either for a new request or after a turn.
    pub fn push(&mut self, request: Id, search: Search) {
        self.waiting.push_back((request, search));
    }

    /// Takes the first search of the queue.
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
