//! The program `ctwarden`: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    ctwarden::run()
}
