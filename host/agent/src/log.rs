//! Lines on standard error, for the journal of a service.

use std::io::Write;

use ctwarden_model::text;

/// Writes one line. A standard error that cannot be written has nobody to tell.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "ctwarden-agent: {}", text::line(&line.replace('\n', "; ")));
}
