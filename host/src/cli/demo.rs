//! `ctwarden demo`: the whole of it on the real kernel, in a network of its own, and checked against the kernel's
//! table.
//!
//! It exists so that a person sees in half a minute what ctwarden does, and so that a machine can be told fit or not:
//! the exit status is 0 only where every check held.

mod checks;
mod house;
mod screen;
mod story;
mod warden;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::house::House;
use self::screen::Screen;
use crate::lab::{Lab, Plan, isolate};

/// Where packages put the bundled policies.
const PACKAGED: &str = "/usr/lib/ctwarden/plugins";

/// Show the bundled policies at work on real traffic, in a network of its own
///
/// Needs root or user namespaces, touches nothing of this machine's network and leaves nothing behind. Exit status 0:
/// every check held.
#[derive(Args)]
pub(super) struct Demo {
    /// Directory of the bundled policies [default: plugins beside the program, else /usr/lib/ctwarden/plugins]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Print records of JSON, one a line
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode> {
        let plugins = self.plugins()?;
        // Before the first thread: namespaces are left and entered by threads.
        let isolated = isolate()?;
        let lab = Lab::build(isolated, Plan { tcp_loose: false, ..Plan::default() })?;
        let house = House::build(&plugins)?;
        let mut screen = Screen::new(self.json);
        let held = story::tell(&lab, &house, &mut screen)?;
        Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plugins(&self) -> Result<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("plugins"));
        let given = self.plugins.clone();
        let Some(found) = given.or_else(|| beside().filter(|path| path.is_dir())).or_else(|| Some(PACKAGED.into()))
        else {
            bail!("no directory of policies");
        };
        std::path::absolute(&found).with_context(|| format!("cannot find {}", found.display()))
    }
}
