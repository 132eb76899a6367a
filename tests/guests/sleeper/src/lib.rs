//! Sleeps: without end when provoked, and for the milliseconds of its configuration.
//!
//! This guest uses no processor time, so only a limit by the clock can end it.

#[path = "../../plugin.rs"]
mod plugin;

use std::time::Duration;

use plugin::{Provoked, Subscription, Verdict, everything};

pub struct Sleeper;

impl Provoked for Sleeper {
    fn misbehave() -> Vec<Verdict> {
        std::thread::sleep(Duration::MAX);
        Vec::new()
    }

    /// Sleeps for the milliseconds of the configuration, if it is a number.
    fn configure(configuration: &str) -> Result<Subscription, String> {
        if let Ok(milliseconds) = configuration.trim().parse() {
            std::thread::sleep(Duration::from_millis(milliseconds));
        }
        Ok(everything())
    }
}

plugin::export_plugin!(Sleeper);
