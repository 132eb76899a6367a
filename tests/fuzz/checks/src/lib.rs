//! What holds for any bytes from outside: one check for each reader of untrusted bytes.
//!
//! `cargo xtask fuzz NAME` searches for bytes that break a check. The bytes that such searches have found interesting lie in
//! `tests/fuzz/corpus/NAME`, and `tests/replay.rs` feeds them to the checks in every test run.

mod components;
mod lines;
pub mod messages;
mod verdicts;

/// A check and its name, which is also the name of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// In the form that `cargo xtask fuzz` takes.
    pub name: &'static str,
    /// Panics where the bytes show a fault.
    pub check: fn(&[u8]),
}

pub const CHECKS: &[Check] = &[
    Check { name: "components", check: components::check },
    Check { name: "configurations", check: ctwarden::fuzzing::configuration },
    Check { name: "control-requests", check: ctwarden::fuzzing::control_request },
    Check { name: "filters", check: ctwarden::fuzzing::filter },
    Check { name: "json-lines", check: lines::json },
    Check { name: "list-lines", check: ctwarden::fuzzing::list_line },
    Check { name: "messages", check: messages::check },
    Check { name: "saved-lines", check: lines::saved },
    Check { name: "text-lines", check: lines::text },
    Check { name: "verdicts", check: verdicts::check },
];

/// The check of that name.
#[must_use]
pub fn find(name: &str) -> Option<Check> {
    CHECKS.iter().copied().find(|check| check.name == name)
}
