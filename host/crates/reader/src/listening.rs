//! Which events the event socket receives for a set of plugins, and whether a replica is kept.

use alloc::vec::Vec;

use ctwarden_engine::Subscribed;
use ctwarden_model::{EventKinds, Filter};

/// How the event socket is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Kinds of flow events that are received; the kernel sends no rows.
    pub kinds: EventKinds,
    /// Whether events of the expectation table are received.
    pub expectations: bool,
    /// Other events may be dropped; empty: none.
    pub filters: Vec<Filter>,
    /// Whether ends are decoded in full: those that ctwarden did not bring about, and its own.
    pub others_ends: bool,
    pub own_ends: bool,
    /// Whether a replica of the table is kept.
    pub replica: bool,
}

impl Listening {
    /// What plugins want. The replica has to hear of the begin and end of every flow, and of an end only whose it is.
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
    fn the_replica_hears_of_every_begin_and_end_and_needs_no_more_of_an_end_than_its_key() {
        let kinds = EventKinds { update: true, ..EventKinds::default() };
        let listening = Listening::new(subscribed(kinds), true);
        assert_eq!(listening.kinds, EventKinds { new: true, update: true, destroy: true, row: false });
        assert!(listening.filters.is_empty() && !listening.others_ends && !listening.own_ends);
    }
}
