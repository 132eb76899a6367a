//! The content of a line: the entry, its time and its event.

use alloc::string::String;

use ctwarden_model::{EventKind, Expectation, Flow, Timestamp};

use crate::{EventContext, Userspace};

/// An entry as read from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A row, or the kind of event.
    pub kind: EventKind,
    /// Wall time in front of the line.
    pub time: Option<Timestamp>,
    pub flow: Flow,
    /// Seconds that the flow lasted (`delta-time=`), up to the time of printing if it has not ended. With the time of
    /// printing this gives the start of the flow.
    pub lasted: Option<u64>,
    /// Netlink port of the program that caused the event.
    pub portid: Option<u32>,
    pub program: Option<String>,
}

impl Entry {
    /// When the line was printed, if known: the time in front of it, or else the end of the duration of a flow that has
    /// not ended.
    #[must_use]
    pub fn printed_at(&self) -> Option<Timestamp> {
        let lasted = self.lasted.filter(|_| self.flow.stopped.is_none());
        let end = || Some(Timestamp(self.flow.started?.0.checked_add(lasted?.checked_mul(1_000_000_000)?)?));
        self.time.or_else(end)
    }

    /// The event, for printing the entry again.
    #[must_use]
    pub fn event_context(&self) -> EventContext<'_> {
        let userspace = self.portid.map(|portid| Userspace { portid, program: self.program.as_deref() });
        EventContext { kind: self.kind, userspace }
    }
}

/// An expectation as read from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationEntry {
    /// A row, or the kind of event.
    pub kind: EventKind,
    /// Wall time in front of the line.
    pub time: Option<Timestamp>,
    pub expectation: Expectation,
    /// Netlink port of the program that caused the event.
    pub portid: Option<u32>,
    pub program: Option<String>,
}

impl ExpectationEntry {
    /// The event, for printing the entry again.
    #[must_use]
    pub fn event_context(&self) -> EventContext<'_> {
        let userspace = self.portid.map(|portid| Userspace { portid, program: self.program.as_deref() });
        EventContext { kind: self.kind, userspace }
    }
}
