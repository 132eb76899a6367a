//! One entry of the expectation table: a flow that a helper expects.

use alloc::string::String;

use crate::{EventKind, FlowId, Tuple, Zone};

/// One expectation (`CTA_EXPECT_*`, linux/netfilter/nfnetlink_conntrack.h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Id of the expectation (`CTA_EXPECT_ID`).
    pub id: Option<FlowId>,
    /// Zone of the expectation (`CTA_EXPECT_ZONE`).
    pub zone: Zone,
    /// Original tuple of the flow for which the helper created the expectation.
    pub master: Tuple,
    pub tuple: Tuple,
    /// The bits of `tuple` that count are ones.
    pub mask: Tuple,
    /// Seconds until the expectation expires.
    pub timeout: Option<u32>,
    /// Flags of the expectation, as `NF_CT_EXPECT_*` bits.
    pub flags: Option<u32>,
    /// Class of the expectation within its helper.
    pub class: Option<u32>,
    /// Name of the master's helper.
    pub helper: Option<String>,
    /// Function that the kernel calls at the match (`CTA_EXPECT_FN`).
    pub function: Option<String>,
    /// NAT that the expected flow will get: the number of a direction, and a tuple.
    pub nat: Option<(u32, Tuple)>,
}

impl Expectation {
    /// The key that names the expectation in a request.
    #[must_use]
    pub fn key(&self) -> ExpectationKey {
        ExpectationKey { id: self.id.unwrap_or_default(), zone: self.zone, tuple: self.tuple }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectationKey {
    pub id: FlowId,
    pub zone: Zone,
    pub tuple: Tuple,
}

/// An expectation, and how ctwarden learned of it. Expectations have no updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationEvent {
    pub kind: EventKind,
    /// Whether a request of this process caused the event.
    pub by_us: bool,
    pub expectation: Expectation,
}
