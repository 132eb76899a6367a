//! One destination with its state: working, or failing since some time.

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

/// What came of an order.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Records that are where they belong now.
    pub(super) written: u64,
    pub(super) lost: u64,
    /// Losses of which the stream tells now.
    pub(super) told: u64,
    /// A turn to be told: it fails now, it works again.
    pub(super) report: Option<String>,
}

pub(super) struct Outlet {
    what: &'static str,
    destination: Destination,
    sink: Box<dyn Sink>,
    failing: bool,
    /// Whether records wait for it to become ready.
    waiting: bool,
    /// Lost since the last line that told of it.
    untold: u64,
    /// Whether whoever read it has gone.
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

    /// Whether a loss has not been told yet.
    pub(super) const fn is_failing(&self) -> bool {
        self.untold > 0
    }

    /// Whether the last failure was that nobody reads any more.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether it takes records now, and the turn to be told.
    pub(super) fn is_ready(&mut self) -> (bool, Option<String>) {
        match self.sink.is_ready() {
            Ok(()) => {
                let waited = std::mem::take(&mut self.waiting);
                (true, waited.then(|| format!("can write {} now", self.name())))
            }
            Err(error) => {
                let begins = !std::mem::replace(&mut self.waiting, true);
                let report = || {
                    format!("cannot write {} yet: {error}; they wait as long as there is room for them", self.name())
                };
                (false, begins.then(report))
            }
        }
    }

    pub(super) fn put(&mut self, record: &Record, line: &str) -> Change {
        let outcome = self.sink.put(record, line);
        self.after(outcome)
    }

    /// Writes what is gathered, and what was lost before, if it can be told now.
    pub(super) fn flush(&mut self) -> Change {
        let outcome = self.sink.flush();
        let works = outcome.is_ok();
        let mut change = self.after(outcome);
        if works && self.untold > 0 {
            self.recover(&mut change);
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

    fn after(&mut self, outcome: Result<u64, Lost>) -> Change {
        let Lost { written, lines, error } = match outcome {
            Ok(written) => return Change { written, ..Change::default() },
            Err(lost) => lost,
        };
        self.untold += lines;
        self.is_closed = error.kind() == io::ErrorKind::BrokenPipe;
        let report = (!self.failing)
            .then(|| format!("cannot write {}: {error}; they are counted and lost until it can", self.name()));
        self.failing = true;
        Change { written, lost: lines, told: 0, report }
    }

    /// Writes the line that tells of the lost records; with it the failure is over.
    fn recover(&mut self, change: &mut Change) {
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
