//! Tells about internal hosts that reach another host's management ports for the first time.
//!
//! The pairs are in the host's memory, so that a restart does not make every pair new.

mod config;
#[cfg(test)]
mod tests;

use ctwarden_sdk::prelude::*;

pub use crate::config::{Config, Reaction};

const SECOND: u64 = 1_000_000_000;

/// Key of the memory: when the policy began to learn.
const BEGAN: &str = "began";

/// The policy.
#[derive(Debug)]
pub struct LateralMovement {
    internal: PrefixSet,
    exempt: PrefixSet,
    config: Config,
    /// Until when the policy only learns.
    learns_until: u64,
}

impl Policy for LateralMovement {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Alert, VerdictKind::Delete];
    const CODES: &'static [ReasonCode] =
        &[ReasonCode::new("new-pair", "The host reaches a management port of the other for the first time.")];

    fn configure(config: Config, now: Timestamp) -> Result<Self, Refusal> {
        if config.internal.is_empty() {
            return Err("internal: no network is given; write for example internal = [\"10.0.0.0/8\"]".into());
        }
        if config.ports.is_empty() {
            return Err("ports: no port is given; remove the key for the default ports".into());
        }
        if config.forget_seconds < 60 {
            return Err(format!("forget-seconds: {} is less than 60", config.forget_seconds).into());
        }
        let began = match memory::get(BEGAN).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => u64::from_be_bytes(bytes),
            None => {
                memory::set(BEGAN, &now.0.to_be_bytes())?;
                now.0
            }
        };
        Ok(Self {
            internal: config.internal.iter().copied().collect(),
            exempt: config.exempt.iter().copied().collect(),
            learns_until: began.saturating_add(u64::from(config.learn_seconds).saturating_mul(SECOND)),
            config,
        })
    }

    fn subscription(&self) -> Subscription {
        let filter = self.config.internal.iter().fold(Filter::new().tcp(), |filter, network| filter.from(*network));
        let filter = self.config.internal.iter().fold(filter, |filter, network| filter.to(*network));
        let filter = self.config.ports.iter().fold(filter, |filter, ports| filter.dst_port(*ports));
        let needs: &[VerdictKind] = match self.config.action {
            Reaction::Alert => &[VerdictKind::Alert],
            Reaction::Delete => &[VerdictKind::Alert, VerdictKind::Delete],
        };
        // Rows as well: a connection that began while the daemon did not run is no reason to stay silent.
        Subscription::to(&[Kind::New, Kind::Row]).only(filter).needs(needs.iter().copied())
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let (src, dst) = (flow.src(), flow.dst());
        let Some(port) = flow.dst_port().filter(|_| src != dst) else { return Verdicts::none() };
        if self.exempt.contains(src) || !self.internal.contains(src) || !self.internal.contains(dst) {
            return Verdicts::none();
        }
        let (key, now) = (format!("{src} {dst} {port}"), flow.now().0);
        let learns = now < self.learns_until;
        match memory::get(&key).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes) {
            Some(noted) => {
                // One write for each half of the time keeps the pair, and the disk quiet.
                if now.saturating_sub(noted) > u64::from(self.config.forget_seconds).saturating_mul(SECOND) / 2 {
                    self.note(&key, now);
                }
                return Verdicts::none();
            }
            None if learns || self.config.action == Reaction::Alert => self.note(&key, now),
            None => {}
        }
        if learns {
            return Verdicts::none();
        }
        let why = format!("{src} reaches port {port} of {dst} for the first time");
        let alert = alert(why.clone()).key(format!("{src} {dst}")).severity(Severity::Warning);
        let alert = alert.field("source", src).field("destination", dst).field("port", port);
        let verdicts: Verdicts = alert.because("new-pair", why.clone()).on(flow).into();
        match self.config.action {
            Reaction::Alert => verdicts,
            Reaction::Delete => verdicts.and(delete().because("new-pair", why).on(flow)),
        }
    }
}

impl LateralMovement {
    fn note(&self, key: &str, now: u64) {
        let lifetime = Lifetime::from_secs(self.config.forget_seconds);
        if let Err(full) = memory::set_for(key, &now.to_be_bytes(), lifetime) {
            // The pair stays new and leads to an alert again. The host joins alerts with one key.
            eprintln!("the pair {key} is not noted: {}", full.as_str());
        }
    }
}

export!(LateralMovement);
