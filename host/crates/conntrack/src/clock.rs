//! The only place of the command that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ctwarden_model::Timestamp;

pub(super) fn wall() -> Timestamp {
    // Before 1970 a clock is set wrong; 0 then is as good as any other time.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A moment to measure from.
pub(super) fn steady() -> Instant {
    Instant::now()
}
