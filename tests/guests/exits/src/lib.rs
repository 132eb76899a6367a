//! Calls `exit`.
//!
//! This guest shows that the call ends the plugin, but not the daemon.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Provoked, Verdict};

pub struct Exits;

impl Provoked for Exits {
    fn misbehave() -> Vec<Verdict> {
        std::process::exit(3)
    }
}

plugin::export_plugin!(Exits);
