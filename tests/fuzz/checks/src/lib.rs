//! Properties that hold for any bytes from outside: one check for each reader of untrusted bytes.
//!
//! `cargo xtask fuzz NAME` searches for bytes that break a check. `tests/fuzz/corpus/NAME` has the interesting bytes of
//! such searches, and `tests/replay.rs` feeds them to the checks in every test run.

mod components;
mod lines;
pub mod messages;
mod verdicts;

/// A check and its name, which is also the name of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The name as `cargo xtask fuzz` accepts it.
    pub name: &'static str,
    /// Panics if the bytes show a fault.
    pub check: fn(&[u8]),
}

pub const CHECKS: &[Check] = &[
    Check { name: "components", check: components::check },
    Check { name: "configurations", check: ctwarden::fuzzing::configuration },
    Check { name: "control-requests", check: ctwarden::fuzzing::control_request },
    Check { name: "databases", check: ctwarden::fuzzing::database },
    Check { name: "filters", check: ctwarden::fuzzing::filter },
    Check { name: "json-lines", check: lines::json },
    Check { name: "list-lines", check: ctwarden::fuzzing::list_line },
    Check { name: "lists", check: ctwarden::fuzzing::list },
    Check { name: "messages", check: messages::check },
    Check { name: "saved-lines", check: lines::saved },
    Check { name: "text-lines", check: lines::text },
    Check { name: "verdicts", check: verdicts::check },
];

/// Finds the check with this name.
#[must_use]
pub fn find(name: &str) -> Option<Check> {
    CHECKS.iter().copied().find(|check| check.name == name)
}
