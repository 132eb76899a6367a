//! Finds sources that try many distinct targets in a short time: raises an alert, and blocks them for a time that
//! doubles when they return.
//!
//! The host counts: the policy has no state of its own, so it loses nothing in a fault or a reload.

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ctwarden_sdk::prelude::*;

pub use crate::config::{Config, Reaction, Target};

/// How often each source was caught in a day.
const CAUGHT: Counter<Sum> = Counter::sum("caught", Duration::from_secs(86_400));

/// Sources that were caught a moment ago. Until a block is in force, a fast scan goes on, and that must not double the
/// block.
const JUST_CAUGHT: Counter<Sum> = Counter::sum("just-caught", Duration::from_secs(10));

/// The policy.
#[derive(Debug)]
pub struct PortScan {
    config: Config,
    exempt: PrefixSet,
    /// Distinct targets of each source.
    tried: Counter<Distinct>,
}

impl Policy for PortScan {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Alert, VerdictKind::Block];
    const CODES: &'static [ReasonCode] =
        &[ReasonCode::new("port-scan", "The source tries many ports, addresses or services.")];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        match (config.action, &config.block_set) {
            (Reaction::Block, None) => return Err("action \"block\" needs block-set".into()),
            (Reaction::Alert, Some(_)) => return Err("block-set has no effect without action = \"block\"".into()),
            (Reaction::Block, Some(_)) | (Reaction::Alert, None) => {}
        }
        if config.limit == 0 || config.limit > Config::LIMIT_MAX {
            return Err(format!("limit: {} is not 1 to {}", config.limit, Config::LIMIT_MAX).into());
        }
        if config.window_seconds == 0 || config.window_seconds > 86_400 {
            return Err(format!("window-seconds: {} is not 1 to 86400", config.window_seconds).into());
        }
        if config.block_seconds == 0 || config.block_seconds > config.longest_block_seconds {
            return Err("block-seconds: a block lasts at least 1 second and at most longest-block-seconds".into());
        }
        if config.ipv4_prefix_length > 32 || config.ipv6_prefix_length > 128 {
            return Err("a prefix length is at most 32 for IPv4 and 128 for IPv6".into());
        }
        if let Some(protocol) = config.protocols.iter().find(|protocol| !protocol.has_ports())
            && config.count != Target::Addresses
        {
            return Err(format!("protocols: {protocol} has no ports; write count = \"addresses\"").into());
        }
        Ok(Self {
            exempt: config.exempt.iter().copied().collect(),
            tried: Counter::distinct("tried", Duration::from_secs(config.window_seconds.into())),
            config,
        })
    }

    fn subscription(&self) -> Subscription {
        let filter = self.config.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        let new = Subscription::to(&[Kind::New]).needs(
            match self.config.action {
                Reaction::Alert => &[VerdictKind::Alert][..],
                Reaction::Block => &[VerdictKind::Alert, VerdictKind::Block],
            }
            .iter()
            .copied(),
        );
        let new = new.counter(&self.tried).counter(&CAUGHT).counter(&JUST_CAUGHT);
        let new = self.config.block_set.iter().fold(new, Subscription::blocks_in);
        if filter == Filter::new() { new } else { new.only(filter) }
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let Some(target) = self.target(flow).filter(|_| !self.exempt.contains(flow.src())) else {
            return Verdicts::none();
        };
        let source = self.source(flow);
        match self.tried.add(source, target) {
            Ok(tried) if tried > self.config.limit.into() => self.caught(source, tried),
            Ok(_) => Verdicts::none(),
            Err(error) => {
                eprintln!("{source} is not counted: {}", error.as_str());
                Verdicts::none()
            }
        }
    }
}

impl PortScan {
    fn source(&self, flow: &Flow<'_>) -> Prefix {
        let length = match flow.src() {
            std::net::IpAddr::V4(_) => self.config.ipv4_prefix_length,
            std::net::IpAddr::V6(_) => self.config.ipv6_prefix_length,
        };
        Prefix::around(flow.src(), length)
    }

    /// What the flow tries. `None` for a flow without a port, if ports count.
    fn target(&self, flow: &Flow<'_>) -> Option<CounterKey> {
        let protocol = flow.protocol();
        Some(match self.config.count {
            Target::Ports => (u64::from(protocol.0) << 16 | u64::from(flow.dst_port()?)).into(),
            Target::Addresses => flow.dst().into(),
            Target::Services => (flow.dst(), protocol, flow.dst_port()?).into(),
        })
    }

    /// Tells people about a source over the limit, and blocks it.
    fn caught(&self, source: Prefix, tried: u64) -> Verdicts {
        // The source begins again, so that the next catch means as many targets again.
        let counted = self.tried.reset(source).and_then(|()| JUST_CAUGHT.add(source, 1));
        if counted != Ok(1) {
            return Verdicts::none();
        }
        let times = CAUGHT.add(source, 1).unwrap_or(1);
        let (targets, window) = (self.config.count.name(), self.config.window_seconds);
        let why = format!("{source} tried {tried} {targets} in {window} s, {} are allowed", self.config.limit);
        let alert = alert(why.clone()).key(source.to_string()).field("source", source).field(targets, tried);
        let alert = alert.field("limit", self.config.limit).field("times", times);
        let mut verdicts: Verdicts = alert.because("port-scan", why.clone()).into();
        if let Some(set) = &self.config.block_set {
            verdicts.push(block(set, source).seconds(self.block_seconds(times)).because("port-scan", why));
        }
        verdicts
    }

    /// How long a source is blocked that was caught this many times in a day.
    fn block_seconds(&self, times: u64) -> u32 {
        let doublings = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX);
        let longer = 1_u32.checked_shl(doublings).and_then(|factor| self.config.block_seconds.checked_mul(factor));
        longer.unwrap_or(u32::MAX).min(self.config.longest_block_seconds)
    }
}

export!(PortScan);
