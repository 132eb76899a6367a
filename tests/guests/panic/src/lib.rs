//! Panics with a message.
//!
//! This guest shows that the author's message reaches the operator, and that the host distinguishes a panic from other
//! traps.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Provoked, Verdict};

pub struct Panic;

impl Provoked for Panic {
    #[expect(clippy::panic, reason = "it is what this guest is for")]
    fn misbehave() -> Vec<Verdict> {
        panic!("no flow like this was ever planned for")
    }
}

plugin::export_plugin!(Panic);
