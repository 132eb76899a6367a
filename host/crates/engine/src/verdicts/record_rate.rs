//! The rate of the records of one plugin's verdicts, and the counts of the verdicts without a record.
//!
//! A plugin may return any number of verdicts. Each verdict is counted, but a record of each would fill the disk and
//! push the records of other plugins out of the queue. Verdicts above the rate are folded: they are counted by kind and
//! outcome, and one record a second reports the counts.

use alloc::boxed::Box;
use core::time::Duration;

use ctwarden_model::{FoldedCount, Outcome, Refusal, Steady, VerdictRecord};

use crate::verdicts::budget::Bucket;
use crate::{PluginLimits, VerdictCounts};

/// A record counts as one, plus one for each full 512 bytes that its verdict holds.
const BYTES_EACH: usize = 512;

/// How long the counts of folded verdicts wait for their common record.
const TOLD_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct RecordRate {
    rate: Bucket,
    folded: VerdictCounts,
    /// When the first of these verdicts was folded.
    since: Option<Steady>,
    total: u64,
}

impl RecordRate {
    pub(crate) fn new(limits: &PluginLimits, now: Steady) -> Self {
        Self { rate: Bucket::new(limits.record_burst, now), folded: VerdictCounts::default(), since: None, total: 0 }
    }

    /// Returns whether the verdict gets its own record. If not, folds the verdict. `bytes` is the memory that the
    /// verdict holds.
    pub(crate) fn admit(&mut self, record: &VerdictRecord, bytes: usize, limits: &PluginLimits, now: Steady) -> bool {
        if has_own_record(record) {
            return true;
        }
        let weight = u32::try_from(bytes / BYTES_EACH).unwrap_or(u32::MAX).saturating_add(1);
        let admitted = self.rate.take_many(weight, limits.records_per_second, limits.record_burst, now);
        if !admitted {
            self.fold(record, now);
        }
        admitted
    }

    pub(crate) fn fold(&mut self, record: &VerdictRecord, now: Steady) {
        self.folded.add(record.verdict.action.kind(), record.outcome);
        self.total = self.total.saturating_add(1);
        self.since.get_or_insert(now);
    }

    /// Number of verdicts folded since the start.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// When the counts of folded verdicts are due.
    pub(crate) fn due(&self) -> Option<Steady> {
        self.since.map(|since| since.plus(TOLD_AFTER))
    }

    /// Takes the counts of the verdicts folded since the last call. Returns `None` if there are none.
    pub(crate) fn take_folded(&mut self) -> Option<Box<[FoldedCount]>> {
        self.since.take()?;
        let folded = core::mem::take(&mut self.folded);
        Some(folded.iter().map(|(kind, outcome, count)| FoldedCount { kind, outcome, count }).collect())
    }
}

/// Whether the verdict gets its own record even above the rate: it has changed the kernel's state, may have changed it,
/// or is a shown alert. The plugin's budget bounds these verdicts, and a plugin must not be able to hide one among
/// others.
fn has_own_record(record: &VerdictRecord) -> bool {
    let may_have_changed =
        matches!(record.outcome, Outcome::Applied | Outcome::Refused(Refusal::NoAnswer | Refusal::Kill(_)));
    may_have_changed && record.verdict.action.kind().touches_kernel() || record.is_alert()
}
