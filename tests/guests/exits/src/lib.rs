//! Calls `exit`.
//!
//! It shows that what a plugin ends so is itself and not the daemon.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Provoked, Verdict};

/// The plugin.
pub struct Exits;

impl Provoked for Exits {
    fn misbehave() -> Vec<Verdict> {
        std::process::exit(3)
    }
}

plugin::export_plugin!(Exits);
