//! Destinations of records and alerts.
//!
//! A full disk or a stalled reader must not stop the daemon. Records go through bounded channels, one to the thread of
//! each destination, which writes them. Records that could not be written are counted. Each failure is reported once
//! when it begins, and noted in the stream itself as soon as the stream works again. Losses that are still not noted at
//! the end are reported then.

mod error;
mod file;
mod journal;
mod json;
mod lines;
mod outlet;
mod patient;
mod rfc3339;
mod scribe;
mod sink;
mod stdout;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ctwarden_model::Record;

pub(crate) use journal::SOCKET as JOURNAL;
pub(crate) use json::{filter_in_words, flow_line, line, lost_line};
pub(crate) use rfc3339::Rfc3339;
pub(crate) use scribe::Missing;

use crate::config::Destination;
use error::SinkError;
use outlet::Outlet;
use patient::Patience;
use scribe::{ReportLine, Scribe};

/// Time that shutdown waits for a destination that does not accept the remaining records.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// Additional time in which a thread may count the records that it could not write.
const COUNT_WAIT: Duration = Duration::from_secs(1);

/// Counts of the sinks since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SinkCounts {
    /// Records and alerts that reached their destination.
    pub written: u64,
    /// Records and alerts that a sink could not accept.
    pub lost: u64,
}

/// The result of stopping the sinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// The final counts. Everything that is not written is lost.
    pub counts: SinkCounts,
    /// Losses that the stream does not mention, by destination.
    pub missing: Vec<Missing>,
}

/// The running sinks: one thread for each destination.
#[derive(Debug)]
pub(crate) struct Sinks(Vec<Scribe>);

impl Sinks {
    /// Opens the destinations and begins to write. `report` gets one line when a sink begins to fail and when it works
    /// again. The sinks' own threads call it.
    ///
    /// # Errors
    /// [`SinkError`] if a destination cannot be opened now. A later failure is reported, not an error. A pipe without a
    /// reader counts as such a failure.
    pub(crate) fn start(
        records: &Destination,
        alerts: Option<&Destination>,
        report: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, SinkError> {
        let (of_records, of_alerts) = (Patience::default(), Patience::default());
        let mut outlets = vec![(Outlet::open("records", records, of_records.clone())?, of_records)];
        // The same destination for both would show each alert twice.
        if let Some(alerts) = alerts.filter(|alerts| *alerts != records) {
            outlets.push((Outlet::open("alerts", alerts, of_alerts.clone())?, of_alerts));
        }
        Self::of(outlets, report)
    }

    fn of(
        outlets: Vec<(Outlet, Patience)>,
        report: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, SinkError> {
        let report: ReportLine = Arc::new(report);
        let start = |(outlet, patience)| Scribe::start(outlet, patience, Arc::clone(&report));
        Ok(Self(outlets.into_iter().map(start).collect::<Result<_, _>>()?))
    }

    /// Queues a record. Never waits.
    pub(crate) fn write(&self, record: Record) {
        let is_alert = record.is_alert();
        for scribe in self.0.iter().filter(|scribe| scribe.is_for_alerts() && is_alert) {
            scribe.write(record.clone());
        }
        if let Some(scribe) = self.0.iter().find(|scribe| !scribe.is_for_alerts()) {
            scribe.write(record);
        }
    }

    /// Reopens files after logrotate has moved them away.
    pub(crate) fn reopen(&self) {
        self.0.iter().for_each(Scribe::reopen);
    }

    /// Returns the counts for `status`.
    #[must_use]
    pub(crate) fn counts(&self) -> SinkCounts {
        let sum = |count: fn(&Scribe) -> u64| self.0.iter().map(count).fold(0, u64::saturating_add);
        SinkCounts { written: sum(Scribe::written), lost: sum(Scribe::lost) }
    }

    /// Writes the remaining records, for at most five seconds, and reports those that could not be written.
    pub(crate) fn stop(self) -> Stopped {
        self.stop_within(STOP_WAIT)
    }

    fn stop_within(self, patience: Duration) -> Stopped {
        let until = Instant::now() + patience;
        self.0.iter().for_each(|scribe| scribe.begin_to_stop(until));
        let mut stopped = Stopped::default();
        for scribe in self.0 {
            let (written, lost, missing) = scribe.stop(until + COUNT_WAIT);
            stopped.counts.written = stopped.counts.written.saturating_add(written);
            stopped.counts.lost = stopped.counts.lost.saturating_add(lost);
            stopped.missing.extend(missing);
        }
        stopped
    }
}

#[cfg(test)]
mod tests;
