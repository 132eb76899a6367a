//! One entry of the expectation table: a flow that a helper waits for.

use alloc::string::String;

use crate::{EventKind, FlowId, Tuple, Zone};

/// One expectation (`CTA_EXPECT_*`, linux/netfilter/nfnetlink_conntrack.h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Id (`CTA_EXPECT_ID`).
    pub id: Option<FlowId>,
    /// Zone (`CTA_EXPECT_ZONE`).
    pub zone: Zone,
    /// Original tuple of the flow that the helper works for.
    pub master: Tuple,
    pub tuple: Tuple,
    /// Where `tuple` counts: ones.
    pub mask: Tuple,
    /// Seconds left.
    pub timeout: Option<u32>,
    /// `NF_CT_EXPECT_*` bits.
    pub flags: Option<u32>,
    /// Class within the helper.
    pub class: Option<u32>,
    /// Name of the helper.
    pub helper: Option<String>,
    /// Function that is called at the match (`CTA_EXPECT_FN`).
    pub function: Option<String>,
    /// NAT that the expected flow will get: direction number and tuple.
    pub nat: Option<(u32, Tuple)>,
}

impl Expectation {
    /// What names it in a request.
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

/// An expectation with how it came; there are no updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationEvent {
    pub kind: EventKind,
    /// Whether a request of this process caused it.
    pub by_us: bool,
    pub expectation: Expectation,
}
