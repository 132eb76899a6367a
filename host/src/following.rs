//! Clients that follow records: what they see, and what they missed.
//!
//! The event loop hands each record to one thread, which keeps the latest in memory, turns them into lines, and queues
//! the lines of each follower. The connection of the follower writes them. Each step is bounded in bytes, and none of
//! them waits for the next: a follower that reads too slowly loses lines, and a line reports how many.

mod flow_news;
mod follower;
mod ring;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use ctwarden_control::{Follow, Following, RecordFilter};
use ctwarden_model::{Record, Timestamp};
use tokio::sync::oneshot;

pub(crate) use self::flow_news::FlowNews;
use self::follower::Lines;
use self::thread::{Order, Work};
use crate::clock;

/// Most followers of all users together.
const FOLLOWERS_MAX: usize = 16;
/// Most followers of users other than root and the daemon's own. The rest is for root.
const CROWD_MAX: usize = 8;
/// Most bytes of records that wait for the thread.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// Begins and ends of flows leave half of the room to records.
const WAITING_FLOW_BYTES_MAX: usize = WAITING_BYTES_MAX / 2;
/// Time that the connections get to write the last lines when the daemon ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A handle of the thread. Its clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Followers {
    orders: Sender<Order>,
    shared: Arc<Shared>,
}

/// What the event loop, the thread and the connections share.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes that wait for the thread.
    waiting_bytes: AtomicUsize,
    /// Records and flows that found no room on the way to the thread.
    overflowed: AtomicU64,
    /// Lines that followers have missed, for whatever reason.
    lost: AtomicU64,
    followers: AtomicUsize,
    /// Those of `followers` that are not privileged.
    crowd: AtomicUsize,
    /// Those of `followers` that want flows.
    of_flows: AtomicUsize,
}

/// A place among the followers. Dropping it frees the place.
#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    is_crowd: bool,
    wants_flows: bool,
}

impl Place {
    /// # Errors
    /// Why there is no place.
    fn take(shared: &Arc<Shared>, is_privileged: bool, wants_flows: bool) -> Result<Self, String> {
        let full = |count: usize| format!("{count} clients follow already; end one of them");
        let place = Self { shared: Arc::clone(shared), is_crowd: !is_privileged, wants_flows };
        // From here on a failure frees what was taken.
        let before = shared.followers.fetch_add(1, Ordering::Relaxed);
        let crowd = shared.crowd.fetch_add(usize::from(place.is_crowd), Ordering::Relaxed);
        shared.of_flows.fetch_add(usize::from(wants_flows), Ordering::Relaxed);
        if before >= FOLLOWERS_MAX {
            return Err(full(before));
        }
        if place.is_crowd && crowd >= CROWD_MAX { Err(full(crowd)) } else { Ok(place) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.followers.fetch_sub(1, Ordering::Relaxed);
        self.shared.crowd.fetch_sub(usize::from(self.is_crowd), Ordering::Relaxed);
        self.shared.of_flows.fetch_sub(usize::from(self.wants_flows), Ordering::Relaxed);
    }
}

/// What a connection writes for its follower.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) following: Following,
    /// Lines from memory, the oldest first.
    pub(crate) kept: Vec<Arc<str>>,
    /// Later lines; `None` if the client wants only those from memory.
    pub(crate) lines: Option<Lines>,
    _place: Place,
}

impl Followers {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (orders, taken) = channel();
        let shared = Arc::new(Shared::default());
        let work = Work::new(taken, Arc::clone(&shared));
        std::thread::Builder::new().name("followers".to_owned()).spawn(move || work.run())?;
        Ok(Self { orders, shared })
    }

    /// Hands over a record. Never waits.
    pub(crate) fn tell(&self, record: &Record) {
        let bytes = record.bytes();
        if self.enter(bytes, WAITING_BYTES_MAX) {
            self.give(Order::Record(record.clone(), bytes), bytes);
        }
    }

    /// Whether any follower wants to see flows.
    pub(crate) fn want_flows(&self) -> bool {
        self.shared.of_flows.load(Ordering::Relaxed) > 0
    }

    /// Hands over the begin or the end of a flow. Never waits.
    pub(crate) fn tell_flow(&self, at: Timestamp, news: impl FnOnce() -> Option<FlowNews>) {
        let bytes = FlowNews::BYTES;
        if self.enter(bytes, WAITING_FLOW_BYTES_MAX) {
            match news() {
                Some(news) => self.give(Order::Flow(at, news), bytes),
                None => self.leave(bytes),
            }
        }
    }

    /// Begins to follow.
    ///
    /// # Errors
    /// What is wrong with the request, or that there is no place for one more follower.
    pub(crate) async fn follow(&self, follow: &Follow, is_privileged: bool) -> Result<Followed, String> {
        let filter = RecordFilter::new(follow)?;
        let place = Place::take(&self.shared, is_privileged, follow.flows && !follow.kept_only)?;
        let (answer, answered) = oneshot::channel();
        let order = Order::Follow { follow: Box::new(follow.clone()), filter, answer };
        let stopping = || "the daemon is stopping".to_owned();
        self.orders.send(order).map_err(|_| stopping())?;
        let (following, kept, lines) = answered.await.map_err(|_| stopping())?;
        Ok(Followed { following, kept, lines, _place: place })
    }

    /// Number of followers.
    pub(crate) fn number(&self) -> usize {
        self.shared.followers.load(Ordering::Relaxed)
    }

    /// Lines that followers have missed since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Ends all following after the last record, and waits a moment until the connections have written it.
    pub(crate) async fn finish(self) {
        let _ = self.orders.send(Order::Stop);
        let until = clock::now().steady.plus(LAST_LINES);
        while self.number() > 0 && clock::now().steady < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reserves room for bytes on the way to the thread.
    fn enter(&self, bytes: usize, most: usize) -> bool {
        let before = self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before.saturating_add(bytes) <= most;
        if !has_room {
            self.leave(bytes);
            self.shared.overflowed.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    fn leave(&self, bytes: usize) {
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn give(&self, order: Order, bytes: usize) {
        if self.orders.send(order).is_err() {
            self.leave(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
