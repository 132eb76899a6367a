//! Panics in `configure`.
//!
//! This guest shows that a plugin that fails before its first entry fails like any other plugin.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Provoked, Subscription, Verdict};

pub struct Traps;

impl Provoked for Traps {
    fn misbehave() -> Vec<Verdict> {
        Vec::new()
    }

    #[expect(clippy::panic, reason = "it is what this guest is for")]
    fn configure(_configuration: &str) -> Result<Subscription, String> {
        panic!("this configuration was too much")
    }
}

plugin::export_plugin!(Traps);
