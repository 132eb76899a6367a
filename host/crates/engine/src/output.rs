//! What the engine wants done.

use alloc::boxed::Box;
use alloc::string::String;

use ctwarden_model::{Effect, EffectId, Record};

use crate::{Delivery, Granted, Lookup, MessageOutcome, PluginId, SelectionRequest, SweepRequest, Ticket};

/// One thing that the program is to do. A program matches all of them, so that none is forgotten.
#[derive(Debug)]
pub enum Output {
    /// A change of the kernel, to be carried out in this order. To be answered with [`crate::Engine::handle_ack`]. Blocks of an
    /// answer come before its deletes, and these only after the answers to the blocks.
    Effect(EffectId, Granted<Effect>),
    /// An entry to be asked for. To be answered with [`crate::Engine::handle_lookup`].
    Lookup(Lookup),
    /// A call of a plugin. To be answered with [`crate::Engine::handle_answer`].
    Call(Delivery),
    /// Flows that the program knows. To be answered with [`crate::Engine::handle_known`] while
    /// [`crate::Engine::ready_for_selected`], then [`crate::Engine::handle_sweep_end`].
    Selection(SelectionRequest),
    /// The table is to be read. To be answered with [`crate::Engine::handle_row`] while [`crate::Engine::ready_for_rows`], then
    /// [`crate::Engine::handle_sweep_end`].
    Sweep(SweepRequest),
    /// A plugin of which a fresh instance is to be started. To be answered with [`crate::Engine::handle_started`] or
    /// [`crate::Engine::handle_start_failed`].
    Restart(PluginId),
    /// What came of a message, once all its verdicts have ended or [`crate::EngineBounds::message_wait`] is over.
    Reply(Ticket, Box<MessageOutcome>),
    /// A record to be written.
    Record(Record),
    /// Why the daemon has to end: a plugin failed whose operator wants that.
    Exit(String),
}

/// Whether the program can begin to read the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableReader {
    Free,
    /// It reads for another reason, or is not sure yet how the table is to be read: a sweep that is due stays due.
    Busy,
}
