//! The only file of the command that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ctwarden_model::Timestamp;

pub(super) fn wall() -> Timestamp {
    // A clock that shows a time before 1970 is set wrong, so the error of 0 does no further harm.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The start of a measured duration.
pub(super) fn steady() -> Instant {
    Instant::now()
}
