//! The command line: one file for each verb, and the exit status of the program.

mod add;
mod builtin;
mod check;
mod claims;
mod completions;
mod conntrack;
mod doctor;
mod explain;
mod man;
mod mode;
mod observe;
mod out;
mod pause;
mod reload;
mod remove;
mod resume;
mod run;
mod send;
mod split;
mod status;
mod try_run;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Default path of the configuration file.
const CONFIGURATION: &str = "/etc/ctwarden/ctwarden.toml";

/// The daemon has answered another request.
const UNEXPECTED: &str = "unexpected answer from the daemon; use the daemon's own version";

/// A WASI-sandboxed policy host for Linux connection tracking.
#[derive(Parser)]
#[command(name = "ctwarden", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// Selects the daemon that a verb talks to.
#[derive(Args)]
struct Socket {
    /// Configuration file of the daemon, which names its control socket
    #[arg(long, value_name = "FILE", default_value = CONFIGURATION)]
    config: PathBuf,
    /// Control socket of the daemon, instead of the one in the configuration file
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
}

impl Socket {
    fn path(&self) -> Result<PathBuf> {
        match &self.socket {
            Some(path) => Ok(path.clone()),
            None => Ok(crate::config::control_socket(&self.config)?),
        }
    }
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Builtin(builtin::Builtin),
    Explain(explain::Explain),
    Try(try_run::Try),
    Status(status::Status),
    Send(send::Send),
    Add(add::Add),
    Remove(remove::Remove),
    Claims(claims::Claims),
    Observe(observe::Observe),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Mode(mode::Mode),
    Reload(reload::Reload),
    Doctor(doctor::Doctor),
    Conntrack(conntrack::Conntrack),
    Man(man::Man),
    Completions(completions::Completions),
}

/// The clap definition of the whole command line, for man pages and completions.
pub(crate) fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Parses the command line, runs the verb, and returns the exit status.
pub fn run() -> ExitCode {
    // First, because the loading process must give up its rights before it does anything else.
    if std::env::args_os().nth(1).is_some_and(|word| word == crate::plugins::LOADER_VERB) {
        return crate::plugins::serve_as_loader();
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == crate::plugins::COMPILE_VERB) {
        return match crate::plugins::compile_builtins() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(status) = as_conntrack(std::env::args_os()) {
        return status;
    }
    let status = carry_out(Cli::parse().verb);
    crate::log::flush();
    status
}

fn carry_out(verb: Verb) -> ExitCode {
    let outcome = match verb {
        Verb::Run(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Builtin(verb) => verb.run(),
        Verb::Explain(verb) => verb.run(),
        Verb::Try(verb) => verb.run(),
        Verb::Status(verb) => verb.run(),
        Verb::Send(verb) => verb.run(),
        Verb::Add(verb) => verb.run(),
        Verb::Remove(verb) => verb.run(),
        Verb::Claims(verb) => verb.run(),
        Verb::Observe(verb) => verb.run(),
        Verb::Pause(verb) => verb.run(),
        Verb::Resume(verb) => verb.run(),
        Verb::Mode(verb) => verb.run(),
        Verb::Reload(verb) => verb.run(),
        Verb::Doctor(verb) => verb.run(),
        Verb::Conntrack(verb) => Ok(verb.run()),
        Verb::Man(verb) => verb.run(),
        Verb::Completions(verb) => verb.run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Causes follow on the same line, and each problem has its own line, because logs are read by lines.
            crate::log::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the conntrack command if the command line names it: as `ctwarden conntrack …`, or because this program was
/// called by the name `conntrack`. The command has its own grammar, so its arguments bypass clap.
fn as_conntrack(mut words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let called = words.next()?;
    if Path::new(&called).file_name()? == conntrack::NAME {
        return Some(conntrack::carry_out(&called.to_string_lossy(), words));
    }
    if words.next()? == conntrack::NAME {
        let called = format!("{} {}", called.to_string_lossy(), conntrack::NAME);
        return Some(conntrack::carry_out(&called, words));
    }
    None
}
