//! Rustup as a source of the target's libraries: one download and no build.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Target, Toolchain, installed};
use crate::process;
use crate::progress::Progress;

/// Time limit for about 30 MB. If a firewall drops the connection, rustup alone would retry for many minutes.
const LIMIT: Duration = Duration::from_secs(180);

/// Adds the target to the compiler in use.
pub(super) fn provide(progress: &Progress, target: Target) -> Result<Toolchain> {
    if process::find("rustup").is_none() {
        bail!("rustup is not installed; install it to use `rustup target add {}`", target.triple())
    }
    progress.say(&format!("rustup target add {} (at most {} s)", target.triple(), LIMIT.as_secs()));
    // A failed download is no defect of rustup, so its backtrace is not printed.
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target.triple()]).env("RUST_BACKTRACE", "0");
    process::run_within(&mut rustup, LIMIT)
        .context("rustup could not add the target; check that its server is reachable")?;
    installed::provide(target)
}
