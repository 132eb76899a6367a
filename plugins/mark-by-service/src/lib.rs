//! Gives every flow the mark and the labels of the service that it belongs to, for quality of service, policy routing
//! and rules that match them.
//!
//! A ruleset marks packets as they arrive. Flows that existed before a rule keep their old mark. The knowledge of a
//! helper or another program about a flow comes too late for the rule.

mod config;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use ctwarden_sdk::prelude::*;

pub use crate::config::{Change, Config, Rule};
use crate::service::{Asked, Service, check};

/// Code of verdicts on flows that belong to no service.
const DEFAULT: &str = "default";

/// The policy with its services, in the order of the rules.
#[derive(Debug)]
pub struct MarkByService {
    services: Vec<Service>,
    default: Option<Change>,
    sweep_every: Duration,
}

impl Policy for MarkByService {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Mark, VerdictKind::Labels];
    const CODES: &'static [ReasonCode] = &[ReasonCode::new(DEFAULT, "The flow belongs to no service.")];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        if config.rules.is_empty() && config.default.is_none() {
            return Err("neither rules nor a default are given, so nothing would be marked; write one of them".into());
        }
        let mut names = BTreeSet::new();
        let mut services = Vec::new();
        for rule in config.rules {
            let name = rule.name.clone();
            if !names.insert(name.clone()) {
                return Err(format!("two rules are named \"{name}\"").into());
            }
            services.push(Service::new(rule).map_err(|refusal| refusal.about(format!("rule \"{name}\"")))?);
        }
        if let Some(default) = &config.default {
            check(default).map_err(|refusal| refusal.about(DEFAULT))?;
        }
        let sweep_every = Duration::from_secs(config.sweep_seconds.into());
        Ok(Self { services, default: config.default, sweep_every })
    }

    fn subscription(&self) -> Subscription {
        let all = Subscription::default().sweep_every(self.sweep_every).needs(self.needs());
        let all = self.services.iter().map(Service::name).fold(all, Subscription::code);
        let all = self.changes().fold(all, |all, change| {
            let marked = change.mark.map_or(0, |mark| mark.mask());
            all.changes_mark(marked).changes_labels(change.labels.iter().copied())
        });
        if self.default.is_some() {
            return all;
        }
        let mut filters: Vec<Filter> = Vec::new();
        for filter in self.services.iter().flat_map(Service::filters) {
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        }
        // Next to a filter that matches every flow, other filters narrow nothing. The host also refuses more filters
        // than its limit.
        if filters.contains(&Filter::new()) || filters.len() > Subscription::FILTERS {
            return all;
        }
        filters.into_iter().fold(all, Subscription::only)
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let asked = Asked::new(flow);
        let service = self.services.iter().find(|service| service.holds(&asked));
        let (name, change) = match (service, &self.default) {
            (Some(service), _) => (service.name(), service.change()),
            (None, Some(default)) => (DEFAULT, default),
            (None, None) => return Verdicts::none(),
        };
        let mut verdicts = Verdicts::none();
        // The kernel leaves out a mark of 0 that nobody has set (ctnetlink_dump_mark), so `None` means 0.
        if let Some(wanted) = change.mark
            && !wanted.matches(flow.mark().unwrap_or(0))
        {
            verdicts.push(mark(wanted).because(name, format!("service {name}")));
        }
        if !change.labels.is_empty() {
            let present = flow.labels().unwrap_or_default();
            let missing: Vec<u8> = change.labels.iter().copied().filter(|bit| !present.contains(*bit)).collect();
            if !missing.is_empty() {
                verdicts.push(labels(missing, []).because(name, format!("service {name}")));
            }
        }
        verdicts
    }
}

impl MarkByService {
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.services.iter().map(Service::change).chain(&self.default)
    }

    /// Returns the kinds of verdicts that the services and the default need.
    fn needs(&self) -> Vec<VerdictKind> {
        let marks = self.changes().any(|change| change.mark.is_some()).then_some(VerdictKind::Mark);
        let labels = self.changes().any(|change| !change.labels.is_empty()).then_some(VerdictKind::Labels);
        marks.into_iter().chain(labels).collect()
    }
}

export!(MarkByService);
