//! Calls of plugins: what is handed to one and what it answers.
//!
//! A plugin has at most one call outstanding, so that its thread is all the concurrency there is and a batch that kills
//! it is known.

use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Batch, ExpectationBatch, Fault, Reply, Timestamp, Verdict};

use crate::{CallId, PluginId};

/// One call to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whom.
    pub plugin: PluginId,
    /// Which call; the answer names it.
    pub call: CallId,
    /// What to call it with.
    pub what: Call,
}

/// Which function of a plugin is called, with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `judge`.
    Judge(Batch),
    /// `judge-expectations`.
    JudgeExpectations(ExpectationBatch),
    /// `tick`.
    Tick(Timestamp),
    /// `message`.
    Message {
        /// When it is delivered.
        now: Timestamp,
        /// The message.
        text: String,
    },
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of `judge`, `judge-expectations` and `tick`.
    Verdicts(Vec<Verdict>),
    /// Of `message`.
    Reply(Reply),
    /// Of `message`: the plugin would not have it; one line for the sender.
    MessageRefused(String),
    /// It failed; what it returned is void and its instance is not called again.
    Fault(Fault),
}
