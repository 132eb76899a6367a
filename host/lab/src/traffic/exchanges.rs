//! A series of questions with counts. Each question waits for the answer to the previous one.
//!
//! Short connections, datagrams and pings differ only in the question.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::TrafficError;
use crate::bound::{Bound, Part};
use crate::host::Host;

/// A running series. It ends when the value is dropped.
pub struct Exchanges {
    counts: Arc<Counts>,
    part: Part,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    asked: AtomicU32,
    answered: AtomicU32,
    finished: AtomicBool,
}

impl Exchanges {
    /// Asks on a thread of the host. `open` runs there and returns a function, which sends the question of a number and
    /// waits a limited time for the answer.
    pub(super) fn start<A>(
        host: &Host,
        bound: &Bound,
        count: u32,
        pause: Duration,
        open: impl FnOnce() -> io::Result<A> + Send + 'static,
    ) -> Result<Self, TrafficError>
    where
        A: Fn(u32) -> io::Result<()>,
    {
        let counts = Arc::<Counts>::default();
        let part = bound.part();
        let (told, until) = (Arc::clone(&counts), part.clone());
        let thread = host.spawn("exchanges", move || {
            let ask = open();
            for number in 0..count {
                if until.is_over() {
                    break;
                }
                told.asked.fetch_add(1, Ordering::Relaxed);
                // The error does not matter, because the counts show a question without an answer.
                if ask.as_ref().is_ok_and(|ask| ask(number).is_ok()) {
                    told.answered.fetch_add(1, Ordering::Relaxed);
                }
                until.sleep(pause);
            }
            told.finished.store(true, Ordering::Release);
        })?;
        Ok(Self { counts, part, thread: Some(thread) })
    }

    pub fn asked(&self) -> u32 {
        self.counts.asked.load(Ordering::Relaxed)
    }

    pub fn answered(&self) -> u32 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Whether all questions were asked or the lab has ended.
    pub fn is_finished(&self) -> bool {
        self.counts.finished.load(Ordering::Acquire)
    }

    /// Waits at most `time` until the series is finished. Returns whether it is.
    pub fn wait(&self, time: Duration) -> bool {
        let since = std::time::Instant::now();
        while !self.is_finished() && since.elapsed() < time {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.is_finished()
    }
}

impl Drop for Exchanges {
    fn drop(&mut self) {
        self.part.end();
        // The join takes at most the time of one answer. The thread has printed its own panic.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
