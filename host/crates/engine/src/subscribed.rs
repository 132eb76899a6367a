//! The union of the subscriptions of all plugins.

use alloc::vec::Vec;

use ctwarden_model::{EventKinds, Filter};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribed {
    /// Kinds that any plugin needs.
    pub kinds: EventKinds,
    /// Events that match any of these filters are needed. If empty, every event is needed. The filters are a hint that
    /// may be passed to the kernel; other events do no harm.
    pub filters: Vec<Filter>,
    /// Whether any plugin needs the ends of flows that its own or another plugin's verdicts caused.
    pub own_ends: bool,
    /// Whether any plugin's verdicts select flows by filters.
    pub selects: bool,
    /// Whether any plugin needs expectation events.
    pub expectations: bool,
}
