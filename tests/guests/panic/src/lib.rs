//! Panics with a message.
//!
//! It shows that the author's words reach the operator, and that a panic is told from other traps.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Provoked, Verdict};

/// The plugin.
pub struct Panic;

impl Provoked for Panic {
    #[expect(clippy::panic, reason = "it is what this guest is for")]
    fn misbehave() -> Vec<Verdict> {
        panic!("no flow like this was ever planned for")
    }
}

plugin::export_plugin!(Panic);
