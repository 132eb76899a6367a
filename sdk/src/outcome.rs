//! Outcomes: what became of the policy's verdicts.

use crate::bindings::exports::ctwarden::conntrack::outcomes as wit;
use crate::{FlowKey, Policy, Prefix, Timestamp, Verdicts};

/// A policy that also hears what became of its verdicts. Export it with [`export!(T with outcomes)`](crate::export!).
pub trait Outcomes: Policy {
    /// Takes the report of one verdict, except of the kinds `alert` and `log`. The host also reports the ends of the
    /// verdicts that are returned here.
    fn concluded(&mut self, report: &Report, now: Timestamp) -> Verdicts;

    /// Takes many reports at once. By default, calls `concluded` for each.
    fn reports(&mut self, batch: &ReportBatch) -> Verdicts {
        batch.iter().flat_map(|report| self.concluded(report, batch.now())).collect()
    }
}

/// How a verdict ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The verdict was carried out. If it needed the kernel, the kernel has acknowledged it.
    Applied,
    /// The flow no longer existed.
    Gone,
    /// Another flow has taken the tuple.
    Replaced,
    /// The verdict was not carried out; [`Report::detail`] has the reason.
    Refused,
    /// The plugin's budget is used up.
    OverBudget,
    /// The plugin did not ask for this kind of verdict, or the operator did not grant it.
    NotGranted,
    /// A protection covers the flow.
    Protected,
    /// The plugin only observes: all checks passed, and nothing was done.
    Observed,
    /// A stronger or equal verdict on the same flow takes its place.
    Superseded,
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        match outcome {
            wit::Outcome::Applied => Self::Applied,
            wit::Outcome::Gone => Self::Gone,
            wit::Outcome::Replaced => Self::Replaced,
            wit::Outcome::Refused => Self::Refused,
            wit::Outcome::OverBudget => Self::OverBudget,
            wit::Outcome::NotGranted => Self::NotGranted,
            wit::Outcome::Protected => Self::Protected,
            wit::Outcome::Observed => Self::Observed,
            wit::Outcome::Superseded => Self::Superseded,
        }
    }
}

/// The end of one verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub(crate) kind: String,
    pub(crate) code: String,
    pub(crate) flow: Option<FlowKey>,
    pub(crate) network: Option<Prefix>,
    pub(crate) outcome: Outcome,
    pub(crate) flows: Vec<(Outcome, u64)>,
    pub(crate) detail: String,
}

impl Report {
    /// Returns the kind of the verdict by name, such as `delete`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the code of the verdict.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the flow, if the verdict is about one flow.
    #[must_use]
    pub const fn flow(&self) -> Option<FlowKey> {
        self.flow
    }

    /// Returns the network of a block or unblock.
    #[must_use]
    pub const fn network(&self) -> Option<Prefix> {
        self.network
    }

    /// Returns how the verdict ended. For a verdict on every match of a filter, `Applied` if the outcome of any flow is
    /// that, otherwise the most frequent outcome.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the number of flows with this outcome, for a verdict on every match of a filter.
    #[must_use]
    pub fn flows(&self, outcome: Outcome) -> u64 {
        self.flows.iter().filter(|(of, _)| *of == outcome).map(|(_, count)| count).sum()
    }

    /// Returns why the verdict was refused. Empty if it was not.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<wit::Report> for Report {
    fn from(report: wit::Report) -> Self {
        Self {
            kind: report.kind,
            code: report.code,
            flow: report.flow.map(FlowKey::from_wit),
            network: report.network.and_then(|given| Prefix::new(given.address.into(), given.length).ok()),
            outcome: report.outcome.into(),
            flows: report.flows.into_iter().map(|(outcome, count)| (outcome.into(), count)).collect(),
            detail: report.detail,
        }
    }
}

/// The reports of one call.
#[derive(Clone, Debug)]
pub struct ReportBatch {
    now: Timestamp,
    missed: u64,
    reports: Vec<Report>,
}

impl ReportBatch {
    pub(crate) const fn new(now: Timestamp, missed: u64, reports: Vec<Report>) -> Self {
        Self { now, missed, reports }
    }

    pub(crate) fn from_wit(batch: wit::ReportBatch) -> Self {
        let reports = batch.reports.into_iter().map(Into::into).collect();
        Self::new(Timestamp(batch.now), batch.missed, reports)
    }

    /// Returns the time of the call.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the number of reports that the host dropped since the last batch, because the policy was too slow or
    /// returned too many verdicts.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns the reports, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter()
    }
}
