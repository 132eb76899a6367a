//! One destination with its state: working, or failing since some time.

use std::path::Path;
use std::time::SystemTime;

use ctwarden_model::{Record, Timestamp};

use super::file::FileSink;
use super::journal::{self, JournalSink};
use super::sink::{Lost, Sink};
use super::stdout::StdoutSink;
use super::{SinkError, json};
use crate::config::Destination;

/// What came of an order.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Records taken.
    pub(super) taken: u64,
    /// Records lost.
    pub(super) lost: u64,
    /// A turn to be told: it fails now, it works again.
    pub(super) report: Option<String>,
}

/// A destination.
pub(super) struct Outlet {
    what: &'static str,
    destination: Destination,
    sink: Box<dyn Sink>,
    failing: bool,
    /// Lost since the last line that told of it.
    untold: u64,
}

impl Outlet {
    /// `what` is the key of the configuration: `records` or `alerts`.
    pub(super) fn open(what: &'static str, destination: &Destination) -> Result<Self, SinkError> {
        let sink: std::io::Result<Box<dyn Sink>> = match destination {
            Destination::Stdout => StdoutSink::open().map(|sink| Box::new(sink) as _),
            Destination::Journal => JournalSink::open(Path::new(journal::SOCKET)).map(|sink| Box::new(sink) as _),
            Destination::File(path) => FileSink::open(path).map(|sink| Box::new(sink) as _),
        };
        let sink = sink.map_err(|error| SinkError::Open { what, destination: destination.clone(), error })?;
        Ok(Self::new(what, destination.clone(), sink))
    }

    pub(super) fn new(what: &'static str, destination: Destination, sink: Box<dyn Sink>) -> Self {
        Self { what, destination, sink, failing: false, untold: 0 }
    }

    pub(super) fn is_for_alerts(&self) -> bool {
        self.what == "alerts"
    }

    /// Whether a loss has not been told yet.
    pub(super) const fn is_failing(&self) -> bool {
        self.untold > 0
    }

    pub(super) fn put(&mut self, record: &Record, line: &str) -> Change {
        let outcome = self.sink.put(record, line);
        Change { taken: 1, ..self.after(outcome) }
    }

    /// Writes what is gathered, and what was lost before, if it can be told now.
    pub(super) fn flush(&mut self) -> Change {
        let outcome = self.sink.flush();
        let works = outcome.is_ok();
        let mut change = self.after(outcome);
        if works && self.untold > 0 {
            change.report = self.recover();
        }
        change
    }

    /// Tells in the stream of records that never came here.
    pub(super) fn tell_lost(&mut self, lost: u64) -> Change {
        self.untold += lost;
        self.flush()
    }

    pub(super) fn reopen(&mut self) -> Change {
        let mut change = self.flush();
        if let Err(error) = self.sink.reopen() {
            change.report =
                Some(format!("cannot reopen {} for {}: {error}; the old file goes on", self.destination, self.what));
        }
        change
    }

    fn after(&mut self, outcome: Result<(), Lost>) -> Change {
        let Err(Lost { lines, error }) = outcome else { return Change::default() };
        self.untold += lines;
        let report = (!self.failing).then(|| {
            format!(
                "cannot write {} to {}: {error}; they are counted and lost until it can",
                self.what, self.destination
            )
        });
        self.failing = true;
        Change { taken: 0, lost: lines, report }
    }

    /// Writes the line that tells of the lost records; with it the failure is over.
    fn recover(&mut self) -> Option<String> {
        let told = json::lost_line(now(), self.untold)
            .ok()
            .is_some_and(|line| self.sink.put_lost(self.untold, &line).and_then(|()| self.sink.flush()).is_ok());
        if !told {
            return None;
        }
        let lost = std::mem::take(&mut self.untold);
        let was_failing = std::mem::take(&mut self.failing);
        was_failing.then(|| format!("can write {} to {} again; {lost} were lost", self.what, self.destination))
    }
}

/// The wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
