//! Where records and alerts go.
//!
//! A disk that is full or a reader that sleeps must not stop the daemon: records are handed over bounded channels, each to the
//! thread of its destination, which writes them. What could not be written is counted, reported once for each failure that
//! begins, and told in the stream itself as soon as it can be written again. What is still missing at the end is told then.

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
pub(crate) use rfc3339::Rfc3339;
pub(crate) use scribe::Missing;

use crate::config::Destination;
use error::SinkError;
use outlet::Outlet;
use patient::Patience;
use scribe::{Report, Scribe};

/// How long the end of the daemon waits for a destination that does not take what is left.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// How much longer a thread may take to count what it could not write.
const COUNT_WAIT: Duration = Duration::from_secs(1);

/// Figures of the sinks since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SinkCounts {
    /// Records and alerts that are where they belong.
    pub written: u64,
    /// Records and alerts that a sink could not take.
    pub lost: u64,
}

/// The end of the sinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// The final figures; whatever is not written is lost.
    pub counts: SinkCounts,
    /// What is missing without a word of it in the stream, by destination.
    pub missing: Vec<Missing>,
}

/// The sinks at work.
#[derive(Debug)]
pub(crate) struct Sinks(Vec<Scribe>);

impl Sinks {
    /// Opens the destinations and begins to write. `report` is told, in one line, when a sink begins to fail and when it
    /// works again; it is called from the sinks' own threads.
    ///
    /// # Errors
    /// [`SinkError`] where a destination cannot be opened now; a failure that comes later is reported, not an error. A pipe
    /// that nobody reads yet is such a failure.
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
        let report: Report = Arc::new(report);
        let start = |(outlet, patience)| Scribe::start(outlet, patience, Arc::clone(&report));
        Ok(Self(outlets.into_iter().map(start).collect::<Result<_, _>>()?))
    }

    /// Hands a record over; never waits.
    pub(crate) fn write(&self, record: Record) {
        let is_alert = record.is_alert();
        for scribe in self.0.iter().filter(|scribe| scribe.is_for_alerts() && is_alert) {
            scribe.write(record.clone());
        }
        if let Some(scribe) = self.0.iter().find(|scribe| !scribe.is_for_alerts()) {
            scribe.write(record);
        }
    }

    /// Opens files anew, after logrotate has moved them away.
    pub(crate) fn reopen(&self) {
        self.0.iter().for_each(Scribe::reopen);
    }

    /// Figures for `status`.
    #[must_use]
    pub(crate) fn counts(&self) -> SinkCounts {
        let sum = |count: fn(&Scribe) -> u64| self.0.iter().map(count).fold(0, u64::saturating_add);
        SinkCounts { written: sum(Scribe::written), lost: sum(Scribe::lost) }
    }

    /// Writes what is left, at most for five seconds, and tells what could not be written.
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
