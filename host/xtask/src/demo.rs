//! `cargo xtask demo`: builds and starts the demonstration from a fresh clone.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::progress::Progress;
use crate::toolchain::Origin;
use crate::{components, guests, packages, process, tree};

/// Runs the command; `arguments` go to the program.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let forced = Origin::forced()?;
    let mut progress = Progress::new();
    progress.step("checking what the build needs", |progress| packages::ensure(progress, &[packages::BUILD]))?;
    progress.step("bundled policies, as WebAssembly components", |progress| {
        guests::build(progress, &tree::plugins()?, forced)
    })?;
    progress.step("ctwarden and its demo (the first time this compiles wasmtime: a few minutes)", |_| {
        let mut cargo = process::cargo();
        // Builds all binaries of the workspace, as the tests do: wasmtime then has the same features and is compiled
        // once.
        cargo.args(["build", "--locked", "--workspace", "--bins", "--target-dir"]).arg(tree::target());
        process::run(cargo.current_dir(tree::root()))
    })?;
    progress.say("ctwarden-demo");
    // Replaces this process, so that signals, terminal and exit status belong to the demo.
    let program = tree::demo_binary();
    let mut demo = Command::new(&program);
    demo.arg("--program").arg(tree::host_binary()).arg("--plugins").arg(components::folder());
    let error = demo.args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
