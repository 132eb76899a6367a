//! Which events the event socket receives for a set of plugins, and whether there is a replica.

use alloc::vec::Vec;

use ctwarden_engine::Subscribed;
use ctwarden_model::{EventKinds, Filter};

/// Configuration of the event socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Kinds of flow events to receive. The kernel sends no rows.
    pub kinds: EventKinds,
    /// Whether to receive events of the expectation table.
    pub expectations: bool,
    /// Events that match none of these filters may be dropped. If empty, no event may be dropped.
    pub filters: Vec<Filter>,
    /// Whether to decode in full the ends that ctwarden did not cause (`others_ends`) and those it caused (`own_ends`).
    pub others_ends: bool,
    pub own_ends: bool,
    /// Whether a replica of the table is kept.
    pub replica: bool,
}

impl Listening {
    /// Combines the subscriptions of the plugins with the needs of the replica. The replica needs an event for the
    /// begin and end of every flow. Of an end it needs only the flow key.
    #[must_use]
    pub fn new(subscribed: Subscribed, replica: bool) -> Self {
        let Subscribed { kinds, filters, own_ends, selects: _, expectations } = subscribed;
        Self {
            kinds: EventKinds { row: false, new: kinds.new || replica, destroy: kinds.destroy || replica, ..kinds },
            expectations,
            filters: if replica { Vec::new() } else { filters },
            others_ends: kinds.destroy,
            own_ends,
            replica,
        }
    }

    /// Also receives the begin and the end of every flow, whoever caused it.
    #[must_use]
    pub fn with_every_flow(self) -> Self {
        let kinds = EventKinds { new: true, destroy: true, ..self.kinds };
        Self { kinds, filters: Vec::new(), others_ends: true, own_ends: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use ctwarden_model::Family;

    use super::*;

    fn subscribed(kinds: EventKinds) -> Subscribed {
        let filters = vec![Filter { family: Some(Family::Ipv6), ..Filter::default() }];
        Subscribed { kinds, filters, ..Subscribed::default() }
    }

    #[test]
    fn without_a_replica_only_what_plugins_want_is_received() {
        let kinds = EventKinds { update: true, ..EventKinds::default() };
        let listening = Listening::new(subscribed(kinds), false);
        assert_eq!((listening.kinds, listening.filters.len(), listening.others_ends), (kinds, 1, false));
    }

    #[test]
    fn who_follows_flows_hears_of_every_begin_and_end() {
        let kinds = EventKinds { update: true, ..EventKinds::default() };
        let listening = Listening::new(subscribed(kinds), false).with_every_flow();
        assert_eq!(listening.kinds, EventKinds { new: true, update: true, destroy: true, row: false });
        assert!(listening.filters.is_empty() && listening.others_ends && listening.own_ends && !listening.replica);
    }

    #[test]
    fn the_replica_hears_of_every_begin_and_end_and_needs_no_more_of_an_end_than_its_key() {
        let kinds = EventKinds { update: true, ..EventKinds::default() };
        let listening = Listening::new(subscribed(kinds), true);
        assert_eq!(listening.kinds, EventKinds { new: true, update: true, destroy: true, row: false });
        assert!(listening.filters.is_empty() && !listening.others_ends && !listening.own_ends);
    }
}
