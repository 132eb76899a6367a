//! What is said to whoever watches the daemon's standard error: its own turns and its plugins' output.

use ctwarden_guest::LogStream;
use ctwarden_model::PluginName;

/// A line of the daemon itself.
pub(crate) fn say(line: &str) {
    eprintln!("ctwarden: {line}");
}

/// A line that a plugin wrote to its standard output or error.
pub(crate) fn plugin(name: &PluginName, stream: LogStream, line: &str) {
    match stream {
        LogStream::Output => eprintln!("{name}: {line}"),
        LogStream::Error => eprintln!("{name}: error: {line}"),
    }
}
