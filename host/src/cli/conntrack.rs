//! `ctwarden conntrack`: everything that the conntrack command does, in its own words.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// Name of the command, and of the link through which this program is that command.
pub(super) const NAME: &str = "conntrack";

/// List, change and watch the connection tracking table, in the words of the conntrack command
///
/// The words are those of conntrack 1.4.9: `ctwarden conntrack -h` lists them. The program conntrack, and a link of that name to
/// this one, do the same.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(super) struct Conntrack {
    /// Words of the conntrack command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    words: Vec<OsString>,
}

impl Conntrack {
    pub(super) fn run(self) -> ExitCode {
        carry_out("ctwarden conntrack", self.words.into_iter())
    }
}

/// Does it without a look at the words.
pub(super) fn carry_out(called: &str, words: impl Iterator<Item = OsString>) -> ExitCode {
    ctwarden_conntrack::run(called, words)
}
