//! One thread for each destination: it receives records, writes them as fast as the destination accepts them, and
//! counts them.
//!
//! A stalled destination blocks only its own thread. The queue is bounded in number and in bytes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ctwarden_model::Record;

use super::error::SinkError;
use super::json;
use super::outlet::{Outlet, WriteResult};
use super::patient::Patience;

/// Most records that wait for a slow destination.
pub(super) const WAITING_MAX: usize = 65_536;
/// Most bytes that the waiting records hold.
pub(super) const WAITING_BYTES_MAX: usize = 32 << 20;
/// Additional capacity of both limits for faults and notices, so a flood of verdicts does not displace them.
const RESERVE: usize = 1_024;
const RESERVE_BYTES: usize = 1 << 20;
/// How long the thread gathers records before the next write, so a flood does not wake the thread for each record.
const GATHER: Duration = Duration::from_millis(1);
/// Interval between attempts at a failing destination while no records arrive.
const RETRY: Duration = Duration::from_secs(1);

/// Receives the lines that report failures.
pub(super) type ReportLine = Arc<dyn Fn(String) + Send + Sync>;

#[derive(Debug, Default)]
struct Counters {
    /// Records in the channel, and their bytes.
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    /// Records handed over for writing.
    handed: AtomicU64,
    /// Records that found the channel full.
    overflowed: AtomicU64,
    /// Records that reached the destination.
    written: AtomicU64,
    /// Records that the destination did not accept.
    dropped: AtomicU64,
    /// Lost records that the stream mentions.
    told: AtomicU64,
    /// Whether the reader of the destination has gone.
    is_closed: AtomicBool,
}

impl Counters {
    /// Reserves room for a record. Returns false if there is none.
    fn enter(&self, bytes: usize, is_verdict: bool) -> bool {
        let (reserve, reserve_bytes) = if is_verdict { (0, 0) } else { (RESERVE, RESERVE_BYTES) };
        let count = self.waiting.fetch_add(1, Ordering::Relaxed);
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room =
            count < WAITING_MAX + reserve && before.saturating_add(bytes) <= WAITING_BYTES_MAX + reserve_bytes;
        if !has_room {
            self.leave(bytes);
        }
        has_room
    }

    fn leave(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

enum Order {
    /// A record and its size in bytes.
    Write(Record, usize),
    Reopen,
    Stop,
}

/// Records that a destination lacks at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Such as "records to /var/log/ctwarden/records.jsonl".
    pub(crate) name: String,
    /// Number of lost records that the stream does not mention.
    pub(crate) records: u64,
    /// Whether the reader of the destination has gone.
    pub(crate) is_closed: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not write {}: {} are lost, and no line there reports the loss", self.name, self.records)
    }
}

/// The daemon's handle of the thread.
#[derive(Debug)]
pub(super) struct Scribe {
    orders: Sender<Order>,
    /// The thread drops the other end when it ends.
    ended: Receiver<()>,
    counters: Arc<Counters>,
    patience: Patience,
    name: String,
    is_for_alerts: bool,
}

impl Scribe {
    pub(super) fn start(outlet: Outlet, patience: Patience, report: ReportLine) -> Result<Self, SinkError> {
        let (orders, taken) = channel();
        let (ending, ended) = channel::<()>();
        let counters = Arc::new(Counters::default());
        let (name, is_for_alerts) = (outlet.name(), outlet.is_for_alerts());
        let mut writer = Writer {
            taken,
            outlet,
            counters: Arc::clone(&counters),
            patience: patience.clone(),
            overflowed: 0,
            report,
        };
        let run = move || {
            writer.run();
            drop(ending);
        };
        thread::Builder::new().name("ctwarden-sinks".into()).spawn(run).map_err(SinkError::Thread)?;
        Ok(Self { orders, ended, counters, patience, name, is_for_alerts })
    }

    pub(super) const fn is_for_alerts(&self) -> bool {
        self.is_for_alerts
    }

    /// Queues a record. Never waits.
    pub(super) fn write(&self, record: Record) {
        let counters = &self.counters;
        counters.handed.fetch_add(1, Ordering::Relaxed);
        let bytes = record.bytes();
        if !counters.enter(bytes, matches!(record, Record::Verdict(_))) {
            counters.overflowed.fetch_add(1, Ordering::Relaxed);
        } else if self.orders.send(Order::Write(record, bytes)).is_err() {
            counters.leave(bytes);
            counters.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn reopen(&self) {
        drop(self.orders.send(Order::Reopen));
    }

    pub(super) fn written(&self) -> u64 {
        self.counters.written.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.counters.dropped.load(Ordering::Relaxed).saturating_add(self.counters.overflowed.load(Ordering::Relaxed))
    }

    /// Number of waiting bytes.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.counters.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Sets the time until which waiting records must be written.
    pub(super) fn begin_to_stop(&self, until: Instant) {
        self.patience.ends(until);
        // A thread that has ended has nothing left to write.
        drop(self.orders.send(Order::Stop));
    }

    /// Waits until then for the thread to end. From here on, records that are not known to be written count as lost.
    pub(super) fn stop(self, until: Instant) -> (u64, u64, Option<Missing>) {
        let patience = until.saturating_duration_since(Instant::now());
        match self.ended.recv_timeout(patience) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let written = count(&self.counters.written);
        let lost = count(&self.counters.handed).saturating_sub(written);
        let records = lost.saturating_sub(count(&self.counters.told));
        let is_closed = self.counters.is_closed.load(Ordering::Relaxed);
        let missing = (records > 0).then(|| Missing { name: self.name.clone(), records, is_closed });
        (written, lost, missing)
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        // This also ends a thread that waits for a reader.
        self.patience.ends(Instant::now());
    }
}

struct Writer {
    taken: Receiver<Order>,
    outlet: Outlet,
    counters: Arc<Counters>,
    patience: Patience,
    /// Records that found the channel full and whose loss the stream already mentions.
    overflowed: u64,
    report: ReportLine,
}

impl Writer {
    fn run(&mut self) {
        // Write records as they arrive, and flush when no more are waiting.
        while self.wait_until_ready() {
            let wait = if self.outlet.is_failing() { RETRY } else { Duration::MAX };
            let mut next = match self.taken.recv_timeout(wait) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            while let Some(order) = next {
                match order {
                    Order::Write(record, bytes) => {
                        self.counters.leave(bytes);
                        self.write(&record);
                    }
                    Order::Reopen => {
                        let change = self.outlet.reopen();
                        self.note(change);
                        if !self.wait_until_ready() {
                            return;
                        }
                    }
                    Order::Stop => {
                        self.flush();
                        return;
                    }
                }
                next = self.taken.try_recv().ok();
            }
            self.flush();
            thread::sleep(GATHER);
        }
        self.flush();
    }

    /// Waits until the destination is ready. Returns false if patience has ended.
    fn wait_until_ready(&mut self) -> bool {
        loop {
            let (ready, report) = self.outlet.is_ready();
            if let Some(report) = report {
                (self.report)(report);
            }
            if ready {
                return true;
            }
            if self.patience.wait().is_err() {
                return false;
            }
        }
    }

    fn write(&mut self, record: &Record) {
        match json::line(record) {
            Ok(line) => {
                let change = self.outlet.put(record, &line);
                self.note(change);
            }
            Err(error) => {
                self.counters.overflowed.fetch_add(1, Ordering::Relaxed);
                (self.report)(format!("a record cannot be written as JSON and is lost: {error}"));
            }
        }
    }

    fn flush(&mut self) {
        let change = self.outlet.flush();
        self.note(change);
        // The stream also mentions records that found the channel full.
        let overflowed = self.counters.overflowed.load(Ordering::Relaxed);
        let news = overflowed.saturating_sub(self.overflowed);
        if news > 0 {
            self.overflowed = overflowed;
            (self.report)(format!("{news} records are lost: they came faster than they could be written"));
            let change = self.outlet.tell_lost(news);
            self.note(change);
        }
    }

    fn note(&self, change: WriteResult) {
        let WriteResult { written, lost, told, report } = change;
        self.counters.written.fetch_add(written, Ordering::Relaxed);
        self.counters.dropped.fetch_add(lost, Ordering::Relaxed);
        self.counters.told.fetch_add(told, Ordering::Relaxed);
        self.counters.is_closed.store(self.outlet.is_closed(), Ordering::Relaxed);
        if let Some(report) = report {
            (self.report)(report);
        }
    }
}
