//! The grammar of the conntrack command: words become a [`Command`], or the error that its users know.
//!
//! Kept apart from whoever carries a command out, because which words are legal together, what they mean and how a mistake is
//! told is a large set of facts of its own, and all of it can be settled without a kernel. The facts are those of conntrack
//! 1.4.9, its quirks included; our own additions go through the same machinery.

mod change;
mod create;
mod error;
mod surroundings;
mod value;

pub use change::{Change, MarkChange};
pub use create::{Create, Nat};
pub use error::{NOTHING_MATCHED, Problem, Refused, VERSION};
pub use surroundings::Surroundings;
pub use value::{Command, Delete, Events, ExpectationTemplate, Form, Get, List, Output, Parsed, Source, Table, Update};
