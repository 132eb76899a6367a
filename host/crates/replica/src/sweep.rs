//! Sweeps as the replica sees them: what part of the table is read, and what its end proves.
//!
//! A dump lists each entry that lives throughout it; so what a complete one does not list was absent at some moment in it.

use ctwarden_model::{Family, Protocol, Zone};

use crate::address::Address;
use crate::record::Identity;
use crate::slab::Handle;

/// The part of the table that a sweep reads: the kernel's filter of the dump.
///
/// Only what a flow keeps for life can cut the table into parts that add up. A flow whose mark or status changes may move
/// from a part that is not read yet into one that was, and be missed by both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Only this family (`nfgen_family`).
    pub family: Option<Family>,
    pub zone: Option<Zone>,
    pub protocol: Option<Protocol>,
    /// The kernel's filter has another part (mark, status, an address): what is not listed may be there all the same, so the
    /// end of such a sweep proves nothing; its rows still confirm and teach.
    pub partial: bool,
}

impl Slice {
    pub const ALL: Self = Self { family: None, zone: None, protocol: None, partial: false };

    /// Whether a flow lies in it, as far as `partial` leaves that open.
    pub(crate) fn covers<A: Address>(&self, identity: &Identity<A>) -> bool {
        self.covers_family(A::FAMILY)
            && self.zone.is_none_or(|zone| zone.0 == identity.zone)
            && self.protocol.is_none_or(|protocol| protocol.0 == identity.original.protocol)
    }

    pub(crate) fn covers_family(&self, family: Family) -> bool {
        self.family.is_none_or(|only| only == family)
    }

    /// Whether it holds all flows of the families that it covers.
    pub(crate) const fn is_of_whole_families(&self) -> bool {
        self.zone.is_none() && self.protocol.is_none() && !self.partial
    }
}

/// Names a running sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepToken(pub(crate) u32);

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepEnd {
    /// It was read to its end (`NLMSG_DONE`) and was consistent.
    Complete,
    /// It ended early or was inconsistent (`NLM_F_DUMP_INTR`).
    Interrupted,
}

#[derive(Debug)]
pub(crate) struct Running {
    /// The epoch that it began: what was confirmed since has that epoch or a later one.
    pub(crate) begin: u32,
    pub(crate) slice: Slice,
    /// No event was lost since before it began.
    pub(crate) clean: bool,
    /// Flows were turned away since it began.
    pub(crate) turned_away: bool,
}

/// What is left to do after a sweep: the records that it has proved absent, and the memories of ended flows.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) begin: u32,
    pub(crate) slice: Slice,
    /// Whether it proves anything.
    pub(crate) proves: bool,
    /// Places before are done.
    pub(crate) ipv4: Handle,
    pub(crate) ipv6: Handle,
}
