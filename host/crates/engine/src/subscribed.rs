//! What has to be listened to for the plugins.

use alloc::vec::Vec;

use ctwarden_model::{EventKinds, Filter};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribed {
    /// Kinds that any plugin wants.
    pub kinds: EventKinds,
    /// Which events are of use: any of these; empty: every event. A hint that may be pushed down to the kernel; events
    /// outside do no harm.
    pub filters: Vec<Filter>,
    /// Whether any plugin wants the ends of flows that its own or another plugin's verdicts brought about.
    pub own_ends: bool,
    /// Whether any plugin's verdicts name flows by filters.
    pub selects: bool,
    /// Whether any plugin wants expectation events.
    pub expectations: bool,
}
