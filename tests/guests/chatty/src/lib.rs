//! Writes as many lines as its configuration gives, and bytes that no log should contain. When provoked, it writes
//! without end.
//!
//! This guest shows that a plugin cannot fill the log or the host's memory with its output.

#[path = "../../plugin.rs"]
mod plugin;

use std::io::Write;

use plugin::{Provoked, Subscription, Verdict, everything};

pub struct Chatty;

impl Provoked for Chatty {
    fn misbehave() -> Vec<Verdict> {
        // No one reads the result, because a write cannot fail here.
        while writeln!(std::io::stdout(), "for ever").is_ok() {}
        Vec::new()
    }

    /// Writes as many lines as the configuration gives, then a line that moves a terminal's cursor, and a line without
    /// end.
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
