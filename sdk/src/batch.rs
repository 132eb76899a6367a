//! The flows of one call. A call delivers many flows, because a call costs more than a flow.

use crate::bindings::ctwarden::conntrack::types as wit;
use crate::{Entry, Flow, Timestamp, Verdicts};

/// The rows that a sweep delivers to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// Rows of every flow that the subscription matches. After a complete sweep, a flow without a row is not in the
    /// table.
    Subscribed,
    /// Rows of only those flows that the policy asked for with [`sweep`](crate::sweep())`.on(…)`. Other flows may
    /// exist.
    Asked,
}

/// Flows of one call, in the order in which things happened.
#[derive(Clone, Debug)]
pub struct Batch {
    rows: bool,
    now: Timestamp,
    entries: Vec<Entry>,
}

impl Batch {
    pub(crate) fn new(rows: bool, now: Timestamp, flows: Vec<wit::Flow>) -> Self {
        Self { rows, now, entries: flows.into_iter().map(Entry::from_wit).collect() }
    }

    /// Whether the flows are rows of the running sweep. Otherwise they are events.
    #[must_use]
    pub const fn is_sweep(&self) -> bool {
        self.rows
    }

    /// Returns the time of the call.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the number of flows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the batch has no flows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the flows in order.
    pub fn flows(&self) -> impl Iterator<Item = Flow<'_>> {
        (0..).zip(&self.entries).map(|(index, entry)| Flow::new(entry, index, self.now))
    }

    /// Judges one flow after the other. A verdict without a target is about the flow.
    pub fn each(&self, mut judge: impl FnMut(&Flow<'_>) -> Verdicts) -> Verdicts {
        let mut all = Verdicts::none();
        for flow in self.flows() {
            all.extend(judge(&flow).into_iter().map(|verdict| verdict.on_entry(flow.index())));
        }
        all
    }
}
