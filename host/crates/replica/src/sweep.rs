//! Sweeps of the replica: the part of the table that a sweep reads, and what its end proves.
//!
//! A dump lists each entry that lives throughout it. So an entry that a complete dump does not list was absent at some
//! moment of the dump.

use ctwarden_model::{Family, Protocol, Zone};

use crate::address::Address;
use crate::record::Identity;
use crate::slab::Handle;

/// The part of the table that a sweep reads: the kernel's filter of the dump.
///
/// Only properties that a flow keeps for life divide the table into parts that add up. A flow whose mark or status
/// changes may move from a part that is not read yet to one that was, and both sweeps miss it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Only this family (`nfgen_family`).
    pub family: Option<Family>,
    pub zone: Option<Zone>,
    pub protocol: Option<Protocol>,
    /// The kernel's filter has another part (mark, status, an address). Flows that are not listed may still exist, so
    /// the end of such a sweep proves nothing. Its rows still confirm and add flows.
    pub partial: bool,
}

impl Slice {
    pub const ALL: Self = Self { family: None, zone: None, protocol: None, partial: false };

    /// Whether a flow belongs to the slice. `partial` may leave that open.
    pub(crate) fn covers<A: Address>(&self, identity: &Identity<A>) -> bool {
        self.covers_family(A::FAMILY)
            && self.zone.is_none_or(|zone| zone.0 == identity.zone)
            && self.protocol.is_none_or(|protocol| protocol.0 == identity.original.protocol)
    }

    pub(crate) fn covers_family(&self, family: Family) -> bool {
        self.family.is_none_or(|only| only == family)
    }

    /// Whether the slice holds all flows of the families that it covers.
    pub(crate) const fn is_of_whole_families(&self) -> bool {
        self.zone.is_none() && self.protocol.is_none() && !self.partial
    }
}

/// Identifies a running sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepToken(pub(crate) u32);

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepEnd {
    /// The dump was read to its end (`NLMSG_DONE`) and was consistent.
    Complete,
    /// The dump ended early or was inconsistent (`NLM_F_DUMP_INTR`).
    Interrupted,
}

#[derive(Debug)]
pub(crate) struct Running {
    /// The epoch that the sweep began. Records confirmed since then have that epoch or a later one.
    pub(crate) begin: u32,
    pub(crate) slice: Slice,
    /// Whether no event was lost since before the sweep began.
    pub(crate) clean: bool,
    /// Whether flows were rejected since the sweep began.
    pub(crate) turned_away: bool,
}

/// The remaining work after a sweep: the records that it has proved absent, and the records of ended flows.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) begin: u32,
    pub(crate) slice: Slice,
    /// Whether the sweep proves anything.
    pub(crate) proves: bool,
    /// Slots before this one are done.
    pub(crate) ipv4: Handle,
    pub(crate) ipv6: Handle,
}
