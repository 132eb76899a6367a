//! What the verdicts of a call are about: the entries that the plugin received, or the message.

use alloc::sync::Arc;

use ctwarden_model::{Cause, Entries, ExpectationEvent};

use crate::Ticket;
use crate::ids::RoundId;
use crate::verdicts::ends::Told;

/// The subject of a call that has no answer yet.
#[derive(Debug)]
pub(crate) enum CallContext {
    /// A part of a round.
    Entries {
        round: RoundId,
        /// Whether the entries are whole (rows) or thin (events).
        cause: Cause,
        entries: Entries,
        /// When the kernel reported the entries.
        told: Told,
    },
    Expectations {
        round: RoundId,
        events: Arc<[ExpectationEvent]>,
    },
    /// A turn without entries, or a tick.
    Nothing,
    Message(Ticket),
}

impl CallContext {
    /// The round that waits for the answer.
    pub(crate) const fn round(&self) -> Option<RoundId> {
        match self {
            Self::Entries { round, .. } | Self::Expectations { round, .. } => Some(*round),
            Self::Nothing | Self::Message(_) => None,
        }
    }

    /// Whether the entries of the call are events, not rows.
    pub(crate) const fn is_of_events(&self) -> bool {
        matches!(self, Self::Entries { cause: Cause::Events, .. })
    }

    /// The message that waits for the answer.
    pub(crate) const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Message(ticket) => Some(*ticket),
            Self::Entries { .. } | Self::Expectations { .. } | Self::Nothing => None,
        }
    }

    /// Number of delivered entries.
    pub(crate) fn entries(&self) -> u64 {
        match self {
            Self::Entries { entries, .. } => entries.len() as u64,
            Self::Expectations { events, .. } => events.len() as u64,
            Self::Nothing | Self::Message(_) => 0,
        }
    }
}
