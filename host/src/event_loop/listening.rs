//! What has to be heard for a set of plugins: the groups, what may be left out of them, and whether a replica of the table is
//! kept.
//!
//! Apart from the loop, so that `ctwarden check` shows what the daemon decides and has no rules of its own.

use ctwarden_engine::Subscribed;
use ctwarden_model::Filter;

use crate::config::ReplicaUse;
use crate::netlink::{Ends, Groups};

/// What the event socket is set to.
pub(crate) struct Listening {
    /// Groups that are joined.
    pub(crate) groups: Groups,
    /// Events outside of these may be left out; empty: none.
    pub(crate) filters: Vec<Filter>,
    /// Which ends of flows are heard with all that the kernel tells of them.
    pub(crate) ends: Ends,
    /// Whether a replica of the table is kept, which has to hear of the begin and end of every flow.
    pub(crate) replica: bool,
}

impl Listening {
    /// For what plugins want.
    pub(crate) fn of(subscribed: Subscribed, replica: ReplicaUse) -> Self {
        let replica = replica.is_wanted(subscribed.selects);
        let groups = Groups {
            new: subscribed.kinds.new || replica,
            update: subscribed.kinds.update,
            destroy: subscribed.kinds.destroy || replica,
            expectations: subscribed.expectations,
        };
        let filters = if replica { Vec::new() } else { subscribed.filters };
        // The copy needs no more of an end than whose it is.
        let ends = Ends { others: subscribed.kinds.destroy, own: subscribed.own_ends };
        Self { groups, filters, ends, replica }
    }
}
