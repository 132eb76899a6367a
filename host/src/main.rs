//! The program `ctwarden`: parse, run, exit.

mod cli;
mod clock;
mod config;
mod control;
mod drive;
mod effects;
mod log;
mod netlink;
mod plugins;
mod set_file;
mod sinks;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
