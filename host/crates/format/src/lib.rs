//! The texts of the conntrack command: what it prints, what it reads, and its command lines.
//!
//! Kept apart because scripts depend on every byte of them and nothing else does: no clock, no I/O, no unsafe, and no
//! panic whatever the text is.
//!
//! A writer is a function of a module that is named after the form ([`text`], [`xml`], [`save`], [`json`], [`proc`],
//! [`statistics`]): it appends one entry to a buffer, without a line's end, so that a table of a million entries is
//! printed through one buffer. [`PrintOptions`] is what the command's `-o` adds, [`EventContext`] is the event that it tells of. [`read`]
//! takes one line of any of these forms back.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod append;
mod civil_time;
pub mod command;
mod event_context;
pub mod json;
mod label_map;
mod names;
mod print_options;
pub mod proc;
pub mod read;
pub mod save;
pub mod statistics;
pub mod text;
pub mod xml;

pub use civil_time::CivilTime;
pub use event_context::{EventContext, Userspace};
pub use label_map::LabelMap;
pub use print_options::PrintOptions;
