//! How many flows a command dealt with, and whether these were all.

use ctwarden_netlink::Reading;

/// Flows that were shown, deleted or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Whether others may have been passed over.
    pub(super) reading: Reading,
}
