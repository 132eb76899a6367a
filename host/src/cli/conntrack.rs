//! `ctwarden conntrack`: the conntrack command, with its own syntax.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// Name of the command. A link of this name to the program runs the command, too.
pub(super) const NAME: &str = "conntrack";

/// List, change and watch the conntrack table, with the syntax of the conntrack command
///
/// The syntax is that of conntrack 1.4.9: `ctwarden conntrack -h` lists the options. The program conntrack, and a link
/// of that name to ctwarden, do the same.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(super) struct Conntrack {
    /// Arguments of the conntrack command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    words: Vec<OsString>,
}

impl Conntrack {
    pub(super) fn run(self) -> ExitCode {
        carry_out("ctwarden conntrack", self.words.into_iter())
    }
}

/// Runs the command; clap does not see its arguments. `called` is the name that the help shows.
pub(super) fn carry_out(called: &str, words: impl Iterator<Item = OsString>) -> ExitCode {
    ctwarden_conntrack::run(called, words)
}
