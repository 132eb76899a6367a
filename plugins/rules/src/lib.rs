//! Applies the operator's rules to flows. The rules themselves are in the crate `ctwarden-rules`, which the host also
//! uses to check them. This crate connects them to the host.

mod config;
mod convert;
mod decision;
mod source;
mod subscribe;
#[cfg(test)]
mod tests;
mod tools;

use std::time::Duration;

use ctwarden_rules::{Judge, Lookup, Rule, Rules, Source, Tools};
use ctwarden_sdk::prelude::*;

pub use crate::config::Config;
use crate::source::BatchSource;
use crate::tools::{HostCounters, HostMemory};

/// Time between two calls that forget what is old.
const TIDY: Duration = Duration::from_secs(60);

/// The policy: rules and their state.
#[derive(Debug)]
pub struct RulesPolicy {
    judge: Judge,
    counters: HostCounters,
    lookups: Vec<Lookup>,
    /// Whether the running sweep shows every flow of the subscription.
    whole_sweep: bool,
}

impl Policy for RulesPolicy {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[
        VerdictKind::Delete,
        VerdictKind::Kill,
        VerdictKind::Mark,
        VerdictKind::Labels,
        VerdictKind::Timeout,
        VerdictKind::Alert,
        VerdictKind::Log,
        VerdictKind::Block,
        VerdictKind::Sweep,
    ];
    const CODES: &'static [ReasonCode] =
        &[ReasonCode::new("set-changed", "A set changed, and flows that its rules may concern are looked for.")];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        // The host says whether a set exists and may be read.
        let read_set = |set: &str| sets::lookup(set, &[]).map(drop).map_err(String::from);
        let rules = Rules::read(&config.0, &read_set)?;
        let counters = HostCounters::new(rules.counters());
        let lookups = rules.lookups().to_vec();
        Ok(Self { judge: Judge::new(rules), counters, lookups, whole_sweep: false })
    }

    fn subscription(&self) -> Subscription {
        self.counters.subscribe(subscribe::subscription(self.judge.rules())).tick_every(TIDY)
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        self.each(std::slice::from_ref(flow))
    }

    fn batch(&mut self, batch: &Batch) -> Verdicts {
        self.each(&batch.flows().collect::<Vec<_>>())
    }

    fn sweep_begin(&mut self, extent: Extent, _: Timestamp) -> Verdicts {
        self.whole_sweep = extent == Extent::Subscribed;
        if self.whole_sweep {
            self.judge.sweep_begins();
        }
        Verdicts::none()
    }

    fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
        if complete && self.whole_sweep {
            self.judge.sweep_ends();
        }
        self.whole_sweep = false;
        Verdicts::none()
    }

    fn sets_changed(&mut self, changes: &[SetChange], _: Timestamp) -> Verdicts {
        let changed: Vec<String> = changes.iter().map(|change| change.set().to_owned()).collect();
        subscribe::sweeps(self.judge.rules(), &changed)
    }

    fn tick(&mut self, now: Timestamp) -> Verdicts {
        self.judge.tidy(now.0);
        if let Some((flows, why)) = self.judge.uncounted() {
            eprintln!("{flows} flows were not counted: {why}");
        }
        Verdicts::none()
    }
}

impl RulesPolicy {
    fn each(&mut self, flows: &[Flow<'_>]) -> Verdicts {
        let Self { judge, counters, lookups, .. } = self;
        let mut verdicts = Verdicts::none();
        let mut source = BatchSource::new(lookups, flows);
        for (place, flow) in flows.iter().enumerate() {
            source.turn_to(place);
            judge.look(place, convert::flow(flow), &mut source);
        }
        let mut decisions = Vec::new();
        judge.decide(&mut Tools { source: &mut source, counters, memory: &mut HostMemory }, &mut decisions);
        for decision in decisions {
            let Some(flow) = flows.get(decision.place) else { continue };
            let code = judge.rules().rules().get(decision.rule).map_or("rule", Rule::name);
            verdicts.push(decision::verdict(decision, code, flow));
        }
        verdicts
    }
}

export!(RulesPolicy);
