//! The rest between two dumps that only the replica needs.

use core::time::Duration;

use ctwarden_engine::rest_after;
use ctwarden_model::Steady;

/// Minimum rest between two such dumps.
const LEAST: Duration = Duration::from_secs(1);

/// When the replica may next request a dump for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResyncRest {
    over: Steady,
}

impl ResyncRest {
    pub(crate) const fn new(now: Steady) -> Self {
        Self { over: now }
    }

    /// A dump of the whole table has ended, complete or not. A dump of a part of the table does not help the replica
    /// and does not delay the replica's own dump.
    pub(crate) fn begin(&mut self, began: Steady, now: Steady) {
        self.over = now.plus(LEAST.max(rest_after(now.since(began))));
    }

    pub(crate) const fn over(self) -> Steady {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_short_dump_the_replica_rests_for_a_second() {
        let mut rest = ResyncRest::new(Steady(7));
        assert_eq!(rest.over(), Steady(7), "the first dump need not wait");
        let ended = Steady(7).plus(Duration::from_millis(249));
        rest.begin(Steady(7), ended);
        assert_eq!(rest.over(), ended.plus(Duration::from_secs(1)));
    }

    #[test]
    fn after_a_long_dump_the_replica_rests_four_times_as_long() {
        let mut rest = ResyncRest::new(Steady(7));
        let ended = Steady(7).plus(Duration::from_secs(3));
        rest.begin(Steady(7), ended);
        assert_eq!(rest.over(), ended.plus(Duration::from_secs(12)));
    }
}
