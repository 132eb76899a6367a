//! The texts of the conntrack command: what it prints, what it reads, and its command lines.
//!
//! Kept apart because scripts depend on every byte of them and nothing else does: no clock, no I/O, no unsafe, and no panic
//! whatever the text is.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod label_map;

pub use label_map::LabelMap;
