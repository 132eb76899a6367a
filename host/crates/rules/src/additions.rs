//! What the flows of one batch add to the counters. Each counter is asked once for the whole batch.

use crate::counters::{Counter, CounterKind, Counters, Key};
use crate::flow::{Flow, Volume};
use crate::threshold::{Measure, Threshold};

/// The additions of a batch, for each counter in the order of the flows.
#[derive(Debug)]
pub(crate) struct Additions(Vec<ToCounter>);

#[derive(Debug)]
struct ToCounter {
    added: Added,
    /// The number after each addition. Empty: not counted.
    values: Vec<u64>,
}

#[derive(Debug)]
enum Added {
    Amounts(Vec<(Key, u64)>),
    Values(Vec<(Key, Key)>),
}

impl Additions {
    pub(crate) fn new(counters: &[Counter]) -> Self {
        let added = |counter: &Counter| match counter.kind {
            CounterKind::Sum => Added::Amounts(Vec::new()),
            CounterKind::Distinct => Added::Values(Vec::new()),
        };
        Self(counters.iter().map(|counter| ToCounter { added: added(counter), values: Vec::new() }).collect())
    }

    /// Adds a flow to a counter. Returns the index of the addition. `None` if the flow lacks what is counted.
    pub(crate) fn add(
        &mut self,
        counter: usize,
        threshold: &Threshold,
        flow: &Flow,
        volume: Option<Volume>,
    ) -> Option<usize> {
        let key = threshold.per.key(flow);
        match (&mut self.0.get_mut(counter)?.added, threshold.measure) {
            (Added::Amounts(additions), Measure::Count) => push(additions, (key, 1)),
            (Added::Amounts(additions), Measure::Bytes) => push(additions, (key, volume?.bytes)),
            (Added::Amounts(additions), Measure::Packets) => push(additions, (key, volume?.packets)),
            (Added::Values(additions), Measure::Distinct(of)) => push(additions, (key, of.value(flow)?)),
            (Added::Amounts(_), Measure::Distinct(_))
            | (Added::Values(_), Measure::Count | Measure::Bytes | Measure::Packets) => None,
        }
    }

    /// Asks the counters. Returns how many additions were not counted, and why the last of them was not.
    pub(crate) fn count(&mut self, counters: &mut impl Counters) -> Option<(u64, String)> {
        let mut failed = None;
        for (index, counter) in self.0.iter_mut().enumerate() {
            let (counted, number) = match &counter.added {
                Added::Amounts(additions) if additions.is_empty() => continue,
                Added::Values(additions) if additions.is_empty() => continue,
                Added::Amounts(additions) => (counters.add_all(index, additions), additions.len()),
                Added::Values(additions) => (counters.add_all_distinct(index, additions), additions.len()),
            };
            match counted {
                Ok(values) => counter.values = values,
                Err(why) => {
                    let before = failed.map_or(0, |(number, _)| number);
                    failed = Some((u64::try_from(number).unwrap_or(u64::MAX).saturating_add(before), why));
                }
            }
        }
        failed
    }

    /// Returns the key of an addition, and the number of the key after it. `None` if it was not counted.
    pub(crate) fn counted(&self, counter: usize, addition: usize) -> Option<(Key, u64)> {
        let counter = self.0.get(counter)?;
        let key = match &counter.added {
            Added::Amounts(additions) => additions.get(addition)?.0,
            Added::Values(additions) => additions.get(addition)?.0,
        };
        Some((key, *counter.values.get(addition)?))
    }

    pub(crate) fn clear(&mut self) {
        for counter in &mut self.0 {
            match &mut counter.added {
                Added::Amounts(additions) => additions.clear(),
                Added::Values(additions) => additions.clear(),
            }
            counter.values.clear();
        }
    }
}

/// Returns the index of the new last element.
fn push<T>(list: &mut Vec<T>, element: T) -> Option<usize> {
    list.push(element);
    list.len().checked_sub(1)
}
