//! Sleeps: for ever when provoked, and for as many milliseconds as its configuration says.
//!
//! It uses no processor time, so that only a limit by the clock can end it.

#[path = "../../plugin.rs"]
mod plugin;

use std::time::Duration;

use plugin::{Provoked, Subscription, Verdict, everything};

/// The plugin.
pub struct Sleeper;

impl Provoked for Sleeper {
    fn misbehave() -> Vec<Verdict> {
        std::thread::sleep(Duration::MAX);
        Vec::new()
    }

    /// Sleeps for as many milliseconds as the configuration says, if it is a number.
    fn configure(configuration: &str) -> Result<Subscription, String> {
        if let Ok(milliseconds) = configuration.trim().parse() {
            std::thread::sleep(Duration::from_millis(milliseconds));
        }
        Ok(everything())
    }
}

plugin::export_plugin!(Sleeper);
