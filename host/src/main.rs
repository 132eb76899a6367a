//! The program `ctwarden`: parses the command line, runs the command, and exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    ctwarden::run()
}
