//! What the kernel said of a flow.

use crate::Flow;

/// How an entry came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A row of a dump.
    Row,
    /// `NFNLGRP_CONNTRACK_NEW`.
    New,
    /// `NFNLGRP_CONNTRACK_UPDATE`.
    Update,
    /// `NFNLGRP_CONNTRACK_DESTROY`.
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
    /// Whether the kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: EventKind) -> bool {
        match kind {
            EventKind::Row => self.row,
            EventKind::New => self.new,
            EventKind::Update => self.update,
            EventKind::Destroy => self.destroy,
        }
    }

    /// What is in either set.
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

/// One entry with how it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// Whether a request of this process caused it (`nlmsg_pid` is one of our ports).
    pub by_us: bool,
    pub flow: Flow,
}
