//! The outputs of the engine: what the program has to do.

use alloc::boxed::Box;
use alloc::string::String;

use ctwarden_model::{Effect, EffectId, Record};

use crate::{Delivery, Granted, Lookup, MessageOutcome, PluginId, SelectionRequest, SweepRequest, Ticket};

/// One thing for the program to do. A program matches all variants, so that none is forgotten.
#[derive(Debug)]
pub enum Output {
    /// A change of the kernel state, to be carried out in this order. Answer with [`crate::Engine::handle_ack`]. The
    /// blocks of one plugin answer come before its deletes. The deletes come only after the kernel has answered the
    /// blocks.
    Effect(EffectId, Granted<Effect>),
    /// A request for one entry. Answer with [`crate::Engine::handle_lookup`].
    Lookup(Lookup),
    /// A call of a plugin. Answer with [`crate::Engine::handle_answer`].
    Call(Delivery),
    /// A request for flows that the program knows. Answer with [`crate::Engine::handle_known`] while
    /// [`crate::Engine::ready_for_selected`], then [`crate::Engine::handle_sweep_end`].
    Selection(SelectionRequest),
    /// A request to read the table. Answer with [`crate::Engine::handle_row`] while [`crate::Engine::ready_for_rows`],
    /// then [`crate::Engine::handle_sweep_end`].
    Sweep(SweepRequest),
    /// A plugin that needs a fresh instance. Answer with [`crate::Engine::handle_started`] or
    /// [`crate::Engine::handle_start_failed`].
    Restart(PluginId),
    /// The result of a message, once all its verdicts have ended or [`crate::EngineBounds::message_wait`] is over.
    Reply(Ticket, Box<MessageOutcome>),
    /// A record to write.
    Record(Record),
    /// Why the daemon has to end: a plugin failed, and its operator configured the daemon to exit in that case.
    Exit(String),
}

/// Whether the program can begin to read the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableReader {
    Free,
    /// The program reads the table for another reason, or has not yet decided how to read it. A due sweep stays due.
    Busy,
}
