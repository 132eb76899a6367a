//! The texts of the conntrack command: its output, its input, and its command lines.
//!
//! Scripts depend on every byte of these texts. The crate has no clock, no I/O and no unsafe code, and it does not
//! panic on any input.
//!
//! - A writer is a function of the module named after the form: [`text`], [`xml`], [`save`], [`json`], [`proc`],
//!   [`statistics`]. It appends one entry to a buffer, without a line end, so a large table needs only one buffer.
//! - [`PrintOptions`] holds the additions that the command's `-o` requests. [`EventContext`] is the event of the entry.
//! - [`read`] parses one line of text, of `/proc` or of JSON into an entry.
//! - [`command`] is the grammar of the command lines.
//!
//! ```
//! use ctwarden_format::{EventContext, PrintOptions, read, text};
//! use ctwarden_model::Timestamp;
//!
//! let original = r#"{"src":"192.0.2.1","dst":"192.0.2.2","src_port":1000,"dst_port":53}"#;
//! let line = format!(r#"{{"protocol":"udp","timeout":30,"original":{original}}}"#);
//! let entry = read::line(&line, &read::Legend::PLAIN)?;
//!
//! let mut out = Vec::new();
//! text::flow(&mut out, &entry.flow, &EventContext::ROW, &PrintOptions::plain(Timestamp(0)));
//! let printed = String::from_utf8(out)?;
//! assert!(printed.starts_with("udp      17 30 src=192.0.2.1 dst=192.0.2.2 sport=1000 dport=53"), "{printed}");
//!
//! // A mistake is named with its column.
//! let error = read::line("udp 17 30 src=192.0.2.300", &read::Legend::PLAIN).unwrap_err();
//! assert_eq!(error.column, 15);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
