//! `ctwarden completions`: prints the script that lets a shell complete the program's arguments.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::out::Out;
use crate::manual::{self, Shell};

/// Print shell completions of ctwarden and of the conntrack command
///
/// Bash: ctwarden completions bash > /etc/bash_completion.d/ctwarden. Zsh: write the output to a file _ctwarden in a
/// directory of $fpath. Fish: write it to ~/.config/fish/completions/ctwarden.fish.
#[derive(Args)]
pub(super) struct Completions {
    /// Shell to print completions for
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode> {
        write!(Out::plain(), "{}", manual::completions(self.shell, super::definition()))?;
        Ok(ExitCode::SUCCESS)
    }
}
