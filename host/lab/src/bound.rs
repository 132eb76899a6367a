//! The end of all traffic of a lab: after a time, or earlier on request.
//!
//! A demo that hangs is worse than one that fails, and threads that outlive the lab would keep its namespaces alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest time that a thread blocks before it checks the bound again.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// The end that all traffic of a lab shares.
#[derive(Clone, Debug)]
pub struct Bound {
    until: Instant,
    ended: Arc<AtomicBool>,
}

impl Bound {
    pub fn new(lifetime: Duration) -> Self {
        let now = Instant::now();
        Self { until: now.checked_add(lifetime).unwrap_or(now), ended: Arc::default() }
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Sleeps until the time has passed or the bound is over.
    pub(super) fn sleep(&self, time: Duration) {
        let now = Instant::now();
        let until = now.checked_add(time).map_or(self.until, |until| until.min(self.until));
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() || self.is_over() {
                return;
            }
            std::thread::sleep(rest.min(LOOK));
        }
    }

    /// A part that can end alone, and that ends with the whole.
    pub(super) fn part(&self) -> Part {
        Part { whole: self.clone(), ended: Arc::default() }
    }
}

/// The bound of one transfer or of one series of exchanges.
#[derive(Clone, Debug)]
pub(super) struct Part {
    whole: Bound,
    ended: Arc<AtomicBool>,
}

impl Part {
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed) || self.whole.is_over()
    }

    pub(super) fn sleep(&self, time: Duration) {
        self.whole.sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_alone_and_with_the_whole() {
        let whole = Bound::new(Duration::from_secs(3600));
        let (one, two) = (whole.part(), whole.part());
        one.end();
        assert!(one.is_over() && !two.is_over() && !whole.is_over());
        whole.end();
        assert!(two.is_over());
        assert!(Bound::new(Duration::ZERO).is_over());
    }
}
