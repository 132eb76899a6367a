//! Waiting for something to be so, with a bound.
//!
//! A test that sleeps is slow on a fast machine and wrong on a slow one; one that asks again and again is neither.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take: far more than it takes on a busy machine with one core.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer.
///
/// # Panics
/// Where there is none within [`PATIENCE`].
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

/// Asks for a while whether something stays so. This is the one wait that a good run takes in full, so it is short, and
/// only for what has no end that could be waited for.
///
/// # Panics
/// Where it does not stay so.
pub fn stays(what: &str, mut ask: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        assert!(ask(), "did not stay so: {what}");
        sleep(PAUSE);
    }
}
