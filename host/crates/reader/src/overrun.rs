//! When to report an overrun to the engine. The engine then repairs the loss with a sweep.
//!
//! After the first dropped event, the kernel drops every further event until the socket was read empty
//! (`NETLINK_S_CONGESTED`, net/netlink/af_netlink.c). Only a sweep that begins after that moment finds every flow.

use core::time::Duration;

use ctwarden_model::Steady;

/// Maximum wait of the report for an empty socket. Under sustained load the socket is never empty, but plugins must
/// still learn that they missed events.
const PATIENCE: Duration = Duration::from_secs(1);

/// An overrun that was not reported to the engine yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OverrunReport {
    since: Option<Steady>,
}

impl OverrunReport {
    pub(crate) fn handle_overrun(&mut self, now: Steady) {
        self.since.get_or_insert(now);
    }

    /// A reading of the event socket has ended. Returns whether to report an overrun now. Each overrun is reported
    /// once.
    pub(crate) fn end_reading(&mut self, now: Steady, is_drained: bool) -> bool {
        self.since.take_if(|since| is_drained || now.since(*since) >= PATIENCE).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Steady = Steady(1_000_000_000);

    #[test]
    fn an_overrun_is_reported_once_the_socket_is_empty() {
        let mut report = OverrunReport::default();
        report.handle_overrun(START);
        assert!(!report.end_reading(START, false));
        assert!(report.end_reading(START, true));
        assert!(!report.end_reading(START, true), "once");
    }

    #[test]
    fn a_socket_that_is_never_empty_delays_the_report_by_a_second_at_most() {
        let mut report = OverrunReport::default();
        report.handle_overrun(START);
        report.handle_overrun(START.plus(PATIENCE / 2));
        assert!(!report.end_reading(START.plus(PATIENCE / 2), false));
        assert!(report.end_reading(START.plus(PATIENCE), false));
    }

    #[test]
    fn without_an_overrun_nothing_is_reported() {
        assert!(!OverrunReport::default().end_reading(START.plus(PATIENCE), true));
    }

    proptest! {
        #[test]
        fn every_overrun_is_reported_within_the_patience(
            readings in prop::collection::vec((0_u64..700, any::<bool>(), any::<bool>()), 1..100),
        ) {
            let mut report = OverrunReport::default();
            let mut now = START;
            let mut unreported: Option<Steady> = None;
            for (milliseconds, is_lost, is_drained) in readings {
                now = now.plus(Duration::from_millis(milliseconds));
                if is_lost {
                    report.handle_overrun(now);
                    unreported.get_or_insert(now);
                }
                let is_due = unreported.is_some_and(|since| is_drained || now.since(since) >= PATIENCE);
                let is_reported = report.end_reading(now, is_drained);
                prop_assert!(!is_reported || unreported.is_some(), "a report without an overrun");
                prop_assert!(is_reported || !is_due, "{:?} have passed", unreported.map(|since| now.since(since)));
                prop_assert!(is_due || !is_reported, "too early for a sweep that finds every flow");
                if is_reported {
                    unreported = None;
                }
            }
        }
    }
}
