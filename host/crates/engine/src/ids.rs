//! Names of things that the engine hands out and gets back.
//!
//! Each is a type of its own and is never given twice in the life of an engine, so that an answer that comes late, after
//! a reload or a restart, can never be taken for an answer to something else.

/// One plugin of one configuration: a reload gives a plugin of the same name a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub u32);

/// One call of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// One reading of the kernel's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SweepId(pub u32);

/// Gives each reading of the table its name.
#[derive(Debug, Default)]
pub(crate) struct SweepIds(u32);

impl SweepIds {
    pub(crate) const fn take(&mut self) -> SweepId {
        let id = SweepId(self.0);
        self.0 = self.0.wrapping_add(1);
        id
    }
}

/// One verdict over a selection, or one that asked for rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectionId(pub(crate) VerdictId);

/// One message from outside, until its reply is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One question for a whole entry, until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// One verdict on its way to its record: in their order, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VerdictId {
    pub(crate) number: u64,
    pub(crate) place: usize,
}

/// Entries that were offered to several plugins at once and whose verdicts are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoundId(pub(crate) u64);

/// Blocks that must be in place before deletes of the same answers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GateId(pub(crate) u64);
