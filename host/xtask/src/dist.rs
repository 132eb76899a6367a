//! `cargo xtask dist`: builds the programs as packages have them. The conntrack command needs linker settings that no
//! manifest can express, and packaging and measuring must use the same ones.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::toolchain::Origin;
use crate::{guests, packages, process, tree};

const PROFILE: &str = "dist";
const DAEMON: &str = "ctwarden";
const COMMAND: &str = "conntrack";

/// Runs the command; `names` are the wanted programs, and none means all.
pub(crate) fn run(names: &[OsString]) -> Result<()> {
    if let Some(other) = names.iter().find(|name| *name != DAEMON && *name != COMMAND) {
        bail!("no such program: {}; dist builds {DAEMON} and {COMMAND}", other.display());
    }
    let mut progress = Progress::new();
    progress.step("packages", |progress| packages::ensure(progress, &[packages::BUILD]))?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one == name);
    if wanted(DAEMON) {
        // The daemon contains the bundled policies.
        progress.step("policies", |progress| guests::build(progress, &tree::plugins()?, Origin::forced()?))?;
    }
    for (name, build) in [(COMMAND, conntrack as fn() -> Result<PathBuf>), (DAEMON, ctwarden)] {
        if wanted(name) {
            let program = progress.step(name, |_| build())?;
            progress.say(&format!("{}", program.display()));
        }
    }
    Ok(())
}

/// Builds the daemon. This compiles wasmtime with fat LTO and takes many minutes.
pub(crate) fn ctwarden() -> Result<PathBuf> {
    process::run(cargo("build").args(["--package", "ctwarden"]))?;
    Ok(program(DAEMON))
}

/// Builds the conntrack command without shared libraries. Loading them takes longer than all the work of
/// `conntrack -C`. The command uses no name service; a name service would require the C library of the target machine.
pub(crate) fn conntrack() -> Result<PathBuf> {
    let mut cargo = cargo("rustc");
    cargo.args(["--package", "ctwarden-conntrack", "--bin", COMMAND, "--", "-C", "target-feature=+crt-static"]);
    process::run(&mut cargo).context(
        "if the linker lacked libc.a: Debian has it in libc6-dev, Fedora in glibc-static; \
         `cargo build --profile dist -p ctwarden-conntrack` links the shared one",
    )?;
    Ok(program(COMMAND))
}

fn cargo(command: &str) -> Command {
    let mut cargo = process::cargo();
    cargo.args([command, "--locked", "--profile", PROFILE, "--target-dir"]).arg(tree::target());
    cargo.current_dir(tree::root());
    cargo
}

fn program(name: &str) -> PathBuf {
    tree::target().join(PROFILE).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_none_is_named() {
        assert!(run(&["contrack".into()]).unwrap_err().to_string().contains("contrack"));
    }
}
