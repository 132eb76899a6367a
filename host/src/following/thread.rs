//! The thread between the event loop and the connections of the followers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ctwarden_control::{Facets, Follow, Following, RecordFilter};
use ctwarden_model::{Action, Notice, Prefix, Record, Timestamp};
use tokio::sync::oneshot;

use super::Shared;
use super::flow_news::FlowNews;
use super::follower::{Follower, Lines};
use super::ring::Ring;
use crate::clock;
use crate::sinks::{self, Rfc3339};

/// Interval between attempts to tell a follower of its losses while no records arrive.
const RETRY: Duration = Duration::from_millis(500);

/// How long the thread gathers orders before it looks again, so that a flood does not wake it for each record.
const GATHER: Duration = Duration::from_millis(1);

/// The answer to a new follower: what it hears first, the lines from memory, and the queue of later lines.
pub(super) type Accepted = (Following, Vec<Arc<str>>, Option<Lines>);

pub(super) enum Order {
    /// A record and its size in bytes.
    Record(Record, usize),
    Flow(Timestamp, FlowNews),
    Follow {
        follow: Box<Follow>,
        filter: RecordFilter,
        answer: oneshot::Sender<Accepted>,
    },
    Stop,
}

pub(super) struct Work {
    orders: Receiver<Order>,
    shared: Arc<Shared>,
    ring: Ring,
    followers: Vec<Follower>,
    /// The number of overflows that the followers have in their counts.
    overflowed: u64,
}

impl Work {
    pub(super) fn new(orders: Receiver<Order>, shared: Arc<Shared>) -> Self {
        Self { orders, shared, ring: Ring::default(), followers: Vec::new(), overflowed: 0 }
    }

    /// Works until the order to stop, or until nobody is left to give orders.
    pub(super) fn run(mut self) {
        loop {
            let wait = if self.followers.iter().any(Follower::is_untold) { RETRY } else { Duration::MAX };
            let mut next = match self.orders.recv_timeout(wait) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(order) = next {
                match order {
                    Order::Record(record, bytes) => self.record(record, bytes),
                    Order::Flow(at, news) => self.flow(at, &news),
                    Order::Follow { follow, filter, answer } => self.follow(&follow, filter, answer),
                    Order::Stop => return,
                }
                next = self.orders.try_recv().ok();
            }
            self.tidy();
            for follower in &mut self.followers {
                follower.tell_losses(about_losses);
            }
            std::thread::sleep(GATHER);
        }
    }

    fn record(&mut self, record: Record, bytes: usize) {
        self.leave(bytes);
        self.tidy();
        let facets = facets(&record);
        self.offer(&facets, || line(&record));
        drop(facets);
        self.ring.push(record, bytes);
    }

    fn flow(&mut self, at: Timestamp, news: &FlowNews) {
        self.leave(FlowNews::BYTES);
        self.tidy();
        self.offer(&Facets::Flow(news.networks()), || flow_line(at, news));
    }

    /// Queues a line for each follower that wants it. The line is made only then.
    fn offer(&mut self, facets: &Facets<'_>, line: impl Fn() -> Option<Arc<str>>) {
        let mut made = None;
        for follower in self.followers.iter_mut().filter(|follower| follower.wants(facets)) {
            if made.is_none() {
                made = line();
            }
            let Some(line) = &made else { return };
            if !follower.offer(line, about_losses) {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn leave(&self, bytes: usize) {
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Forgets followers that have gone, which miss nothing. Counts what found no room on the way here as missed by
    /// every other follower: any of it may have matched.
    fn tidy(&mut self) {
        self.followers.retain(|follower| !follower.has_gone());
        let overflowed = self.shared.overflowed.load(Ordering::Relaxed);
        let news = overflowed.saturating_sub(self.overflowed);
        if news > 0 {
            self.overflowed = overflowed;
            let lost = news.saturating_mul(u64::try_from(self.followers.len()).unwrap_or(u64::MAX));
            self.shared.lost.fetch_add(lost, Ordering::Relaxed);
            self.followers.iter_mut().for_each(|follower| follower.has_missed(news));
        }
    }

    fn follow(&mut self, follow: &Follow, filter: RecordFilter, answer: oneshot::Sender<Accepted>) {
        self.tidy();
        let (oldest, forgotten) = self.ring.oldest();
        let following = Following { oldest: oldest.map(|at| Rfc3339(at).to_string()), forgotten };
        let since = follow.since_ms.map(|ms| Timestamp(ms.saturating_mul(1_000_000)));
        let last = match (follow.last, since) {
            (Some(last), _) => usize::try_from(last).unwrap_or(usize::MAX),
            (None, Some(_)) => usize::MAX,
            (None, None) if follow.kept_only => usize::MAX,
            (None, None) => 0,
        };
        let kept = self.ring.latest(last, since, |record| filter.matches(&facets(record)));
        let kept = kept.into_iter().filter_map(line).collect();
        let lines = (!follow.kept_only).then(|| {
            let (follower, lines) = Follower::new(filter);
            self.followers.push(follower);
            lines
        });
        // An error means that the client has disconnected.
        let _ = answer.send((following, kept, lines));
    }
}

/// The line of a record, with its end. `None` if it cannot be written as JSON, which does not happen.
fn line(record: &Record) -> Option<Arc<str>> {
    sinks::line(record).ok().map(with_end)
}

fn flow_line(at: Timestamp, news: &FlowNews) -> Option<Arc<str>> {
    let line = match news {
        FlowNews::Begin(flow) => sinks::flow_line(at, "new", &flow.key(), Some(flow)),
        FlowNews::WholeEnd(flow) => sinks::flow_line(at, "ended", &flow.key(), Some(flow)),
        FlowNews::End(key) => sinks::flow_line(at, "ended", key, None),
    };
    line.ok().map(with_end)
}

fn about_losses(lost: u64) -> Arc<str> {
    sinks::lost_line(clock::now().wall, lost).map(with_end).unwrap_or_default()
}

fn with_end(mut line: String) -> Arc<str> {
    line.push('\n');
    line.into()
}

/// What filters test of a record.
fn facets(record: &Record) -> Facets<'_> {
    match record {
        Record::Verdict(record) => {
            let mut networks = Vec::new();
            if let Some(flow) = &record.flow {
                networks.extend([Prefix::host(flow.original.src), Prefix::host(flow.original.dst)]);
            }
            match &record.verdict.action {
                Action::Block(block) => networks.push(block.network),
                Action::Unblock(unblock) => networks.push(unblock.network),
                Action::Delete
                | Action::Kill
                | Action::Mark(_)
                | Action::Labels(_)
                | Action::Timeout(_)
                | Action::Alert(_)
                | Action::Log(_)
                | Action::Protect(_)
                | Action::Sweep
                | Action::Malformed(..) => {}
            }
            Facets::Decision {
                plugin: Some(record.plugin.as_str()),
                kind: record.verdict.action.kind().name(),
                outcome: Some(record.outcome.name()),
                networks,
            }
        }
        Record::Fault(record) => Facets::Decision {
            plugin: Some(record.plugin.as_str()),
            kind: RecordFilter::FAULT,
            outcome: None,
            networks: Vec::new(),
        },
        Record::Notice(_, notice) => Facets::Decision {
            plugin: notice.plugin().map(ctwarden_model::PluginName::as_str),
            kind: RecordFilter::NOTICE,
            outcome: None,
            networks: claimed(notice),
        },
    }
}

fn claimed(notice: &Notice) -> Vec<Prefix> {
    if let Notice::ClaimsChanged(change) = notice {
        change.members.iter().map(|member| member.prefix()).collect()
    } else {
        Vec::new()
    }
}
