//! Lets the entries of TCP connections expire that have been silent for long.
//!
//! A packet moves the end of an entry to a later time. So an entry whose end has not moved from one sweep to the next was
//! silent meanwhile. This needs neither accounting nor the knowledge of any timeout of the kernel.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of idle-reaper.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// How many seconds a connection must have been silent. Default: 7200.
    #[serde(default = "Config::idle_seconds")]
    #[schemars(range(min = 1))]
    pub idle_seconds: u32,
    /// In how many seconds the entry then expires, unless a packet renews it. Default: 30.
    #[serde(default = "Config::expire_seconds")]
    #[schemars(range(min = 1))]
    pub expire_seconds: u32,
    /// Seconds between two sweeps of the table. Default: 300.
    #[serde(default = "Config::sweep_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub sweep_seconds: u32,
    /// Only connections to these ports. Default: all.
    #[serde(default)]
    pub ports: Vec<Ports>,
    /// Connections from or to these networks stay.
    #[serde(default)]
    pub exempt: Vec<Prefix>,
}

impl Config {
    const fn idle_seconds() -> u32 {
        7_200
    }

    const fn expire_seconds() -> u32 {
        30
    }

    const fn sweep_seconds() -> u32 {
        300
    }
}

/// Greatest number of connections that the policy watches. Each costs 24 bytes.
const WATCHED: usize = 500_000;

const SECOND: u64 = 1_000_000_000;

/// How much the end of an entry may seem to move although no packet came: the kernel rounds to seconds.
const ROUNDING: u64 = 2 * SECOND;

/// An entry whose end has not moved since a time.
#[derive(Clone, Copy, Debug)]
struct Silence {
    ends: u64,
    since: u64,
}

/// The policy.
#[derive(Debug)]
pub struct IdleReaper {
    config: Config,
    exempt: PrefixSet,
    /// By id: entries of the last sweep, and of the running one.
    before: HashMap<u32, Silence>,
    now: HashMap<u32, Silence>,
    /// Flows of the running sweep that were not watched.
    unwatched: u64,
}

impl Policy for IdleReaper {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Timeout];
    const CODES: &'static [ReasonCode] = &[ReasonCode::new("idle", "The connection has been silent for long.")];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        if config.idle_seconds == 0 || config.expire_seconds == 0 || config.sweep_seconds == 0 {
            return Err("idle-seconds, expire-seconds, sweep-seconds: write at least 1".into());
        }
        let exempt = config.exempt.iter().copied().collect();
        Ok(Self { config, exempt, before: HashMap::new(), now: HashMap::new(), unwatched: 0 })
    }

    fn subscription(&self) -> Subscription {
        let filter = Filter::new().tcp().state(TcpState::ESTABLISHED);
        let filter = self.config.ports.iter().fold(filter, |filter, ports| filter.dst_port(*ports));
        let every = Duration::from_secs(self.config.sweep_seconds.into());
        Subscription::to(&[Kind::Row]).only(filter).sweep_every(every)
    }

    fn sweep_begin(&mut self, extent: Extent, _: Timestamp) -> Verdicts {
        if extent == Extent::Subscribed {
            self.now.clear();
            self.unwatched = 0;
        }
        Verdicts::none()
    }

    fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
        if complete {
            self.before = std::mem::take(&mut self.now);
        }
        if self.unwatched > 0 {
            eprintln!("{} connections are not watched: {WATCHED} is the greatest number", self.unwatched);
        }
        Verdicts::none()
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let Some(left) = flow.timeout() else { return Verdicts::none() };
        // The kernel itself, or a flow table, keeps these entries.
        let kept = [Status::FIXED_TIMEOUT, Status::OFFLOAD, Status::HW_OFFLOAD];
        if kept.into_iter().any(|bit| flow.has(bit)) || flow.addresses().iter().any(|end| self.exempt.contains(*end)) {
            return Verdicts::none();
        }
        let now = flow.now().0;
        let ends = now.saturating_add(u64::from(left).saturating_mul(SECOND));
        let silence = match self.before.get(&flow.id()) {
            Some(before) if ends <= before.ends.saturating_add(ROUNDING) => Silence { ends: before.ends, ..*before },
            Some(_) | None => Silence { ends, since: now },
        };
        if self.now.len() < WATCHED {
            self.now.insert(flow.id(), silence);
        } else {
            self.unwatched += 1;
        }
        let silent = now.saturating_sub(silence.since) / SECOND;
        if silent < self.config.idle_seconds.into() || left <= self.config.expire_seconds {
            return Verdicts::none();
        }
        timeout(self.config.expire_seconds).because("idle", format!("silent for at least {silent} s")).into()
    }
}

export!(IdleReaper);
