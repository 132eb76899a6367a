//! What holds for any bytes from outside: one check for each reader of untrusted bytes.
//!
//! `cargo xtask fuzz NAME` searches for bytes that break a check. The bytes that such searches have found interesting lie in
//! `tests/fuzz/corpus/NAME`, and `tests/replay.rs` feeds them to the checks in every test run.

pub mod messages;

/// A check and its name, which is also the name of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// In the form that `cargo xtask fuzz` takes.
    pub name: &'static str,
    /// Panics where the bytes show a fault.
    pub check: fn(&[u8]),
}

/// Every check.
pub const CHECKS: &[Check] = &[Check { name: "messages", check: messages::check }];

/// The check of that name.
#[must_use]
pub fn find(name: &str) -> Option<Check> {
    CHECKS.iter().copied().find(|check| check.name == name)
}
