//! The event that an entry is printed for.
//!
//! Rows of a list and events share their text. Only the kind of the event and the program that caused it differ.

use alloc::vec::Vec;

use ctwarden_model::EventKind;

use crate::append::Append;

/// The process whose request caused an event (`nlmsg_pid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Userspace<'a> {
    pub portid: u32,
    /// Its program, where that could be found.
    pub program: Option<&'a str>,
}

/// The kind of event and its cause. A row of a list is a kind of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventContext<'a> {
    /// A row, or which event.
    pub kind: EventKind,
    /// Who caused the event, where it was not a packet or a timer.
    pub userspace: Option<Userspace<'a>>,
}

impl EventContext<'_> {
    /// A row of a list, or the answer to a command.
    pub const ROW: Self = Self::of(EventKind::Row);

    /// That nobody in userspace caused, or nobody cares who did.
    #[must_use]
    pub const fn of(kind: EventKind) -> Self {
        Self { kind, userspace: None }
    }

    /// Name of the event, in lower case.
    pub(crate) const fn name(&self) -> Option<&'static str> {
        match self.kind {
            EventKind::Row => None,
            EventKind::New => Some("new"),
            EventKind::Update => Some("update"),
            EventKind::Destroy => Some("destroy"),
        }
    }

    /// What a line of text begins with.
    pub(crate) fn write_prefix(&self, out: &mut Vec<u8>) {
        out.text(match self.kind {
            EventKind::Row => "",
            EventKind::New => "    [NEW] ",
            EventKind::Update => " [UPDATE] ",
            EventKind::Destroy => "[DESTROY] ",
        });
    }

    /// What a line of text ends in.
    pub(crate) fn write_userspace(&self, out: &mut Vec<u8>) {
        let Some(Userspace { portid, program }) = self.userspace else { return };
        out.text(" [USERSPACE] portid=");
        out.decimal(portid);
        if let Some(program) = program {
            out.text(" progname=");
            out.plain(program);
        }
    }
}
