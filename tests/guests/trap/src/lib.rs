//! Executes `unreachable`: a plain trap without a message on standard error.
//!
//! This guest shows that a trap ends the plugin and nothing else.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Provoked, Verdict};

pub struct Trap;

impl Provoked for Trap {
    fn misbehave() -> Vec<Verdict> {
        #[cfg(target_family = "wasm")]
        core::arch::wasm32::unreachable();
        #[cfg(not(target_family = "wasm"))]
        std::process::abort();
    }
}

plugin::export_plugin!(Trap);
