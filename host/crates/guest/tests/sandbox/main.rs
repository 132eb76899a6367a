//! The sandbox from both sides: the tests load every guest, call it and make it misbehave.
//!
//! The guests are real components. If one is missing, the tests fail and name the command that builds it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it says")]

mod behaves;
mod cached;
mod complete;
mod denied;
mod fails;
mod host;
mod languages;
mod loads;
mod setup;
mod values;
