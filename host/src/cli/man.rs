//! `ctwarden man`: prints a man page, or writes all of them into a directory.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::out::Out;
use crate::manual;

/// Print a man page, or write all of them
///
/// Without VERB, prints the page of ctwarden itself. To read a page: ctwarden man doctor | man -l -
#[derive(Args)]
pub(super) struct Man {
    /// Verb whose page to print
    #[arg(conflicts_with = "dir")]
    verb: Option<String>,
    /// Write every page into this directory, and create it if needed: ctwarden.1, ctwarden-VERB.1, conntrack.8
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut out = Out::plain();
        match self.dir {
            None => write!(out, "{}", manual::page(super::definition(), self.verb.as_deref())?)?,
            Some(folder) => {
                let written = manual::write_all(&super::definition(), &folder)
                    .with_context(|| format!("cannot write man pages into {}", folder.display()))?;
                for file in written {
                    writeln!(out, "{}", folder.join(file).display())?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
