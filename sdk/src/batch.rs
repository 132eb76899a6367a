//! What one call delivers: many flows, for a call across the wall costs more than a flow.

use crate::bindings::ctwarden::policy::types as wit;
use crate::{Entry, Flow, Timestamp, Verdicts};

/// Which rows a sweep has for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// Of every flow that the subscription holds: what no row tells is not there.
    Subscribed,
    /// Of those flows only that the policy asked for, with [`sweep`](crate::sweep())`.on(…)`; others may live all the same.
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

    /// Whether these are rows of the running sweep; else they are events.
    #[must_use]
    pub const fn is_sweep(&self) -> bool {
        self.rows
    }

    /// When the host made the batch.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How many flows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The flows in order.
    pub fn flows(&self) -> impl Iterator<Item = Flow<'_>> {
        (0..).zip(&self.entries).map(|(index, entry)| Flow::new(entry, index, self.now))
    }

    /// Judges one flow after the other; a verdict that does not say what it is about is about the flow.
    pub fn each(&self, mut judge: impl FnMut(&Flow<'_>) -> Verdicts) -> Verdicts {
        let mut all = Verdicts::none();
        for flow in self.flows() {
            all.extend(judge(&flow).into_iter().map(|verdict| verdict.on_entry(flow.index())));
        }
        all
    }
}
