//! `cargo xtask test`: all checks and tests, the same on this machine and in CI. The tests need components, the program
//! itself and a few tools, and cargo alone provides none of them.

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::toolchain::Origin;
use crate::{components, example, guests, languages, no_os, packages, process, tree};

/// The environment variable that names the folder of components for the tests.
const GUESTS: &str = "CTWARDEN_GUESTS";
/// The environment variable that names the program for the tests.
const PROGRAM: &str = "CTWARDEN_BIN";
/// The environment variable that names the separate conntrack command for the tests.
const COMMAND: &str = "CTWARDEN_CONNTRACK";

/// The environment variable that names the agent for the tests.
const AGENT: &str = "CTWARDEN_AGENT";

/// Runs the command; `filters` go to the test runner.
pub(crate) fn run(filters: &[OsString]) -> Result<()> {
    let forced = Origin::forced()?;
    let mut progress = Progress::new();
    let result = steps(&mut progress, filters, forced);
    progress.print_table();
    result
}

fn steps(progress: &mut Progress, filters: &[OsString], forced: Option<Origin>) -> Result<()> {
    progress.step("packages", |progress| packages::ensure(progress, &[packages::BUILD, packages::TEST]))?;
    progress.step("guests", |progress| guests::build(progress, &guests::all()?, forced))?;
    // Elsewhere, the test of these components is skipped: their tools are a download of some hundred megabytes.
    if std::env::var_os("CI").is_some() {
        languages::build(progress)?;
    }
    // Selects the same crates as below, so that each crate is compiled once, with one set of features.
    progress.step("build program and tests", |_| {
        process::run(cargo("build").args(["--lib", "--bins", "--tests", "--examples"]))
    })?;
    // All test suites run even if one fails.
    let tests = progress.step("tests", |_| {
        let mut test = cargo("test");
        test.arg("--no-fail-fast").env("PATH", process::full_path()?);
        test.env(GUESTS, components::folder()).env(PROGRAM, tree::host_binary());
        test.env(COMMAND, tree::conntrack_binary()).env(AGENT, tree::agent_binary());
        if !filters.is_empty() {
            test.arg("--").args(filters);
        }
        process::run(&mut test)
    });
    let example = progress.step("example policy", |progress| example::check(progress, forced));
    let pure = progress.step("pure crates without an operating system", |progress| no_os::build(progress, forced));
    let failed: Vec<String> =
        [tests, example, pure].into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

fn cargo(command: &str) -> std::process::Command {
    let mut cargo = process::cargo();
    cargo.current_dir(tree::root()).args([command, "--locked", "--workspace", "--target-dir"]).arg(tree::target());
    cargo
}
