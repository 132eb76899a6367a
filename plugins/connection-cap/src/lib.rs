//! Caps the number of connections of each source: raises an alert, ends the newest connections over the cap, or blocks
//! the source.
//!
//! All share the kernel's table, so one source that fills it denies service to everybody. A ruleset with `ct count`
//! refuses new connections, but it does not count connections that existed before the rule, and it informs nobody.

mod config;
mod ledger;
mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use ctwarden_sdk::prelude::*;

pub use crate::config::{Config, Count, Overrun};
use crate::ledger::{Ledger, Networks, Told};

/// Maximum number of connections that one sweep ends; the next sweep ends more. A wrong limit should not empty the
/// table at once.
const ENDED_BY_SWEEP: usize = 1000;

/// Maximum number of sources that one sweep handles, those with the most connections first, because an answer is
/// limited.
const SOURCES_BY_SWEEP: usize = 1000;

/// Maximum number of consecutive sweeps that the policy asks for after interrupted sweeps. After that it waits for the
/// next periodic sweep.
const RETRIES: u8 = 3;

/// The policy with its count of connections.
#[derive(Debug)]
pub struct ConnectionCap {
    config: Config,
    exempt: PrefixSet,
    ledger: Ledger,
    /// Whether no connection in the ledger has ended. False before the first sweep and after lost events.
    exact: bool,
    retries: u8,
    /// Sources that were blocked since the current batch began. The host keeps the blocks; one verdict for a source is
    /// enough.
    blocked: BTreeSet<Prefix>,
    /// Time of the last alert that the ledger is full.
    told_full: Option<Timestamp>,
}

impl Policy for ConnectionCap {
    type Config = Config;
    const WANTS: &'static [VerdictKind] =
        &[VerdictKind::Alert, VerdictKind::Delete, VerdictKind::Block, VerdictKind::Sweep];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("over-cap", "The source has more connections than it may have."),
        ReasonCode::new("recount", "A sweep was interrupted, and the connections are counted again."),
        ReasonCode::new("full", "There are more connections than the policy counts."),
    ];

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
            blocked: BTreeSet::new(),
            told_full: None,
        })
    }

    fn subscription(&self) -> Subscription {
        let filter = self.config.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        let filter = self.config.ports.iter().fold(filter, |filter, ports| filter.dst_port(*ports));
        let (kinds, filter): (&[Kind], _) = match self.config.count {
            Count::All => (&[Kind::New, Kind::Destroy, Kind::Row], filter),
            // The answer arrives as an update. The kernel reports the status in every event.
            Count::Replied => (&[Kind::New, Kind::Update, Kind::Destroy, Kind::Row], filter.status(Status::SEEN_REPLY)),
        };
        // The ends of connections that this policy deleted count like any other.
        let all =
            Subscription::to(kinds).sweep_every(Duration::from_secs(self.config.sweep_seconds.into())).own_changes();
        let all = self.config.block_set.iter().fold(all.needs(self.needs()), Subscription::blocks_in);
        if filter == Filter::new() { all } else { all.only(filter) }
    }

    fn batch(&mut self, batch: &Batch) -> Verdicts {
        self.blocked.clear();
        batch.each(|flow| self.judge(flow))
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
            // The newest rows are known only at the end of the sweep.
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
        self.blocked.clear();
        self.ledger.sweep_end(complete);
        if complete {
            self.exact = true;
            self.retries = 0;
        } else if !self.exact {
            // Rows are missing and ends were lost, so counts may be too high. The policy ends no connection on a guess.
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
    /// Returns the kinds of verdicts that the configuration needs. Alerts and sweeps are always needed.
    fn needs(&self) -> Vec<VerdictKind> {
        let mut needs = vec![VerdictKind::Alert, VerdictKind::Sweep];
        match self.config.action {
            Overrun::Alert => {}
            Overrun::Delete => needs.push(VerdictKind::Delete),
            Overrun::Block => needs.extend([VerdictKind::Delete, VerdictKind::Block]),
        }
        needs
    }

    /// Handles a new connection that was counted. If its source is now over the limit, the new connection is the one
    /// over it.
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

    /// Handles sources that are over the limit after a sweep: their connections are older than the subscription, or
    /// began while events were lost.
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

    /// Returns the alert about a source, if it is due, and its block.
    fn tell_and_block(&mut self, source: Prefix, now: Timestamp) -> Verdicts {
        let mut verdicts = Verdicts::none();
        let count = self.ledger.count(source);
        let alert_due = self.ledger.is_alert_due(source, now, seconds(self.config.alert_seconds));
        let why = self.why(source, count);
        if alert_due {
            let alert = alert(why.clone()).key(source.to_string()).field("source", source);
            let alert = alert.field("connections", count).field("limit", self.config.limit);
            verdicts.push(alert.because("over-cap", why.clone()));
        }
        if let Some(set) = &self.config.block_set
            && self.blocked.insert(source)
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
