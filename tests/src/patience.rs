//! Waits for a condition, with a limit.
//!
//! A test that sleeps is slow on a fast machine and wrong on a slow one. A test that polls is neither.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest wait for anything: far more than any step takes on a busy machine with one core.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Polls until `ask` gives an answer.
///
/// # Panics
/// If `ask` gives no answer within [`PATIENCE`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        sleep(PAUSE);
    }
}

/// Checks for 300 ms that a condition stays true. A good run waits for all of this time, so the time is short. Use this
/// only if there is no event to wait for.
///
/// # Panics
/// If the condition becomes false.
pub fn stays(what: &str, mut ask: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        assert!(ask(), "did not stay so: {what}");
        sleep(PAUSE);
    }
}
