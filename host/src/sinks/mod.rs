//! Where records and alerts go.
//!
//! A disk that is full or a reader that sleeps must not stop the daemon: records are handed over a bounded channel to a
//! thread of their own, which writes them. What could not be written is counted, reported once for each failure that
//! begins, and told in the stream itself as soon as it can be written again.

mod file;
mod journal;
mod json;
mod lines;
mod outlet;
mod rfc3339;
mod sink;
mod stdout;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use ctwarden_model::Record;
use thiserror::Error;

pub(crate) use journal::SOCKET as JOURNAL;
pub(crate) use rfc3339::Rfc3339;

use crate::config::Destination;
use outlet::Outlet;

/// Records that wait for a slow sink; about 30 MiB of them.
const WAITING_MAX: usize = 65_536;
/// How long records are gathered before the next are written, so that a flood of them does not wake the thread for each.
const GATHER: Duration = Duration::from_millis(1);
/// How often a failing sink is tried again while no records come.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end of the daemon waits for a sink that does not take what is left.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// Why the sinks could not be opened.
#[derive(Debug, Error)]
pub(crate) enum SinkError {
    /// The file or socket would not open.
    #[error("cannot open {destination} for {what}: {error}; correct {what} in [daemon] or mend the destination")]
    Open {
        /// `records` or `alerts`.
        what: &'static str,
        /// Where they were to go.
        destination: Destination,
        /// What the system said.
        error: std::io::Error,
    },
    /// No thread.
    #[error("cannot start the thread that writes records: {0}; raise the limit of threads of the daemon's user")]
    Thread(std::io::Error),
}

/// Figures of the sinks since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SinkCounts {
    /// Records and alerts that a sink took and has not lost since.
    pub written: u64,
    /// Records and alerts that no sink could take.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Counters {
    /// Records in the channel. It is bounded by this count, as a bounded channel would take the memory of all of them, and
    /// write to it, before the first one came.
    waiting: AtomicUsize,
    /// Records that found the channel full.
    overflowed: AtomicU64,
    /// Records that a sink took, for good or not.
    taken: AtomicU64,
    /// Of those, how many it dropped since.
    dropped: AtomicU64,
}

enum Order {
    Write(Record),
    Reopen,
    Stop,
}

/// The sinks at work.
#[derive(Debug)]
pub(crate) struct Sinks {
    orders: Sender<Order>,
    /// Its other end is dropped when the thread has ended.
    ended: Receiver<()>,
    counters: Arc<Counters>,
}

impl Sinks {
    /// Opens the destinations and begins to write. `report` is told, in one line, when a sink begins to fail and when it
    /// works again; it is called from the sinks' own thread.
    ///
    /// # Errors
    /// [`SinkError`] where a destination cannot be opened now; a failure that comes later is reported, not an error.
    pub(crate) fn start(
        records: &Destination,
        alerts: Option<&Destination>,
        report: impl Fn(String) + Send + 'static,
    ) -> Result<Self, SinkError> {
        let mut outlets = vec![Outlet::open("records", records)?];
        // The same destination for both would show each alert twice.
        if let Some(alerts) = alerts.filter(|alerts| *alerts != records) {
            outlets.push(Outlet::open("alerts", alerts)?);
        }
        Self::of(outlets, report)
    }

    fn of(outlets: Vec<Outlet>, report: impl Fn(String) + Send + 'static) -> Result<Self, SinkError> {
        let (orders, taken) = channel();
        let (ending, ended) = channel::<()>();
        let counters = Arc::new(Counters::default());
        let mut writer = Writer { taken, outlets, counters: Arc::clone(&counters), overflowed: 0, report };
        let run = move || {
            writer.run();
            drop(ending);
        };
        thread::Builder::new().name("ctwarden-sinks".into()).spawn(run).map_err(SinkError::Thread)?;
        Ok(Self { orders, ended, counters })
    }

    /// Hands a record over; never waits.
    pub(crate) fn write(&self, record: Record) {
        let counters = &self.counters;
        let has_room = counters.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX;
        if !has_room || self.orders.send(Order::Write(record)).is_err() {
            counters.waiting.fetch_sub(1, Ordering::Relaxed);
            counters.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens files anew, after logrotate has moved them away.
    pub(crate) fn reopen(&self) {
        drop(self.orders.send(Order::Reopen));
    }

    /// Figures for `status`.
    #[must_use]
    pub(crate) fn counts(&self) -> SinkCounts {
        let dropped = self.counters.dropped.load(Ordering::Relaxed);
        SinkCounts {
            written: self.counters.taken.load(Ordering::Relaxed).saturating_sub(dropped),
            lost: dropped.saturating_add(self.counters.overflowed.load(Ordering::Relaxed)),
        }
    }

    /// Writes what is left, at most for five seconds, and gives the final figures.
    pub(crate) fn stop(self) -> SinkCounts {
        // A thread that is gone has nothing left to write.
        drop(self.orders.send(Order::Stop));
        match self.ended.recv_timeout(STOP_WAIT) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => self.counts(),
        }
    }
}

struct Writer<R> {
    taken: Receiver<Order>,
    outlets: Vec<Outlet>,
    counters: Arc<Counters>,
    /// Records lost in front of the channel that were told in the stream.
    overflowed: u64,
    report: R,
}

impl<R: Fn(String)> Writer<R> {
    fn run(&mut self) {
        // Writes as records come and flushes when no more are waiting.
        loop {
            let wait = if self.outlets.iter().any(Outlet::is_failing) { RETRY } else { Duration::MAX };
            let mut next = match self.taken.recv_timeout(wait) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            while let Some(order) = next {
                match order {
                    Order::Write(record) => {
                        self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
                        self.write(&record);
                    }
                    Order::Reopen => self.each(Outlet::reopen),
                    Order::Stop => {
                        self.each(Outlet::flush);
                        self.tell_overflow();
                        return;
                    }
                }
                next = self.taken.try_recv().ok();
            }
            self.each(Outlet::flush);
            self.tell_overflow();
            thread::sleep(GATHER);
        }
        self.each(Outlet::flush);
    }

    fn write(&mut self, record: &Record) {
        let is_alert = record.is_alert();
        let line = match json::line(record) {
            Ok(line) => line,
            Err(error) => {
                self.counters.overflowed.fetch_add(1, Ordering::Relaxed);
                (self.report)(format!("a record has no form in JSON and is lost: {error}"));
                return;
            }
        };
        self.each(|outlet| {
            if !outlet.is_for_alerts() || is_alert { outlet.put(record, &line) } else { outlet::Change::default() }
        });
    }

    /// Tells of records that found the channel full.
    fn tell_overflow(&mut self) {
        let overflowed = self.counters.overflowed.load(Ordering::Relaxed);
        let news = overflowed.saturating_sub(self.overflowed);
        if news > 0 {
            self.overflowed = overflowed;
            (self.report)(format!("{news} records are lost: they came faster than they could be written"));
            self.each(|outlet| outlet.tell_lost(news));
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Outlet) -> outlet::Change) {
        for outlet in &mut self.outlets {
            let change = act(outlet);
            self.counters.taken.fetch_add(change.taken, Ordering::Relaxed);
            self.counters.dropped.fetch_add(change.lost, Ordering::Relaxed);
            if let Some(report) = change.report {
                (self.report)(report);
            }
        }
    }
}

#[cfg(test)]
mod tests;
