//! Finds the programs under test and the components.
//!
//! `cargo xtask test` sets their paths in the environment. A plain `cargo test` takes the last build. If there is no
//! build, the failure names the command that makes it.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Said;

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a folder of the workspace");
    root.join("target")
}

fn there(variable: &str, otherwise: &str, built_by: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| target().join(otherwise), PathBuf::from);
    assert!(path.exists(), "{} is not there; build it: {built_by}", path.display());
    path
}

/// The daemon's program: `CTWARDEN_BIN`, or the result of `cargo build`.
#[must_use]
pub fn ctwarden() -> Command {
    let mut command = Command::new(there("CTWARDEN_BIN", "debug/ctwarden", "cargo build --package ctwarden"));
    command.env("LC_ALL", "C").env_remove("RUST_BACKTRACE");
    command
}

/// The program `conntrack` that packages install, with these arguments: `CTWARDEN_CONNTRACK`, or the result of
/// `cargo build`. `CTWARDEN_CONNTRACK` may also be a link of that name to `ctwarden`.
#[must_use]
pub fn conntrack(words: &[&str]) -> Command {
    let path = there("CTWARDEN_CONNTRACK", "debug/conntrack", "cargo build --package ctwarden-conntrack");
    let mut command = Command::new(path);
    command.env("LC_ALL", "C").env_remove("RUST_BACKTRACE").args(words);
    command
}

/// The program `ctwarden-agent`: `CTWARDEN_AGENT`, or the result of `cargo build`.
#[must_use]
pub fn agent() -> Command {
    Command::new(there("CTWARDEN_AGENT", "debug/ctwarden-agent", "cargo build --package ctwarden-agent"))
}

/// The same command inside the daemon's program: `ctwarden conntrack` with these arguments.
#[must_use]
pub fn conntrack_verb(words: &[&str]) -> Command {
    let mut command = ctwarden();
    command.arg("conntrack").args(words);
    command
}

/// The original, with these arguments: Debian's `conntrack`, or the program that `CONNTRACK_BIN` names.
#[must_use]
pub fn original(words: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CONNTRACK_BIN").unwrap_or_else(|| "conntrack".into()));
    command.env("LC_ALL", "C").args(words);
    command
}

/// The version of the original, such as `1.4.7`.
#[must_use]
pub fn original_version() -> String {
    // "conntrack v1.4.7 (conntrack-tools)"
    let said = Said::of(original(&["-V"]), "").good();
    let version = said.split_whitespace().find_map(|word| word.strip_prefix('v'));
    version.unwrap_or_else(|| panic!("no version: {said}")).to_owned()
}

/// Copies a program into a folder, for users who cannot reach the build folder.
#[must_use]
pub fn copy_of(program: &Command, folder: &Path) -> PathBuf {
    let program = Path::new(program.get_program());
    let copy = folder.join(program.file_name().expect("a program has a name"));
    // Another program copies it, because a file that is open for writing cannot be run. A program that another test
    // starts at this moment would inherit a descriptor that is open here.
    let mut cp = Command::new("cp");
    cp.arg("--dereference").arg(program).arg(&copy);
    let _ = Said::of(cp, "").good();
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("the copy is ours");
    copy
}

/// The component of a plugin or of a guest of the tests: in `CTWARDEN_GUESTS`, or in the folder of
/// `cargo xtask guests`.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let path = there("CTWARDEN_GUESTS", "guests/components", "cargo xtask guests").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is not there; build it: cargo xtask guests", path.display());
    path
}
