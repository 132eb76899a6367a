//! Entries of the expectation table: flows that a helper (such as FTP or SIP) expects.

use crate::bindings::exports::ctwarden::conntrack::expectations as wit;
use crate::bindings::exports::ctwarden::conntrack::policy::Cause as WitCause;
use crate::{Endpoints, FlowTuple, Kind, Policy, Protocol, Timestamp, Verdicts};

/// A policy that also judges expectations. Export it with [`export!(T with expectations)`](crate::export!).
pub trait Expectations: Policy {
    /// Judges one expectation. A verdict without a target is about this expectation. Of the actions that touch the
    /// table, only `delete` applies to it.
    fn judge_expectation(&mut self, expectation: &Expectation) -> Verdicts;

    /// Judges many expectations at once. By default, calls `judge_expectation` for each.
    fn expectations(&mut self, batch: &ExpectationBatch) -> Verdicts {
        batch.each(|expectation| self.judge_expectation(expectation))
    }
}

/// One expectation (`CTA_EXPECT_*`).
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation(wit::Expectation);

impl Expectation {
    /// Returns how the host learned of the expectation.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::from_wit(self.0.kind)
    }

    /// Whether a verdict of this host caused the event. Such events arrive only with [`own_changes`].
    ///
    /// [`own_changes`]: crate::Subscription::own_changes
    #[must_use]
    pub const fn by_us(&self) -> bool {
        self.0.by_us
    }

    /// Returns the kernel's id (`CTA_EXPECT_ID`).
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.0.id
    }

    /// Returns the conntrack zone, 0 by default.
    #[must_use]
    pub const fn zone(&self) -> u16 {
        self.0.zone
    }

    /// Returns the IP protocol of the expected flow.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.0.expected.protocol)
    }

    /// Returns the original direction of the master: the flow for which the helper created the expectation.
    #[must_use]
    pub fn master(&self) -> FlowTuple {
        self.0.master.into()
    }

    /// Returns the endpoints of the expected flow, where [`mask`](Self::mask) has ones.
    #[must_use]
    pub fn expected(&self) -> Endpoints {
        self.0.expected.endpoints.into()
    }

    /// Returns which bits of the expected endpoints are known.
    #[must_use]
    pub fn mask(&self) -> Endpoints {
        self.0.mask.into()
    }

    /// Returns the seconds until the expectation expires.
    #[must_use]
    pub const fn timeout(&self) -> Option<u32> {
        self.0.timeout
    }

    /// Returns the `NF_CT_EXPECT_*` bits of linux/netfilter/nf_conntrack_common.h.
    #[must_use]
    pub const fn flags(&self) -> Option<u32> {
        self.0.flags
    }

    /// Returns the class within the helper.
    #[must_use]
    pub const fn class(&self) -> Option<u32> {
        self.0.class
    }

    /// Returns the name of the helper, such as ftp.
    #[must_use]
    pub fn helper(&self) -> Option<&str> {
        self.0.helper.as_deref()
    }
}

/// The expectations of one call.
#[derive(Clone, Debug)]
pub struct ExpectationBatch {
    rows: bool,
    now: Timestamp,
    missed: u64,
    expectations: Vec<Expectation>,
}

impl ExpectationBatch {
    pub(crate) fn from_wit(batch: wit::ExpectationBatch) -> Self {
        Self {
            rows: batch.cause == WitCause::SweepRows,
            now: Timestamp(batch.now),
            missed: batch.missed,
            expectations: batch.expectations.into_iter().map(Expectation).collect(),
        }
    }

    /// Whether the expectations are rows of the running sweep. Otherwise they are events.
    #[must_use]
    pub const fn is_sweep(&self) -> bool {
        self.rows
    }

    /// Returns the time of the call.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the number of flows and expectations that the host dropped because the queue of this plugin was full.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns the expectations in order.
    pub fn iter(&self) -> impl Iterator<Item = &Expectation> {
        self.expectations.iter()
    }

    /// Judges one expectation after the other. A verdict without a target is about the expectation.
    pub fn each(&self, mut judge: impl FnMut(&Expectation) -> Verdicts) -> Verdicts {
        let mut all = Verdicts::none();
        for (index, expectation) in (0..).zip(&self.expectations) {
            all.extend(judge(expectation).into_iter().map(|verdict| verdict.on_entry(index)));
        }
        all
    }
}
