//! The latest records, in memory, for clients that ask what happened before they came.

use std::collections::VecDeque;

use ctwarden_model::{Record, Timestamp};

/// Most records.
pub(super) const RECORDS_MAX: usize = 10_000;
/// Most bytes that they hold.
pub(super) const BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Ring {
    records: VecDeque<(Record, usize)>,
    bytes: usize,
    /// Whether older records were here.
    forgotten: bool,
}

impl Ring {
    /// Keeps a record of this size, and forgets the oldest ones that have no room any more.
    pub(super) fn push(&mut self, record: Record, bytes: usize) {
        self.records.push_back((record, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        while self.records.len() > RECORDS_MAX || self.bytes > BYTES_MAX {
            let Some((_, bytes)) = self.records.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(bytes);
            self.forgotten = true;
        }
    }

    /// Time of the oldest record, and whether older ones were here.
    pub(super) fn oldest(&self) -> (Option<Timestamp>, bool) {
        (self.records.front().map(|(record, _)| time(record)), self.forgotten)
    }

    /// The latest records for which `matches` holds, at most `last` of them and none before `since`; the oldest first.
    pub(super) fn latest(
        &self,
        last: usize,
        since: Option<Timestamp>,
        matches: impl Fn(&Record) -> bool,
    ) -> Vec<&Record> {
        let records = self.records.iter().rev().map(|(record, _)| record);
        // A clock that was set back makes later records look older, so the search does not end at the first old one.
        let recent = records.filter(|record| since.is_none_or(|since| time(record) >= since));
        let mut found: Vec<_> = recent.filter(|record| matches(record)).take(last).collect();
        found.reverse();
        found
    }
}

fn time(record: &Record) -> Timestamp {
    match record {
        Record::Verdict(record) => record.at,
        Record::Fault(record) => record.at,
        Record::Notice(at, _) => *at,
    }
}

#[cfg(test)]
mod tests {
    use ctwarden_model::Notice;

    use super::*;

    fn notice(at: u64) -> Record {
        Record::Notice(Timestamp(at), Box::new(Notice::Overrun))
    }

    #[test]
    fn the_oldest_are_forgotten_by_number_and_by_bytes() {
        let mut ring = Ring::default();
        for at in 0..RECORDS_MAX as u64 {
            ring.push(notice(at), 1);
        }
        assert_eq!(ring.oldest(), (Some(Timestamp(0)), false));
        ring.push(notice(RECORDS_MAX as u64), 1);
        assert_eq!(ring.oldest(), (Some(Timestamp(1)), true));
        ring.push(notice(99_999), BYTES_MAX);
        assert_eq!(ring.oldest(), (Some(Timestamp(99_999)), true));
        ring.push(notice(100_000), BYTES_MAX + 1);
        assert_eq!(ring.oldest(), (None, true), "a record that is larger than the ring is not kept");
    }

    #[test]
    fn the_latest_come_in_their_order() {
        let mut ring = Ring::default();
        for at in 0..10 {
            ring.push(notice(at), 1);
        }
        let times = |found: Vec<&Record>| found.into_iter().map(|record| time(record).0).collect::<Vec<_>>();
        assert_eq!(times(ring.latest(3, None, |_| true)), [7, 8, 9]);
        assert_eq!(times(ring.latest(9, Some(Timestamp(8)), |_| true)), [8, 9]);
        assert_eq!(times(ring.latest(2, None, |record| time(record).0.is_multiple_of(2))), [6, 8]);
    }
}
