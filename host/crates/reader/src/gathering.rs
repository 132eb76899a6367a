//! When events are gathered before they are read.
//!
//! The kernel queues events while nobody reads the socket. One reading then delivers all of them. Delivering each event
//! separately wakes two threads, and wakes the loop again for the answer. That costs ten times as much as decoding and
//! judging the event.

use core::time::Duration;

use ctwarden_model::Steady;

/// How long dense events are gathered. This is the maximum time that an event waits in the socket. The first event
/// after a pause does not wait.
const GATHER: Duration = Duration::from_millis(4);
/// Events are dense if less time than this lies between two of them. Rarer events cost little in total.
const DENSE: Duration = Duration::from_millis(2);
/// Events of ctwarden's own changes are dense if one reading has at least this many, as after a large deletion. Events
/// of few changes do not delay the events right after them.
const MANY_OWN: u32 = 8;

/// Numbers of flow events in one reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventCount {
    own: u32,
    others: u32,
}

impl EventCount {
    pub(crate) fn add(&mut self, by_us: bool) {
        self.own += u32::from(by_us);
        self.others += u32::from(!by_us);
    }
}

/// Decides after each reading of the event socket when the next reading takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathering {
    /// Time of the last reading that had an event which ctwarden did not cause.
    read_at: Steady,
    until: Steady,
}

impl Gathering {
    pub(crate) const fn new(now: Steady) -> Self {
        Self { read_at: now, until: now }
    }

    /// A reading has ended. If events are left in the socket, no gathering begins.
    pub(crate) fn end_reading(&mut self, now: Steady, count: EventCount, is_drained: bool) {
        let is_dense = now.since(self.read_at) < DENSE * count.others || count.own >= MANY_OWN;
        if is_drained && is_dense {
            self.until = now.plus(GATHER);
        }
        if count.others > 0 {
            self.read_at = now;
        }
    }

    /// Until when events are gathered. `None` if the socket is to be read now.
    pub(crate) fn until(&self, now: Steady) -> Option<Steady> {
        (now < self.until).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const START: Steady = Steady(1_000_000_000);

    fn after(milliseconds: u64) -> Steady {
        START.plus(Duration::from_millis(milliseconds))
    }

    fn events(own: u32, others: u32) -> EventCount {
        EventCount { own, others }
    }

    #[test]
    fn dense_events_are_gathered_for_four_milliseconds() {
        let mut gathering = Gathering::new(START);
        gathering.end_reading(after(1), events(0, 1), true);
        assert_eq!(gathering.until(after(1)), Some(after(5)));
        assert_eq!(gathering.until(after(5)), None);
    }

    #[test]
    fn the_first_event_after_a_pause_does_not_hold_up_the_next_one() {
        let mut gathering = Gathering::new(START);
        gathering.end_reading(after(10), events(0, 1), true);
        assert_eq!(gathering.until(after(10)), None);
        gathering.end_reading(after(13), events(0, 1), true);
        assert_eq!(gathering.until(after(13)), None, "three milliseconds lie between the two");
        gathering.end_reading(after(14), events(0, 1), true);
        assert_eq!(gathering.until(after(14)), Some(after(18)));
    }

    #[test]
    fn events_of_few_own_changes_are_not_gathered() {
        let mut gathering = Gathering::new(START);
        gathering.end_reading(after(1), events(MANY_OWN - 1, 0), true);
        assert_eq!(gathering.until(after(1)), None);
        gathering.end_reading(after(1), events(MANY_OWN, 0), true);
        assert_eq!(gathering.until(after(1)), Some(after(5)));
    }

    #[test]
    fn a_reading_that_leaves_events_is_followed_by_another_at_once() {
        let mut gathering = Gathering::new(START);
        gathering.end_reading(after(1), events(100, 100), false);
        assert_eq!(gathering.until(after(1)), None);
    }

    proptest! {
        /// Events arrive at random intervals. The loop reads whenever nothing is gathered, up to `most` events at once.
        #[test]
        fn no_event_waits_longer_than_it_is_gathered(
            arrivals in prop::collection::vec((0_u64..6_000, any::<bool>()), 0..200),
            most in 1_usize..20,
        ) {
            let mut gathering = Gathering::new(START);
            let mut waiting: VecDeque<(Steady, bool)> = VecDeque::new();
            let mut now = START;
            let mut read = |now: Steady, waiting: &mut VecDeque<(Steady, bool)>| {
                while gathering.until(now).is_none() && !waiting.is_empty() {
                    let mut count = EventCount::default();
                    let taken: Vec<_> = waiting.drain(..waiting.len().min(most)).collect();
                    for (arrived, by_us) in taken {
                        count.add(by_us);
                        prop_assert!(now.since(arrived) <= GATHER, "waited {:?}", now.since(arrived));
                    }
                    gathering.end_reading(now, count, waiting.is_empty());
                }
                Ok(gathering.until(now))
            };
            let mut deadline = None;
            for (microseconds, by_us) in arrivals {
                let next = now.plus(Duration::from_micros(microseconds));
                if let Some(at) = deadline.filter(|at| *at <= next) {
                    read(at, &mut waiting)?;
                }
                now = next;
                waiting.push_back((now, by_us));
                deadline = read(now, &mut waiting)?;
            }
            if let Some(at) = deadline {
                read(at, &mut waiting)?;
            }
            prop_assert!(waiting.is_empty(), "every event is read");
        }
    }
}
