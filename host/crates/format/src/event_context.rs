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
    /// Its program, if known.
    pub program: Option<&'a str>,
}

/// The kind of event and its cause. A row of a list is a kind of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventContext<'a> {
    /// A row, or the kind of event.
    pub kind: EventKind,
    /// The process that caused the event; `None` for a packet or a timer.
    pub userspace: Option<Userspace<'a>>,
}

impl EventContext<'_> {
    /// A row of a list, or the answer to a command.
    pub const ROW: Self = Self::of(EventKind::Row);

    /// An event without a known userspace cause.
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

    /// Writes the start of a text line.
    pub(crate) fn write_prefix(&self, out: &mut Vec<u8>) {
        out.text(match self.kind {
            EventKind::Row => "",
            EventKind::New => "    [NEW] ",
            EventKind::Update => " [UPDATE] ",
            EventKind::Destroy => "[DESTROY] ",
        });
    }

    /// Writes the end of a text line.
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
