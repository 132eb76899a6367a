//! The grammar of the conntrack command: parses words into a [`Command`], or into the error that its users know.
//!
//! Parsing is separate from execution. Which words may be combined, what they mean and how a mistake is reported are many
//! facts, and none of them needs a kernel. The facts are those of conntrack 1.4.9, quirks included. ctwarden's own options
//! use the same code.

mod address;
mod change;
mod create;
mod entries;
mod entry_line;
mod environment;
mod error;
mod help;
mod legal;
mod line;
mod named;
mod number;
mod option;
mod parse;
mod protocol;
mod protocol_part;
mod saved;
mod settle;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod verb;
mod words;

pub use change::{Change, MarkChange};
pub use create::{Create, Nat};
pub use environment::Environment;
pub use error::{NOTHING_MATCHED, Problem, Refused, VERSION};
pub use help::help;
pub use line::{is_saved_entry, line, saved_entry, words};
pub use option::{Argument, Group, OPTIONS, OptionDefinition};
pub use parse::parse;
pub use protocol::{PROTOCOLS, ProtocolDefinition, ProtocolOption};
pub use value::{Command, Delete, Events, ExpectationTemplate, Form, Get, List, Output, Parsed, Source, Table, Update};
pub use verb::{COMMANDS, CommandDefinition, Verb, Verbs};
