//! `cargo xtask dist`: builds the programs as packages have them. The conntrack command needs linker settings that no
//! manifest can express, and packaging and measuring must use the same ones.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::toolchain::Origin;
use crate::{guests, packages, process, tree};

const PROFILE: &str = "dist";
const DAEMON: &str = "ctwarden";
const COMMAND: &str = "conntrack";
/// Where the program looks for compiled policies (`host/src/plugins/native_code.rs`).
const SECTION: &str = ".ctwarden.code";

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
    let program = program(DAEMON);
    carry_compiled_builtins(&program).context("cannot add the compiled policies to the program")?;
    Ok(program)
}

/// Adds a section with the machine code of the bundled policies to the program, so that a first start compiles nothing. The
/// program itself has the compiler, so the code exists only after the program is linked.
fn carry_compiled_builtins(program: &Path) -> Result<()> {
    let code = program.with_extension("code");
    let output = Command::new(program).arg("compile-builtins").output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::write(&code, &output.stdout)?;
    let with_code = program.with_extension("new");
    let mut objcopy = Command::new("objcopy");
    let section = format!("{SECTION}={}", code.display());
    // A program that has the section already keeps only the new one.
    objcopy.args(["--remove-section", SECTION, "--add-section", &section]);
    objcopy.args(["--set-section-flags", &format!("{SECTION}=noload,readonly")]).arg(program).arg(&with_code);
    process::run(&mut objcopy)?;
    fs::rename(&with_code, program)?;
    Ok(())
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
