//! Words from outside to a plugin, and what came of them.
//!
//! The sender of a ban wants to know what became of it, not only that it was delivered; so a reply waits, within bounds,
//! for the outcomes of the verdicts that the message brought about.

use alloc::string::String;

use ctwarden_model::Tally;
use thiserror::Error;

use crate::VerdictCounts;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// No plugin of that name is configured.
    #[error("no plugin is named \"{0}\"; `ctwarden status` lists them")]
    Unknown(String),
    /// It is between a failure and a restart, or quarantined.
    #[error("plugin {0} does not run at the moment; `ctwarden status` says why and until when")]
    NotRunning(String),
    /// Too many messages wait in front of it.
    #[error("plugin {plugin} has {limit} messages waiting; send the rest when these are answered")]
    QueueFull {
        /// Whose queue.
        plugin: String,
        /// How many may wait.
        limit: usize,
    },
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOutcome {
    /// The plugin's text, or why there is none: it refused, it failed, or it was replaced before it got the message.
    pub result: Result<String, String>,
    /// Verdicts that the message brought about, by kind and outcome.
    pub verdicts: VerdictCounts,
    /// Outcomes of the flows that those verdicts were about, one by one.
    pub flows: Tally,
    /// Verdicts whose outcome was not known when the wait ended; their records come later.
    pub open: u64,
}
