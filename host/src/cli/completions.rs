//! `ctwarden completions`: what a shell needs to complete words of the program.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::out::Out;
use crate::manual::{self, Shell};

/// Print completions for a shell, of ctwarden and of conntrack by that name
///
/// Bash: ctwarden completions bash > /etc/bash_completion.d/ctwarden. Zsh: into a file _ctwarden of a folder in $fpath.
/// Fish: into ~/.config/fish/completions/ctwarden.fish.
#[derive(Args)]
pub(super) struct Completions {
    /// Shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode> {
        write!(Out::plain(), "{}", manual::completions(self.shell, super::definition()))?;
        Ok(ExitCode::SUCCESS)
    }
}
