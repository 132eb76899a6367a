//! Reads the configuration again in parallel to the loop, one reading at a time.
//!
//! A reading ends by itself: the time of each plugin is limited. A file system that does not answer has no limit, so a
//! reading that takes too long is given up, and the next one can begin.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use ctwarden_model::Steady;
use tokio::sync::mpsc::UnboundedSender;

use crate::niceness::Niceness;

/// The longest time of a reading: two processors compile sixteen interpreters for the first time.
const PATIENCE: Duration = Duration::from_secs(300);
/// Readings that were given up and may still be stuck. Each holds a thread and its memory.
const GIVEN_UP_MAX: usize = 4;

/// Identifies one reading, so that a late result of an abandoned reading is not mistaken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReloadId(u64);

/// Runs readings in the background while the loop continues: one at a time, and one more if requested meanwhile.
pub(crate) struct Reloader<T> {
    read: Arc<dyn Fn() -> Result<T> + Send + Sync>,
    results: UnboundedSender<(ReloadId, Result<T>)>,
    running: Option<(ReloadId, Steady)>,
    again: bool,
    begun: u64,
    given_up: usize,
}

impl<T: Send + 'static> Reloader<T> {
    pub(crate) fn new(
        read: impl Fn() -> Result<T> + Send + Sync + 'static,
        results: UnboundedSender<(ReloadId, Result<T>)>,
    ) -> Self {
        Self { read: Arc::new(read), results, running: None, again: false, begun: 0, given_up: 0 }
    }

    /// Starts a reading, or queues one after the running one: the configuration may have changed since that began.
    pub(crate) fn begin(&mut self, now: Steady) {
        if self.running.is_some() {
            self.again = true;
            return;
        }
        self.begun = self.begun.saturating_add(1);
        let id = ReloadId(self.begun);
        self.running = Some((id, now));
        if self.given_up >= GIVEN_UP_MAX {
            let why = anyhow!("{GIVEN_UP_MAX} earlier reads of the configuration are still stuck; restart ctwarden");
            let _ = self.results.send((id, Err(why)));
            return;
        }
        let (read, results) = (Arc::clone(&self.read), self.results.clone());
        let work = move || {
            // The threads of plugins are started from here and must not inherit a high priority.
            Niceness::lower_priority();
            drop(results.send((id, read())));
        };
        if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
            let why = anyhow!(error).context("cannot start the thread that reads the configuration");
            let _ = self.results.send((id, Err(why)));
        }
    }

    /// Whether a reading runs, so that [`Self::begin`] queues another one.
    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Records the end of a reading and starts the queued one. Returns false if the reading was given up before.
    pub(crate) fn ended(&mut self, id: ReloadId, now: Steady) -> bool {
        if self.running.is_none_or(|(running, _)| running != id) {
            self.given_up = self.given_up.saturating_sub(1);
            return false;
        }
        self.running = None;
        self.go_on(now);
        true
    }

    /// Gives up a reading that takes too long, and returns an error that says so. Starts the queued reading.
    pub(crate) fn give_up(&mut self, now: Steady) -> Option<anyhow::Error> {
        self.running.take_if(|(_, since)| now.since(*since) >= PATIENCE)?;
        self.given_up = self.given_up.saturating_add(1);
        self.go_on(now);
        Some(anyhow!(
            "reading the configuration took longer than {PATIENCE:?} and was given up; check that the file systems of \
             the configuration, the plugins and the sets respond, then send SIGHUP again"
        ))
    }

    fn go_on(&mut self, now: Steady) {
        if std::mem::take(&mut self.again) {
            self.begin(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// The results of readings.
    type Results = UnboundedReceiver<(ReloadId, Result<u8>)>;

    /// A reloader whose readings wait for a value from the sender and return that value.
    fn reloader() -> (Reloader<u8>, Sender<u8>, Results) {
        let (end, told) = channel();
        let told = Mutex::new(told);
        let (results, received) = unbounded_channel();
        let read = move || Ok(told.lock().unwrap().recv()?);
        (Reloader::new(read, results), end, received)
    }

    fn at(seconds: u64) -> Steady {
        Steady::default().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_reading_that_is_asked_for_during_another_follows_once() {
        let (mut reloader, end, mut received) = reloader();
        for _ in 0..3 {
            reloader.begin(at(0));
        }
        end.send(1).unwrap();
        let (first, outcome) = received.blocking_recv().unwrap();
        assert_eq!(outcome.unwrap(), 1);
        assert!(reloader.ended(first, at(1)));
        end.send(2).unwrap();
        let (second, outcome) = received.blocking_recv().unwrap();
        assert_eq!(outcome.unwrap(), 2);
        assert!(reloader.ended(second, at(1)));
        assert!(reloader.running.is_none() && received.try_recv().is_err());
    }

    #[test]
    fn a_stuck_reading_is_given_up_and_the_next_one_is_taken() {
        let (mut reloader, end, mut received) = reloader();
        reloader.begin(at(0));
        reloader.begin(at(1));
        assert!(reloader.give_up(at(299)).is_none());
        let why = reloader.give_up(at(300)).unwrap().to_string();
        assert!(why.contains("300s") && why.contains("SIGHUP"), "{why}");
        // The reading that was requested meanwhile has begun. Both readings wait for a value.
        end.send(1).unwrap();
        end.send(2).unwrap();
        let results = [received.blocking_recv().unwrap().0, received.blocking_recv().unwrap().0];
        let taken: Vec<bool> = results.iter().map(|reading| reloader.ended(*reading, at(301))).collect();
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{results:?}");
        assert_eq!(results[taken.iter().position(|taken| *taken).unwrap()], ReloadId(2));
        assert!(reloader.running.is_none());
    }

    #[test]
    fn not_more_and_more_readings_are_stuck() {
        let (mut reloader, _end, mut received) = reloader();
        for number in 0..4 {
            reloader.begin(at(number * 300));
            assert!(reloader.give_up(at((number + 1) * 300)).is_some());
        }
        reloader.begin(at(1_200));
        let (reading, outcome) = received.blocking_recv().unwrap();
        assert!(outcome.unwrap_err().to_string().contains("restart ctwarden"));
        assert!(reloader.ended(reading, at(1_200)));
    }
}
