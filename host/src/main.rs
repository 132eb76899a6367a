//! The program `ctwarden`: parse, run, exit.

mod cli;
mod clock;
mod config;
mod control;
mod doctor;
mod drive;
mod effects;
mod lab;
mod log;
mod manual;
mod netlink;
mod niceness;
mod plugins;
mod set_file;
mod sinks;
mod store;
mod sys;
#[cfg(test)]
mod witness;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
