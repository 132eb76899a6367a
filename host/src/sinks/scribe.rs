//! One destination, one thread: records are handed over, written as fast as it takes them, and counted.
//!
//! A destination that stands still holds nobody but its own thread. What waits for it is bounded in number and in bytes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ctwarden_model::Record;

use super::error::SinkError;
use super::json;
use super::outlet::{Change, Outlet};
use super::patient::Patience;

/// Records that wait for a slow destination at most.
pub(super) const WAITING_MAX: usize = 65_536;
/// Bytes that these hold at most.
pub(super) const WAITING_BYTES_MAX: usize = 32 << 20;
/// Room on top of both for faults and notices, so that a flood of verdicts does not push them out.
const RESERVE: usize = 1_024;
const RESERVE_BYTES: usize = 1 << 20;
/// How long records are gathered before the next are written, so that a flood of them does not wake the thread for each.
const GATHER: Duration = Duration::from_millis(1);
/// How often a failing destination is tried again while no records come.
const RETRY: Duration = Duration::from_secs(1);

/// How lines that tell of failures are told.
pub(super) type Report = Arc<dyn Fn(String) + Send + Sync>;

#[derive(Debug, Default)]
struct Counters {
    /// Records in the channel, and what they hold.
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    /// Records that were to be written.
    handed: AtomicU64,
    /// Of those, how many found the channel full.
    overflowed: AtomicU64,
    /// How many are where they belong.
    written: AtomicU64,
    /// How many the destination did not take.
    dropped: AtomicU64,
    /// Lost ones of which the stream tells.
    told: AtomicU64,
    /// Whether whoever read the destination has gone.
    is_closed: AtomicBool,
}

impl Counters {
    /// Takes room for a record, where there is room.
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
    /// A record and the bytes that it holds.
    Write(Record, usize),
    Reopen,
    Stop,
}

/// What is missing in a destination at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Such as "records to /var/log/ctwarden/records.jsonl".
    pub(crate) name: String,
    /// How many records were lost without a word of it in the stream.
    pub(crate) records: u64,
    /// Whether whoever read them has gone.
    pub(crate) is_closed: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not write {}: {} are lost, and nothing in them tells of it", self.name, self.records)
    }
}

/// The daemon's end of the thread.
#[derive(Debug)]
pub(super) struct Scribe {
    orders: Sender<Order>,
    /// Its other end is dropped when the thread has ended.
    ended: Receiver<()>,
    counters: Arc<Counters>,
    patience: Patience,
    name: String,
    is_for_alerts: bool,
}

impl Scribe {
    pub(super) fn start(outlet: Outlet, patience: Patience, report: Report) -> Result<Self, SinkError> {
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

    /// Hands a record over; never waits.
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

    /// Bytes that wait.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.counters.waiting_bytes.load(Ordering::Relaxed)
    }

    /// What waits is to be written until then.
    pub(super) fn begin_to_stop(&self, until: Instant) {
        self.patience.ends(until);
        // A thread that is gone has nothing left to write.
        drop(self.orders.send(Order::Stop));
    }

    /// Waits until then for the thread to end. What is not known to be written counts as lost from here on.
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
        // A thread that waits for somebody to read ends, too.
        self.patience.ends(Instant::now());
    }
}

struct Writer {
    taken: Receiver<Order>,
    outlet: Outlet,
    counters: Arc<Counters>,
    patience: Patience,
    /// Records lost in front of the channel that were told in the stream.
    overflowed: u64,
    report: Report,
}

impl Writer {
    fn run(&mut self) {
        // Writes as records come and flushes when no more are waiting.
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

    /// Waits for whoever is to read; false where patience has ended.
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
                (self.report)(format!("a record has no form in JSON and is lost: {error}"));
            }
        }
    }

    fn flush(&mut self) {
        let change = self.outlet.flush();
        self.note(change);
        // Of records that found the channel full it is told as well.
        let overflowed = self.counters.overflowed.load(Ordering::Relaxed);
        let news = overflowed.saturating_sub(self.overflowed);
        if news > 0 {
            self.overflowed = overflowed;
            (self.report)(format!("{news} records are lost: they came faster than they could be written"));
            let change = self.outlet.tell_lost(news);
            self.note(change);
        }
    }

    fn note(&self, change: Change) {
        let Change { written, lost, told, report } = change;
        self.counters.written.fetch_add(written, Ordering::Relaxed);
        self.counters.dropped.fetch_add(lost, Ordering::Relaxed);
        self.counters.told.fetch_add(told, Ordering::Relaxed);
        self.counters.is_closed.store(self.outlet.is_closed(), Ordering::Relaxed);
        if let Some(report) = report {
            (self.report)(report);
        }
    }
}
