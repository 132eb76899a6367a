//! Writes: as many lines as its configuration says, bytes that no log should hold, and without end when it is provoked.
//!
//! It shows that a plugin cannot fill the log or hold the host's memory by writing.

#[path = "../../plugin.rs"]
mod plugin;

use std::io::Write;

use plugin::{Provoked, Subscription, Verdict, everything};

/// The plugin.
pub struct Chatty;

impl Provoked for Chatty {
    fn misbehave() -> Vec<Verdict> {
        // Nobody reads the answer of a write that cannot fail.
        while writeln!(std::io::stdout(), "for ever").is_ok() {}
        Vec::new()
    }

    /// As many lines as the configuration says, then one without end and one that moves a terminal's cursor.
    fn configure(configuration: &str) -> Result<Subscription, String> {
        for number in 0..configuration.trim().parse().unwrap_or(0) {
            println!("line {number}");
        }
        let mut error = std::io::stderr();
        let written = error.write_all(b"\x1b[2Jred\xff\n").and_then(|()| error.write_all(&[b'x'; 5000]));
        written.map_err(|error| error.to_string())?;
        Ok(everything())
    }
}

plugin::export_plugin!(Chatty);
