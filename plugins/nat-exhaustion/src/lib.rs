//! Finds source NAT that runs out of ports, and ends closed connections that hold them.
//!
//! A translated flow needs a source port that no other flow between the same translated address and the same server and
//! port has. So the ports run out for each server separately, and the policy counts them so.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of nat-exhaustion.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// How many ports source NAT may choose from. Default: 64512, the ports 1024 to 65535.
    #[serde(default = "Config::ports")]
    #[schemars(range(min = 1, max = 65536))]
    pub ports: u32,
    /// From this share of the ports on, in percent, the policy acts. Default: 80.
    #[serde(default = "Config::percent")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: u32,
    /// How many closed connections the policy then ends at most, for each server. 0: it only tells. Default: 0.
    #[serde(default)]
    pub end_closed: u32,
    /// Only flows that appear as these addresses. Default: all translated flows.
    #[serde(default)]
    pub addresses: Vec<Prefix>,
    /// Seconds between two sweeps of the table. Default: 30.
    #[serde(default = "Config::sweep_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub sweep_seconds: u32,
}

impl Config {
    const fn ports() -> u32 {
        64_512
    }

    const fn percent() -> u32 {
        80
    }

    const fn sweep_seconds() -> u32 {
        30
    }
}

/// Greatest number of pairs that one sweep counts.
const COUNTED: usize = 500_000;

/// The flows that need different ports: translated address, server, its port, and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Pair {
    address: IpAddr,
    server: IpAddr,
    port: u16,
    protocol: Protocol,
}

/// The policy.
#[derive(Debug)]
pub struct NatExhaustion {
    config: Config,
    held: HashMap<Pair, u32>,
    uncounted: u64,
    /// Entries that the kernel could not insert, at the last look.
    failed: Option<u64>,
}

impl Policy for NatExhaustion {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Alert, VerdictKind::Delete];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("ports-short", "The flows of a translated address hold most ports for a server."),
        ReasonCode::new("insert-failed", "The kernel could not insert entries."),
    ];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        if config.ports == 0 || config.ports > 65_536 {
            return Err(format!("ports: {} is not 1 to 65536", config.ports).into());
        }
        if config.percent == 0 || config.percent > 100 {
            return Err(format!("percent: {} is not 1 to 100", config.percent).into());
        }
        if config.sweep_seconds == 0 {
            return Err("sweep-seconds: write at least 1".into());
        }
        Ok(Self { config, held: HashMap::new(), uncounted: 0, failed: None })
    }

    fn subscription(&self) -> Subscription {
        let filter = Filter::new().status(Status::SRC_NAT);
        let filter = self.config.addresses.iter().fold(filter, |filter, network| filter.reply_to(*network));
        let needs: &[VerdictKind] = match self.config.end_closed {
            0 => &[VerdictKind::Alert],
            _ => &[VerdictKind::Alert, VerdictKind::Delete],
        };
        let every = Duration::from_secs(self.config.sweep_seconds.into());
        Subscription::to(&[Kind::Row]).only(filter).needs(needs.iter().copied()).sweep_every(every)
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let protocol = flow.protocol();
        if !protocol.has_ports() {
            return Verdicts::none();
        }
        let reply = flow.reply();
        let pair = Pair { address: reply.dst, server: reply.src, port: reply.src_port, protocol };
        let room = self.held.len() < COUNTED;
        match self.held.get_mut(&pair) {
            Some(held) => *held = held.saturating_add(1),
            None if room => drop(self.held.insert(pair, 1)),
            None => self.uncounted += 1,
        }
        Verdicts::none()
    }

    fn sweep_begin(&mut self, _: Extent, _: Timestamp) -> Verdicts {
        self.held.clear();
        self.uncounted = 0;
        Verdicts::none()
    }

    fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
        let held = std::mem::take(&mut self.held);
        if self.uncounted > 0 {
            eprintln!("{} flows were not counted: {COUNTED} pairs is the greatest number", self.uncounted);
        }
        let mut verdicts = self.insert_failed();
        if !complete {
            return verdicts;
        }
        let least = u64::from(self.config.ports).saturating_mul(self.config.percent.into());
        let mut short: Vec<(Pair, u32)> =
            held.into_iter().filter(|(_, held)| u64::from(*held).saturating_mul(100) >= least).collect();
        short.sort_unstable();
        for (pair, held) in short {
            let Pair { address, server, port, protocol } = pair;
            let all = self.config.ports;
            let why = format!("{held} of {all} ports of {address} are in use for {protocol} to {server} port {port}");
            let alert = alert(why.clone()).severity(Severity::Error).key(format!("{address} {server} {port}"));
            let alert = alert.field("address", address).field("server", server).field("port", port);
            verdicts.push(alert.field("held", held).because("ports-short", why.clone()));
            if let Some(at_most) = NonZeroU32::new(self.config.end_closed).filter(|_| protocol == Protocol::TCP) {
                let closed = Filter::new().tcp().state(TcpState::TIME_WAIT).state(TcpState::CLOSE);
                let closed = closed.reply_to(address).reply_from(server).reply_src_port(port).at_most(at_most);
                verdicts.push(delete().on(closed).because("ports-short", why));
            }
        }
        verdicts
    }
}

impl NatExhaustion {
    /// Tells about entries that the kernel could not insert since the last look: the sign of ports that ran out.
    fn insert_failed(&mut self) -> Verdicts {
        let Some(now) = table::statistics().map(|figures| figures.insert_failed) else { return Verdicts::none() };
        let more = self.failed.replace(now).map_or(0, |before| now.saturating_sub(before));
        if more == 0 {
            return Verdicts::none();
        }
        let why = format!("the kernel could not insert {more} entries");
        let alert = alert(why.clone()).key("insert-failed").field("entries", more);
        alert.because("insert-failed", why).into()
    }
}

export!(NatExhaustion);
