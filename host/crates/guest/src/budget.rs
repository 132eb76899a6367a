//! Limits how long one call runs: processor time and wall-clock time.
//!
//! A limit on wall-clock time alone would end healthy plugins on a busy machine. A limit on processor time alone would
//! never end a plugin that sleeps. So there are both limits. A call reads neither clock when it begins, because reading
//! the processor time costs a system call. The first tick within the call reads both clocks, and most calls end before
//! that tick.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Limits;
use crate::stop::Stop;

/// The values of both clocks at one moment.
#[derive(Clone, Copy)]
struct Reading {
    processor: Duration,
    clock: Instant,
}

impl Reading {
    fn now() -> Self {
        Self { processor: thread_time(), clock: Instant::now() }
    }
}

/// The time that one call has used.
pub(crate) struct Budget {
    cpu: Duration,
    wall: Duration,
    /// Read at the first tick within the call.
    start: Option<Reading>,
}

impl Budget {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { cpu: limits.call_cpu, wall: limits.call_wall, start: None }
    }

    pub(crate) const fn begin(&mut self) {
        self.start = None;
    }

    /// Checks that the running call has time left.
    ///
    /// # Errors
    /// A time limit of the call is reached.
    pub(crate) fn check(&mut self) -> Result<(), Stop> {
        self.check_at(Reading::now())
    }

    fn check_at(&mut self, now: Reading) -> Result<(), Stop> {
        let start = *self.start.get_or_insert(now);
        if now.processor.saturating_sub(start.processor) > self.cpu {
            return Err(Stop::OutOfTime);
        }
        if now.clock.saturating_duration_since(start.clock) > self.wall {
            return Err(Stop::Stuck);
        }
        Ok(())
    }

    /// When the wall-clock limit ends the running call.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.start.get_or_insert_with(Reading::now).clock.checked_add(self.wall)
    }
}

/// Returns the processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(cpu: Duration, wall: Duration) -> Budget {
        Budget::new(&Limits { call_cpu: cpu, call_wall: wall, ..Limits::default() })
    }

    /// Returns `reading` with these durations added.
    fn later(reading: Reading, processor: Duration, clock: Duration) -> Reading {
        Reading { processor: reading.processor + processor, clock: reading.clock + clock }
    }

    #[test]
    fn waiting_is_not_computing() {
        let mut budget = budget(Duration::from_millis(20), Duration::from_secs(3600));
        budget.begin();
        let begun = Reading::now();
        budget.check_at(begun).unwrap();
        budget.check_at(later(begun, Duration::from_millis(20), Duration::from_secs(60))).unwrap();
        let computed = later(begun, Duration::from_millis(21), Duration::from_secs(60));
        assert!(matches!(budget.check_at(computed), Err(Stop::OutOfTime)));
    }

    #[test]
    fn computing_ends() {
        let mut budget = budget(Duration::from_millis(5), Duration::from_secs(3600));
        budget.begin();
        let begun = Instant::now();
        while budget.check().is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
        assert!(matches!(budget.check(), Err(Stop::OutOfTime)));
        budget.begin();
        budget.check().unwrap();
    }

    #[test]
    fn waiting_ends_too() {
        let mut budget = budget(Duration::from_secs(3600), Duration::from_millis(5));
        budget.begin();
        let begun = Reading::now();
        budget.check_at(begun).unwrap();
        assert!(matches!(budget.check_at(later(begun, Duration::ZERO, Duration::from_millis(6))), Err(Stop::Stuck)));
    }

    #[test]
    fn another_thread_that_computes_costs_the_waiting_one_nothing() {
        let compute = || {
            let begun = thread_time();
            while thread_time().saturating_sub(begun) < Duration::from_millis(20) {}
        };
        let before = thread_time();
        std::thread::spawn(compute).join().unwrap();
        assert!(thread_time() - before < Duration::from_millis(20));
    }
}
