//! One follower: its filter, its queue, and what it has missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ctwarden_control::{Facets, RecordFilter};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Most bytes that wait for a slow follower.
pub(super) const QUEUE_BYTES_MAX: usize = 1 << 20;

/// The thread's end of the queue.
#[derive(Debug)]
pub(super) struct Follower {
    filter: RecordFilter,
    lines: UnboundedSender<Arc<str>>,
    bytes: Arc<AtomicUsize>,
    /// Lines that the follower has missed and was not told of.
    untold: u64,
}

/// The connection's end of the queue.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: UnboundedReceiver<Arc<str>>,
    bytes: Arc<AtomicUsize>,
}

impl Follower {
    pub(super) fn new(filter: RecordFilter) -> (Self, Lines) {
        let (lines, taken) = unbounded_channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        (Self { filter, lines, bytes: Arc::clone(&bytes), untold: 0 }, Lines { lines: taken, bytes })
    }

    pub(super) fn has_gone(&self) -> bool {
        self.lines.is_closed()
    }

    pub(super) fn wants(&self, facets: &Facets<'_>) -> bool {
        self.filter.matches(facets)
    }

    /// Queues a line, after a line about earlier losses. Returns whether there was room.
    pub(super) fn offer(&mut self, line: &Arc<str>, about_losses: impl FnOnce(u64) -> Arc<str>) -> bool {
        let is_queued = self.tell_losses(about_losses) && self.queue(line);
        if !is_queued {
            self.untold = self.untold.saturating_add(1);
        }
        is_queued
    }

    /// Counts lines that did not get as far as here.
    pub(super) const fn has_missed(&mut self, lines: u64) {
        self.untold = self.untold.saturating_add(lines);
    }

    pub(super) const fn is_untold(&self) -> bool {
        self.untold > 0
    }

    /// Queues a line about losses, if there are any and there is room. Returns whether none is left to tell.
    pub(super) fn tell_losses(&mut self, about_losses: impl FnOnce(u64) -> Arc<str>) -> bool {
        if self.untold > 0 && self.queue(&about_losses(self.untold)) {
            self.untold = 0;
        }
        self.untold == 0
    }

    fn queue(&self, line: &Arc<str>) -> bool {
        if self.bytes.load(Ordering::Relaxed).saturating_add(line.len()) > QUEUE_BYTES_MAX {
            return false;
        }
        self.bytes.fetch_add(line.len(), Ordering::Relaxed);
        self.lines.send(Arc::clone(line)).is_ok()
    }
}

impl Lines {
    /// Waits for the next line. `None` when the daemon ends.
    pub(crate) async fn next(&mut self) -> Option<Arc<str>> {
        let line = self.lines.recv().await?;
        self.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        Some(line)
    }

    /// The next line, if there is one already.
    pub(crate) fn next_now(&mut self) -> Option<Arc<str>> {
        let line = self.lines.try_recv().ok()?;
        self.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        Some(line)
    }
}
