//! Caps how many connections one source may have at a time: alerts, ends the newest over the cap, or blocks the source.
//!
//! It exists because the kernel's table is shared by all: one source that fills it ends everybody's service. Counting in
//! the ruleset (`ct count`) refuses new connections, but sees neither those that lived before the rule nor people.

mod config;
mod ledger;
mod places;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ctwarden_sdk::prelude::*;

pub use crate::config::{Config, Count, Overrun};
use crate::ledger::{Ledger, Networks, Told};

/// Connections that one sweep ends at most; the next one goes on. A wrong limit should not empty the table at once.
const ENDED_BY_SWEEP: usize = 1000;

/// Sources that one sweep deals with at most, those with the most connections: an answer has a limit.
const SOURCES_BY_SWEEP: usize = 1000;

/// Sweeps in a row that are asked for because the last was interrupted; then the next timed one is waited for.
const RETRIES: u8 = 3;

/// The policy.
#[derive(Debug)]
pub struct ConnectionCap {
    config: Config,
    exempt: PrefixSet,
    ledger: Ledger,
    /// Whether the ledger holds no connection that has ended: not before the first sweep, nor after events were lost.
    exact: bool,
    retries: u8,
    /// When people were last told that the ledger is full.
    told_full: Option<Timestamp>,
}

impl Policy for ConnectionCap {
    type Config = Config;
    const WANTS: &'static [VerdictKind] =
        &[VerdictKind::Alert, VerdictKind::Delete, VerdictKind::Block, VerdictKind::Sweep];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        match (config.action, &config.block_set) {
            (Overrun::Block, None) => return Err("action \"block\" needs block-set".into()),
            (Overrun::Alert | Overrun::Delete, Some(_)) => {
                return Err("block-set has no effect without action = \"block\"".into());
            }
            (Overrun::Block, Some(_)) | (Overrun::Alert | Overrun::Delete, None) => {}
        }
        if config.limit == 0 {
            return Err("limit: a source must be allowed at least 1 connection".into());
        }
        if config.ipv4_prefix_length > 32 || config.ipv6_prefix_length > 128 {
            return Err("a prefix length is at most 32 for IPv4 and 128 for IPv6".into());
        }
        if !config.ports.is_empty() && config.protocols.iter().any(|protocol| !protocol.has_ports()) {
            return Err("ports: one of the given protocols has no ports; remove one of the two".into());
        }
        let networks = Networks { ipv4: config.ipv4_prefix_length, ipv6: config.ipv6_prefix_length };
        Ok(Self {
            exempt: config.exempt.iter().copied().collect(),
            ledger: Ledger::new(usize::try_from(config.max_connections).unwrap_or(usize::MAX), networks),
            config,
            exact: false,
            retries: 0,
            told_full: None,
        })
    }

    fn subscription(&self) -> Subscription {
        let filter = self.config.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        let filter = self.config.ports.iter().fold(filter, |filter, ports| filter.dst_port(*ports));
        let (kinds, filter): (&[Kind], _) = match self.config.count {
            Count::All => (&[Kind::New, Kind::Destroy, Kind::Row], filter),
            // The answer comes as an update. The kernel tells the status in every event.
            Count::Replied => (&[Kind::New, Kind::Update, Kind::Destroy, Kind::Row], filter.status(Status::SEEN_REPLY)),
        };
        // The ends of connections that our own verdicts deleted are ends like any other.
        let all =
            Subscription::to(kinds).sweep_every(Duration::from_secs(self.config.sweep_seconds.into())).own_changes();
        let all = self.config.block_set.iter().fold(all.needs(self.needs()), Subscription::blocks_in);
        if filter == Filter::new() { all } else { all.only(filter) }
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let key = flow.key();
        if flow.kind() == Kind::Destroy {
            self.ledger.end(key);
            return Verdicts::none();
        }
        if self.exempt.contains(flow.src()) {
            return Verdicts::none();
        }
        let row = flow.kind() == Kind::Row;
        let began = flow.started().unwrap_or(flow.now());
        match self.ledger.tell(key, began, row) {
            // Which rows are the newest is known when all are there.
            Told::Counted if !row && self.exact => self.over(self.ledger.source_of(&key), flow),
            Told::Counted | Told::Known => Verdicts::none(),
            Told::Full => self.full(flow.now()),
        }
    }

    fn sweep_begin(&mut self, _: Extent, _: Timestamp) -> Verdicts {
        self.ledger.sweep_begin();
        Verdicts::none()
    }

    fn sweep_end(&mut self, complete: bool, now: Timestamp) -> Verdicts {
        self.ledger.sweep_end(complete);
        if complete {
            self.exact = true;
            self.retries = 0;
        } else if !self.exact {
            // Rows are missing and ends were lost: counts may be too high, and nobody is cut off on a guess.
            self.retries = self.retries.saturating_add(1);
            return if self.retries <= RETRIES {
                sweep().because("recount", "the sweep was interrupted").into()
            } else {
                Verdicts::none()
            };
        }
        self.enforce(now)
    }

    fn overrun(&mut self, _: u64, _: Timestamp) -> Verdicts {
        self.exact = false;
        self.retries = 0;
        Verdicts::none()
    }
}

impl ConnectionCap {
    /// Alerts whatever it does, and sweeps to count anew; the rest as it is to act.
    fn needs(&self) -> Vec<VerdictKind> {
        let mut needs = vec![VerdictKind::Alert, VerdictKind::Sweep];
        match self.config.action {
            Overrun::Alert => {}
            Overrun::Delete => needs.push(VerdictKind::Delete),
            Overrun::Block => needs.extend([VerdictKind::Delete, VerdictKind::Block]),
        }
        needs
    }

    /// A new connection was counted; if its source is over the limit now, it is the one over it.
    fn over(&mut self, source: Prefix, flow: &Flow<'_>) -> Verdicts {
        let count = self.ledger.count(source);
        if count <= self.config.limit {
            return Verdicts::none();
        }
        let mut verdicts = self.tell_and_block(source, flow.now());
        match self.config.action {
            Overrun::Alert => {}
            Overrun::Delete | Overrun::Block => verdicts.push(delete().because("over-cap", self.why(source, count))),
        }
        verdicts
    }

    /// After a sweep: sources that are over the limit all the same, because their connections are older than the
    /// subscription or came while events were lost.
    fn enforce(&mut self, now: Timestamp) -> Verdicts {
        let limit = self.config.limit;
        let sources = self.ledger.over(limit, SOURCES_BY_SWEEP);
        let mut verdicts: Verdicts = sources.iter().flat_map(|source| self.tell_and_block(*source, now)).collect();
        match self.config.action {
            Overrun::Alert => {}
            Overrun::Delete | Overrun::Block => {
                for (source, key) in self.ledger.newest_over(limit, &sources, ENDED_BY_SWEEP) {
                    let why = self.why(source, self.ledger.count(source));
                    verdicts.push(delete().on(key).because("over-cap", why));
                }
            }
        }
        verdicts
    }

    /// The alert about a source and its block, each if it is due.
    fn tell_and_block(&mut self, source: Prefix, now: Timestamp) -> Verdicts {
        let mut verdicts = Verdicts::none();
        let count = self.ledger.count(source);
        let Some(done) = self.ledger.done(source) else { return verdicts };
        let alert_due = done.alerted.is_none_or(|then| now.since(then) >= seconds(self.config.alert_seconds));
        if alert_due {
            done.alerted = Some(now);
        }
        let block_due = self.config.action == Overrun::Block && done.blocked.is_none_or(|until| until <= now);
        if block_due {
            done.blocked = Some(match self.config.block_seconds.as_secs() {
                None => Timestamp(u64::MAX),
                Some(time) => now + seconds(time),
            });
        }
        let why = self.why(source, count);
        if alert_due {
            let alert = alert(why.clone()).key(source.to_string()).field("source", source);
            let alert = alert.field("connections", count).field("limit", self.config.limit);
            verdicts.push(alert.because("over-cap", why.clone()));
        }
        if let Some(set) = &self.config.block_set
            && block_due
        {
            let seconds = self.config.block_seconds.as_secs().unwrap_or_default();
            verdicts.push(block(set, source).seconds(seconds).because("over-cap", why));
        }
        verdicts
    }

    fn why(&self, source: Prefix, count: u32) -> String {
        format!("{source} has {count} connections, {} are allowed", self.config.limit)
    }

    fn full(&mut self, now: Timestamp) -> Verdicts {
        if self.told_full.is_some_and(|then| now.since(then) < seconds(self.config.alert_seconds)) {
            return Verdicts::none();
        }
        self.told_full = Some(now);
        let most = self.config.max_connections;
        let title = format!("more than {most} connections: the rest is not counted; raise max-connections");
        alert(title).severity(Severity::Error).key("max-connections").because("full", "").into()
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

export!(ConnectionCap);
