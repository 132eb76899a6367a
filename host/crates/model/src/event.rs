//! What the kernel reports about a flow.

use crate::Flow;

/// How ctwarden learned of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The entry of a dump. The name is that of the WIT.
    Row,
    /// Event of the group `NFNLGRP_CONNTRACK_NEW`.
    New,
    /// Event of the group `NFNLGRP_CONNTRACK_UPDATE`.
    Update,
    /// Event of the group `NFNLGRP_CONNTRACK_DESTROY`.
    Destroy,
}

/// A set of [`EventKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventKinds {
    pub row: bool,
    pub new: bool,
    pub update: bool,
    pub destroy: bool,
}

impl EventKinds {
    #[must_use]
    pub const fn contains(self, kind: EventKind) -> bool {
        match kind {
            EventKind::Row => self.row,
            EventKind::New => self.new,
            EventKind::Update => self.update,
            EventKind::Destroy => self.destroy,
        }
    }

    /// The kinds that are in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            row: self.row || other.row,
            new: self.new || other.new,
            update: self.update || other.update,
            destroy: self.destroy || other.destroy,
        }
    }
}

/// An entry, and how ctwarden learned of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// Whether a request of this process caused the event (`nlmsg_pid` is one of its ports).
    pub by_us: bool,
    pub flow: Flow,
}
