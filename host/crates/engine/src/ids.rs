//! Ids that the engine hands out and gets back.
//!
//! Each id has a type of its own and is given only once in the life of an engine. An answer that comes late, after a
//! reload or a restart, therefore cannot be taken for the answer to something else.

/// One plugin of one configuration. After a reload, a plugin of the same name has a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub u32);

/// One call of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// One sweep, or one answer to selections without a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SweepId(pub u32);

/// Allocates the ids of sweeps.
#[derive(Debug, Default)]
pub(crate) struct SweepIds(u32);

impl SweepIds {
    pub(crate) const fn take(&mut self) -> SweepId {
        let id = SweepId(self.0);
        self.0 = self.0.wrapping_add(1);
        id
    }
}

/// A verdict over a selection, or a verdict that requests rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectionId(pub(crate) VerdictId);

/// One message of the operator, until its reply is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One lookup of an entry, until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// A verdict that has no record yet. Ids are ordered by `number`; `place` is the slot of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VerdictId {
    pub(crate) number: u64,
    pub(crate) place: usize,
}

/// Entries that were offered to several plugins at once. Their verdicts are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoundId(pub(crate) u64);

/// Blocks that must be in place before deletes of the same answers are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GateId(pub(crate) u64);
