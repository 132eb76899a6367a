//! How many records the verdicts of one plugin may make, and what is told of the others.
//!
//! A plugin may return verdicts without end. Each of them is counted, but a record of each would fill the disk and push the
//! records of other plugins out of the queue. Above the rate verdicts are folded: counted by kind and outcome, and told
//! together in one record a second.

use alloc::boxed::Box;
use core::time::Duration;

use ctwarden_model::{FoldedCount, Outcome, Refusal, Steady, VerdictRecord};

use crate::verdicts::budget::Bucket;
use crate::{PluginLimits, VerdictCounts};

/// A record counts once for each so many bytes that its verdict holds, the last begun one included.
const BYTES_EACH: usize = 512;

/// How long folded verdicts wait to be told together.
const TOLD_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct RecordRate {
    rate: Bucket,
    folded: VerdictCounts,
    /// When the first of them was folded.
    since: Option<Steady>,
    total: u64,
}

impl RecordRate {
    pub(crate) fn new(limits: &PluginLimits, now: Steady) -> Self {
        Self { rate: Bucket::new(limits.record_burst, now), folded: VerdictCounts::default(), since: None, total: 0 }
    }

    /// Whether the verdict gets a record of its own; else it is folded. `bytes` is what the verdict holds.
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

    /// Verdicts that were folded since the start.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// When folded verdicts are to be told.
    pub(crate) fn due(&self) -> Option<Steady> {
        self.since.map(|since| since.plus(TOLD_AFTER))
    }

    /// What was folded since this was asked last; none where nothing was.
    pub(crate) fn take_folded(&mut self) -> Option<Box<[FoldedCount]>> {
        self.since.take()?;
        let folded = core::mem::take(&mut self.folded);
        Some(folded.iter().map(|(kind, outcome, count)| FoldedCount { kind, outcome, count }).collect())
    }
}

/// Whether the record is written whatever the rate: the verdict has changed the kernel, may have changed it, or is shown to
/// people. The plugin's budget bounds these, and a plugin must not be able to hide one among others.
fn has_own_record(record: &VerdictRecord) -> bool {
    let may_have_changed = matches!(record.outcome, Outcome::Applied | Outcome::Refused(Refusal::NoAnswer));
    may_have_changed && record.verdict.action.kind().touches_kernel() || record.is_alert()
}
