//! The time that the engine and the records use. The engine reads no clock itself. Threads that wait measure their own
//! deadlines.

use std::time::{SystemTime, UNIX_EPOCH};

use ctwarden_model::{Now, Steady, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The current moment on both clocks.
pub(crate) fn now() -> Now {
    // A wall clock before 1970 is set wrong; then 0 is as good as any other time.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let steady = clock_gettime(ClockId::Monotonic);
    let nanoseconds = |seconds: u64, rest: u64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Now {
        wall: Timestamp(nanoseconds(wall.as_secs(), u64::from(wall.subsec_nanos()))),
        steady: Steady(nanoseconds(
            u64::try_from(steady.tv_sec).unwrap_or_default(),
            u64::try_from(steady.tv_nsec).unwrap_or_default(),
        )),
    }
}
