//! The program `ctwarden-demo` runs ctwarden on the real kernel, in its own network, and checks the result against the
//! kernel's table.
//!
//! A person sees in half a minute what ctwarden does. The exit status tells a program whether ctwarden works on this
//! machine: it is 0 only if every check held.

mod checks;
mod colour;
mod daemon;
mod daemon_files;
mod interrupts;
mod scenario;
mod tether;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ctwarden_lab::{Lab, Plan, isolate};

use daemon_files::DaemonFiles;
use view::View;

/// Directory of the bundled policies in installed packages.
const PACKAGED: &str = "/usr/lib/ctwarden/plugins";

/// Show the bundled policies at work on real traffic, in a network of its own
///
/// Needs root or user namespaces, touches nothing of this machine's network and leaves nothing behind. Exit status 0:
/// every check held.
#[derive(Parser)]
#[command(name = "ctwarden-demo", version)]
struct Demo {
    /// The program ctwarden [default: ctwarden beside this program]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Directory of the bundled policies [default: plugins beside this program, else /usr/lib/ctwarden/plugins]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Print records of JSON, one a line
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let outcome = match tether::become_program() {
        Some(error) => Err(error),
        None => Demo::parse().run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ctwarden-demo: {}", ctwarden_model::text::line(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

impl Demo {
    /// Returns true if every check held.
    fn run(self) -> Result<bool> {
        let (program, plugins) = (self.program()?, self.plugins()?);
        // Both calls come before the first thread, because threads inherit blocked signals and namespaces.
        let blocked = interrupts::block()?;
        let isolated = isolate()?;
        let interrupts = blocked.watch()?;
        let lab = Lab::build(isolated, Plan { tcp_loose: false, ..Plan::default() })?;
        let files = DaemonFiles::create(&plugins)?;
        scenario::play(&lab, &program, &files, &interrupts, &mut View::new(self.json))
    }

    fn program(&self) -> Result<PathBuf> {
        let found = match &self.program {
            Some(given) => std::path::absolute(given)?,
            None => std::env::current_exe()?.with_file_name("ctwarden"),
        };
        if !found.is_file() {
            bail!("there is no program {}; build it with: cargo build --package ctwarden", found.display());
        }
        Ok(found)
    }

    fn plugins(&self) -> Result<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.with_file_name("plugins"));
        let given = self.plugins.clone();
        let found = given.or_else(|| beside().filter(|path| path.is_dir())).unwrap_or_else(|| PACKAGED.into());
        std::path::absolute(&found).with_context(|| format!("cannot find {}", found.display()))
    }
}
