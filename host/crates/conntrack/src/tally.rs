//! The number of flows that a command has processed, and whether they were all flows of the table.

use ctwarden_netlink::Reading;

/// Number of flows that were shown, deleted or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Whether the reading was complete, or may have missed flows.
    pub(super) reading: Reading,
}
