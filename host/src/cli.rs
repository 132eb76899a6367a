//! The command line: one file for each verb, and how each of them ends.

mod check;
mod demo;
mod run;
mod send;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Where the configuration is looked for.
const CONFIGURATION: &str = "/etc/ctwarden/ctwarden.toml";

/// A WASI-sandboxed policy host for Linux connection tracking.
#[derive(Parser)]
#[command(name = "ctwarden", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Status(status::Status),
    Send(send::Send),
    Demo(demo::Demo),
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Run(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Status(verb) => verb.run(),
        Verb::Send(verb) => verb.run(),
        Verb::Demo(verb) => verb.run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Causes follow on the same line: whoever reads a log by lines gets the whole of it.
            crate::log::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
