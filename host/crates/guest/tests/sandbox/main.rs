//! The sandbox, tried from both sides: every guest of the tests is loaded, called and made to misbehave.
//!
//! The guests are real components; without them there is nothing to test, so a missing one fails with the command that
//! builds it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it says")]

mod behaves;
mod cached;
mod complete;
mod denied;
mod fails;
mod host;
mod loads;
mod setup;
mod values;
