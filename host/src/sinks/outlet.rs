//! One destination and its state: working, or failing since a known time.

use std::io;
use std::path::Path;

use ctwarden_model::Record;

use super::error::SinkError;
use super::file::FileSink;
use super::journal::{self, JournalSink};
use super::json;
use super::patient::Patience;
use super::sink::{Lost, Sink};
use super::stdout::StdoutSink;
use crate::clock;
use crate::config::Destination;

/// The result of an operation.
#[derive(Debug, Default)]
pub(super) struct WriteResult {
    /// Records that have now reached the destination.
    pub(super) written: u64,
    pub(super) lost: u64,
    /// Losses that the stream now mentions.
    pub(super) told: u64,
    /// A change to report: the destination begins to fail, or works again.
    pub(super) report: Option<String>,
}

pub(super) struct Outlet {
    what: &'static str,
    destination: Destination,
    sink: Box<dyn Sink>,
    failing: bool,
    /// Whether records wait for the destination to become ready.
    waiting: bool,
    /// Records lost since the last line that reported losses.
    untold: u64,
    /// Whether the reader of the destination has gone.
    is_closed: bool,
}

impl Outlet {
    /// `what` is the key of the configuration: `records` or `alerts`.
    pub(super) fn open(what: &'static str, destination: &Destination, patience: Patience) -> Result<Self, SinkError> {
        let sink: io::Result<Box<dyn Sink>> = match destination {
            Destination::Stdout => StdoutSink::open(patience).map(|sink| Box::new(sink) as _),
            Destination::Journal => {
                JournalSink::open(Path::new(journal::SOCKET), patience).map(|sink| Box::new(sink) as _)
            }
            Destination::File(path) => FileSink::open(path, patience).map(|sink| Box::new(sink) as _),
        };
        let sink = sink.map_err(|error| SinkError::Open { what, destination: destination.clone(), error })?;
        Ok(Self::new(what, destination.clone(), sink))
    }

    pub(super) fn new(what: &'static str, destination: Destination, sink: Box<dyn Sink>) -> Self {
        Self { what, destination, sink, failing: false, waiting: false, untold: 0, is_closed: false }
    }

    pub(super) fn is_for_alerts(&self) -> bool {
        self.what == "alerts"
    }

    pub(super) fn name(&self) -> String {
        format!("{} to {}", self.what, self.destination)
    }

    /// Whether a loss has not been reported yet.
    pub(super) const fn is_failing(&self) -> bool {
        self.untold > 0
    }

    /// Whether the last failure was that the reader has gone.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns whether the destination accepts records now, and the change to report.
    pub(super) fn is_ready(&mut self) -> (bool, Option<String>) {
        match self.sink.is_ready() {
            Ok(()) => {
                let waited = std::mem::take(&mut self.waiting);
                (true, waited.then(|| format!("can write {} now", self.name())))
            }
            Err(error) => {
                let begins = !std::mem::replace(&mut self.waiting, true);
                let report =
                    || format!("cannot write {} yet: {error}; the queue keeps them while it has room", self.name());
                (false, begins.then(report))
            }
        }
    }

    pub(super) fn put(&mut self, record: &Record, line: &str) -> WriteResult {
        let outcome = self.sink.put(record, line);
        self.after(outcome)
    }

    /// Writes the gathered records, and a line about earlier losses if possible now.
    pub(super) fn flush(&mut self) -> WriteResult {
        let outcome = self.sink.flush();
        let works = outcome.is_ok();
        let mut change = self.after(outcome);
        if works && self.untold > 0 {
            self.recover(&mut change);
        }
        change
    }

    /// Reports records in the stream that never reached this outlet.
    pub(super) fn tell_lost(&mut self, lost: u64) -> WriteResult {
        self.untold += lost;
        self.flush()
    }

    pub(super) fn reopen(&mut self) -> WriteResult {
        let mut change = self.flush();
        if let Err(error) = self.sink.reopen() {
            change.report =
                Some(format!("cannot reopen {} for {}: {error}; the old file stays open", self.destination, self.what));
        }
        change
    }

    fn after(&mut self, outcome: Result<u64, Lost>) -> WriteResult {
        let Lost { written, lines, error } = match outcome {
            Ok(written) => return WriteResult { written, ..WriteResult::default() },
            Err(lost) => lost,
        };
        self.untold += lines;
        self.is_closed = error.kind() == io::ErrorKind::BrokenPipe;
        let report = (!self.failing)
            .then(|| format!("cannot write {}: {error}; they are lost and counted until it can", self.name()));
        self.failing = true;
        WriteResult { written, lost: lines, told: 0, report }
    }

    /// Writes the line that reports the lost records. This ends the failure.
    fn recover(&mut self, change: &mut WriteResult) {
        let told = json::lost_line(clock::now().wall, self.untold)
            .ok()
            .is_some_and(|line| self.sink.put_lost(self.untold, &line).and_then(|()| self.sink.flush()).is_ok());
        if !told {
            return;
        }
        let lost = std::mem::take(&mut self.untold);
        change.told += lost;
        if std::mem::take(&mut self.failing) {
            change.report = Some(format!("can write {} again; {lost} were lost", self.name()));
        }
    }
}
