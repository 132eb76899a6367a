//! `cargo xtask lint`: all automatic checks of the source text.

use std::process::Command;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::{interface, licences, packages, process, rust_version, tree};

/// Runs every check. All failed checks are named at the end.
pub(crate) fn run() -> Result<()> {
    let mut progress = Progress::new();
    packages::ensure(&progress, &[packages::BUILD])?;
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(error) = progress.step(name, check) {
            progress.say(&format!("{name}: {error:#}"));
            failed.push(*name);
        }
    }
    progress.print_table();
    if !failed.is_empty() {
        bail!("these checks failed: {}", failed.join(", "));
    }
    Ok(())
}

type Check = fn(&Progress) -> Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("formatting", |_| process::run(cargo("fmt").args(["--all", "--check"]))),
    ("rust-version", |_| rust_version::check()),
    ("licences and sources", |_| licences::check()),
    ("released interfaces", |_| interface::check()),
    ("cargo-deny", deny),
    ("clippy", |_| process::run(workspace("clippy").args(["--all-targets", "--", "-D", "warnings"]))),
    ("documentation", |_| process::run(workspace("doc").arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))),
];

/// Checks bans, licences and sources as in `deny.toml`. Advisories are left out: their database is a download that CI
/// cannot reach, and it changes under the same commit.
fn deny(progress: &Progress) -> Result<()> {
    if process::find("cargo-deny").is_none() {
        // Compiling cargo-deny takes longer than all other checks together. Licences and sources are checked above in
        // any case.
        progress.say("skipped: cargo-deny is not installed (`cargo install --locked cargo-deny`)");
        return Ok(());
    }
    progress.say("advisories are not checked: their database is not part of the clone");
    process::run(cargo("deny").args(["--offline", "--locked", "check", "bans", "licenses", "sources"]))
}

fn workspace(command: &str) -> Command {
    let mut cargo = cargo(command);
    cargo.args(["--locked", "--workspace", "--target-dir"]).arg(tree::target());
    cargo
}

fn cargo(command: &str) -> Command {
    let mut cargo = process::cargo();
    cargo.arg(command).current_dir(tree::root());
    cargo
}
