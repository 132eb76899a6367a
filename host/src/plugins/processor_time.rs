//! Processor time of a plugin's thread.
//!
//! The thread measures itself after each answer. Only it can: the files of other threads in `/proc` may be out of reach
//! after the daemon has given up its rights.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time as of the last measurement, shared between the thread and its handle.
#[derive(Clone, Debug, Default)]
pub(super) struct ProcessorTime(Arc<AtomicU64>);

impl ProcessorTime {
    /// Measures the calling thread.
    pub(super) fn measure(&self) {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let nanos = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
        self.0.store(u64::try_from(nanos).unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_measured() {
        let time = ProcessorTime::default();
        assert_eq!(time.get(), Duration::ZERO);
        time.measure();
        let before = time.get();
        let mut sum = 0_u64;
        while time.get() < before + Duration::from_millis(2) {
            sum = (0..10_000_u64).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
            time.measure();
        }
        std::hint::black_box(sum);
    }
}
