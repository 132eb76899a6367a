//! Messages of a real kernel against values written by hand, against a second decoder, cut, and bent.
//!
//! The bytes are in the host byte order of the machine that they were captured on.
#![cfg(target_endian = "little")]

mod cuts;
mod entry_file;
mod expected;
#[path = "../../../../../tests/fuzz/fuzz_one.rs"]
mod fuzz_one;
mod oracle;
mod rewritten;
