//! The program `conntrack`, which packages install under that name: the command and nothing else.
//!
//! The daemon's program does the same when it is called so, but it is forty times as large, and what a program does not have
//! need not be made ready at its start: `conntrack -C` in a script is over before the other one had begun.

use std::process::ExitCode;

/// Name in the help where the caller gave none.
const NAME: &str = "conntrack";

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_else(|| NAME.into());
    ctwarden_conntrack::run(&called.to_string_lossy(), words)
}
