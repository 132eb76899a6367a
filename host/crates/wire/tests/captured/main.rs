//! Messages of a real kernel, compared with values written by hand and with a second decoder, and also cut and changed.
//!
//! The bytes are in the host byte order of the machine on which they were captured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may panic, and asks for one arm"
)]
#![cfg(target_endian = "little")]

mod cuts;
mod entry_file;
mod expected;
#[path = "../../../../../tests/fuzz/checks/src/messages.rs"]
#[allow(unreachable_pub, reason = "the crate of the fuzzer's checks exports it")]
mod messages;
mod oracle;
mod rewritten;
