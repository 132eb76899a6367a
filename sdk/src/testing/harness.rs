//! A policy under test, with its host.

use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, Declared};
use super::counters;
use super::flow::FlowBuilder;
use super::imports::{self, Host};
use crate::bindings::ctwarden::conntrack::types;
use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::outcome::{Report, ReportBatch};
use crate::verdict::{Target, Verdict};
use crate::{
    Configuration, Entry, Filter, Flow, FlowKey, Outcome, Outcomes, Policy, Subscription, Timestamp, VerdictKind,
    export,
};

/// A configured policy, and the host that it can call.
#[derive(Debug)]
pub struct Harness<P> {
    policy: P,
    subscription: Subscription,
    declared: Declared,
    config: Value,
    host: Host,
    now: Timestamp,
    /// Keys of the flows in the last batch.
    judged: Vec<FlowKey>,
}

/// Configures a policy on a host without sets, memory, statistics and entries. For a host that has some, see
/// [`Host::start`].
///
/// # Errors
/// The policy refused its configuration, or its subscription is invalid; the text says why.
pub fn start<P: Policy>(config: Value) -> Result<Harness<P>, String> {
    Host::new().start(config)
}

impl<P: Policy> Harness<P> {
    pub(crate) fn new(mut host: Host, config: Value, now: Timestamp) -> Result<Self, String> {
        host.now = now;
        let configure = || P::Config::read(&config.to_string()).and_then(|config| P::configure(config, now));
        // As in the host: counters exist when configure has returned. A restart keeps none of them.
        host.now = now;
        host.counters.clear();
        let policy = imports::on(&mut host, configure)?;
        let subscription = policy.subscription();
        let declared = Declared::of::<P>(&subscription)?;
        host.counters = counters::open(subscription.counters())?;
        Ok(Self { policy, subscription, declared, config, host, now, judged: Vec::new() })
    }

    /// Returns the policy itself.
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// Returns the subscription of the policy.
    pub const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Returns the kinds of verdicts that the policy needs with its configuration.
    pub fn needs(&self) -> &[VerdictKind] {
        self.declared.needs()
    }

    /// Returns the time of the next call.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the time of the next call forward.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
        self.host.now = self.now;
    }

    /// Delivers events in one batch: those that the subscription matches.
    #[track_caller]
    pub fn events(&mut self, flows: impl IntoIterator<Item = FlowBuilder>) -> Answer {
        self.deliver(wit::Cause::Events, 0, flows)
    }

    /// Delivers one event, if the subscription matches it.
    #[track_caller]
    pub fn event(&mut self, flow: FlowBuilder) -> Answer {
        self.events([flow])
    }

    /// Delivers a whole sweep: its begin, these flows as rows in one batch, and its end.
    #[track_caller]
    pub fn sweep(&mut self, flows: impl IntoIterator<Item = FlowBuilder>) -> Answer {
        let begun = self.sweep_begin();
        let rows = self.sweep_rows(flows);
        begun.then(rows).then(self.sweep_end(true))
    }

    /// Delivers the sweep that a verdict asked for with [`sweep`](crate::sweep())`.on(…)`: its begin, the flows that
    /// the filter matches as rows, and its end.
    #[track_caller]
    pub fn sweep_of(&mut self, filter: &Filter, flows: impl IntoIterator<Item = FlowBuilder>) -> Answer {
        let begun = self.deliver(wit::Cause::SweepBegin(wit::Extent::Asked), 0, []);
        let rows = flows.into_iter().map(FlowBuilder::row);
        let rows = self.deliver_those(wit::Cause::SweepRows, 0, rows, |_, flow| filter.matches(flow));
        begun.then(rows).then(self.sweep_end(true))
    }

    /// Delivers the begin of a sweep of every flow that the subscription matches.
    #[track_caller]
    pub fn sweep_begin(&mut self) -> Answer {
        self.deliver(wit::Cause::SweepBegin(wit::Extent::Subscribed), 0, [])
    }

    /// Delivers rows of a sweep in one batch.
    #[track_caller]
    pub fn sweep_rows(&mut self, flows: impl IntoIterator<Item = FlowBuilder>) -> Answer {
        self.deliver(wit::Cause::SweepRows, 0, flows.into_iter().map(FlowBuilder::row))
    }

    /// Delivers the end of a sweep, complete or interrupted.
    #[track_caller]
    pub fn sweep_end(&mut self, complete: bool) -> Answer {
        self.deliver(if complete { wit::Cause::SweepComplete } else { wit::Cause::SweepInterrupted }, 0, [])
    }

    /// Reports lost events. `missed` is the number that the host dropped in front of the plugin; 0 stands for a loss in
    /// the kernel. The host sweeps after that, so a realistic test does the same.
    #[track_caller]
    pub fn overrun(&mut self, missed: u64) -> Answer {
        self.deliver(if missed == 0 { wit::Cause::Overrun } else { wit::Cause::Events }, missed, [])
    }

    /// Replaces the networks of a set, written as in [`Host::set`]. Reports the change if the policy subscribed to it,
    /// with the networks that it adds.
    #[track_caller]
    pub fn change_set<'a>(&mut self, name: &str, networks: impl IntoIterator<Item = &'a str>) -> Answer {
        let now = imports::set_of(networks);
        let before = self.host.sets.insert(name.to_owned(), now.clone()).unwrap_or_default();
        let new = now.iter().filter(|(network, value)| before.get(*network) != Some(value));
        let member = |network: crate::Prefix| types::Member { network: network.into(), service: None };
        let added: Vec<_> = new.map(|(network, _)| member(network)).collect();
        let added = (added.len() <= ctwarden_model::SetChange::ADDED).then_some(added);
        if self.subscription.sets().iter().any(|set| set == name) {
            self.deliver(wit::Cause::SetsChanged(vec![wit::SetChange { set: name.to_owned(), added }]), 0, [])
        } else {
            Answer::default()
        }
    }

    /// Calls `tick` at the current time.
    #[track_caller]
    pub fn tick(&mut self) -> Answer {
        let (policy, now) = (&mut self.policy, self.now);
        let verdicts = imports::on(&mut self.host, || policy.tick(now));
        Answer::new(&self.declared, &self.host, verdicts, String::new(), 0)
    }

    /// Calls `message` with this text.
    ///
    /// # Errors
    /// The refusal of the policy, for the sender.
    #[track_caller]
    pub fn message(&mut self, text: &str) -> Result<Answer, String> {
        let (policy, now) = (&mut self.policy, self.now);
        let reply = imports::on(&mut self.host, || export::message(policy, text, now))?;
        Ok(Answer::new(&self.declared, &self.host, reply.verdicts, reply.text, 0))
    }

    /// Stops the policy in order and starts it again with the same configuration, memory and sets. Counters begin again,
    /// as after a restart of the daemon. The time does not change.
    ///
    /// # Errors
    /// The policy refused its configuration; the text says why.
    pub fn restart(mut self) -> Result<Self, String> {
        imports::on(&mut self.host, || self.policy.stop());
        Self::new(self.host, self.config, self.now)
    }

    #[track_caller]
    fn deliver(&mut self, cause: wit::Cause, missed: u64, flows: impl IntoIterator<Item = FlowBuilder>) -> Answer {
        self.deliver_those(cause, missed, flows, Subscription::holds)
    }

    #[track_caller]
    fn deliver_those(
        &mut self,
        cause: wit::Cause,
        missed: u64,
        flows: impl IntoIterator<Item = FlowBuilder>,
        wanted: impl Fn(&Subscription, &Flow<'_>) -> bool,
    ) -> Answer {
        let now = self.now;
        let mut records = Vec::new();
        self.host.rare.clear();
        for flow in flows {
            let record = flow.record();
            // A filter may read labels by index. So the flow gets its index first, and loses it if the flow is not
            // delivered.
            self.host.rare.push(flow.rare);
            let entry = Entry::from_wit(record);
            let index = u32::try_from(records.len()).unwrap_or(u32::MAX);
            let subscription = &self.subscription;
            if imports::on(&mut self.host, || wanted(subscription, &Flow::new(&entry, index, now))) {
                records.push(record);
            } else {
                self.host.rare.pop();
            }
        }
        let entries = records.len();
        let empty = matches!(cause, wit::Cause::Events | wit::Cause::SweepRows) && entries == 0 && missed == 0;
        if empty {
            return Answer::default();
        }
        self.judged = records.iter().map(|record| Entry::from_wit(*record).key()).collect();
        let batch = wit::Batch { cause, now: now.0, missed, flows: records };
        let policy = &mut self.policy;
        let verdicts = imports::on(&mut self.host, || export::judge(policy, batch));
        Answer::new(&self.declared, &self.host, verdicts, String::new(), entries)
    }
}

impl<P: Outcomes> Harness<P> {
    /// Reports that the verdict ended like this. The verdict is one of the last answer. `detail` is the reason of a
    /// refusal.
    #[track_caller]
    pub fn conclude(&mut self, verdict: &Verdict, outcome: Outcome, detail: &str) -> Answer {
        let report = Report {
            kind: verdict.kind().name().to_owned(),
            code: verdict.code().to_owned(),
            flow: self.flow_of(verdict),
            network: verdict.action().network(),
            outcome,
            flows: Vec::new(),
            detail: detail.to_owned(),
        };
        let batch = ReportBatch::new(self.now, 0, vec![report]);
        let policy = &mut self.policy;
        let verdicts = imports::on(&mut self.host, || policy.reports(&batch));
        Answer::new(&self.declared, &self.host, verdicts, String::new(), 0)
    }

    fn flow_of(&self, verdict: &Verdict) -> Option<FlowKey> {
        match verdict.target()? {
            Target::Entry(index) => self.judged.get(usize::try_from(*index).ok()?).copied(),
            Target::Key(key) => Some(*key),
            Target::Matching { .. } => None,
        }
    }
}
