//! Entries of the expectation table: connections that a helper (FTP, SIP and the like) has read about and awaits.

use crate::bindings::exports::ctwarden::policy::expectations as wit;
use crate::bindings::exports::ctwarden::policy::policy::Cause as WitCause;
use crate::{Endpoints, FlowTuple, Kind, Policy, Protocol, Timestamp, Verdicts};

/// A policy that also judges expectations; export it with [`export!(T with expectations)`](crate::export!).
pub trait Expectations: Policy {
    /// Judges an expectation. A verdict that does not say what it is about is about this one; only `delete` touches it.
    fn judge_expectation(&mut self, expectation: &Expectation) -> Verdicts;

    /// Judges many at once. By default each goes through `judge_expectation`.
    fn expectations(&mut self, batch: &ExpectationBatch) -> Verdicts {
        batch.each(|expectation| self.judge_expectation(expectation))
    }
}

/// One expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation(wit::Expectation);

impl Expectation {
    /// How it came.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::from_wit(self.0.kind)
    }

    /// Whether a verdict of this host caused the event. Such events come only with [`own_changes`].
    ///
    /// [`own_changes`]: crate::Subscription::own_changes
    #[must_use]
    pub const fn by_us(&self) -> bool {
        self.0.by_us
    }

    /// The kernel's id.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.0.id
    }

    /// Conntrack zone.
    #[must_use]
    pub const fn zone(&self) -> u16 {
        self.0.zone
    }

    /// IP protocol of the flow that is expected.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.0.expected.protocol)
    }

    /// Original direction of the flow that the helper works for.
    #[must_use]
    pub fn master(&self) -> FlowTuple {
        self.0.master.into()
    }

    /// Endpoints of the flow that is expected, where [`mask`](Self::mask) has ones.
    #[must_use]
    pub fn expected(&self) -> Endpoints {
        self.0.expected.endpoints.into()
    }

    /// Which bits of the expected flow are known.
    #[must_use]
    pub fn mask(&self) -> Endpoints {
        self.0.mask.into()
    }

    /// Seconds until it expires.
    #[must_use]
    pub const fn timeout(&self) -> Option<u32> {
        self.0.timeout
    }

    /// `NF_CT_EXPECT_*` bits.
    #[must_use]
    pub const fn flags(&self) -> Option<u32> {
        self.0.flags
    }

    /// Class that the helper gave it.
    #[must_use]
    pub const fn class(&self) -> Option<u32> {
        self.0.class
    }

    /// Name of the helper, such as ftp.
    #[must_use]
    pub fn helper(&self) -> Option<&str> {
        self.0.helper.as_deref()
    }
}

/// Expectations of one call.
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

    /// Whether these are rows of the running sweep; else they are events.
    #[must_use]
    pub const fn is_sweep(&self) -> bool {
        self.rows
    }

    /// When the host made it.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How many were dropped in front of this plugin because it was too slow.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// The expectations in order.
    pub fn iter(&self) -> impl Iterator<Item = &Expectation> {
        self.expectations.iter()
    }

    /// Judges one after the other; a verdict that does not say what it is about is about the expectation.
    pub fn each(&self, mut judge: impl FnMut(&Expectation) -> Verdicts) -> Verdicts {
        let mut all = Verdicts::none();
        for (index, expectation) in (0..).zip(&self.expectations) {
            all.extend(judge(expectation).into_iter().map(|verdict| verdict.on_entry(index)));
        }
        all
    }
}
