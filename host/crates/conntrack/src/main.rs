//! The program `conntrack`, which packages install under that name: only the command, without the daemon.
//!
//! The daemon's program behaves the same when it is called by that name, but it is forty times as large. A small
//! program starts faster: `conntrack -C` in a script ends before the daemon's program has started.

use std::process::ExitCode;

/// Name in the help if the caller gave none.
const NAME: &str = "conntrack";

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_else(|| NAME.into());
    ctwarden_conntrack::run(&called.to_string_lossy(), words)
}
