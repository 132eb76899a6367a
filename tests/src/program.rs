//! Where the program under test and the components are.
//!
//! `cargo xtask test` says where; a plain `cargo test` finds what was built last, and where nothing was, the failure says
//! which command builds it.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a folder of the workspace");
    root.join("target")
}

fn there(variable: &str, otherwise: &str, built_by: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| target().join(otherwise), PathBuf::from);
    assert!(path.exists(), "{} is not there; build it: {built_by}", path.display());
    path
}

/// The program under test: `CTWARDEN_BIN`, or what `cargo build` made.
#[must_use]
pub fn ctwarden() -> Command {
    let mut command = Command::new(there("CTWARDEN_BIN", "debug/ctwarden", "cargo build --package ctwarden"));
    command.env("LC_ALL", "C").env_remove("RUST_BACKTRACE");
    command
}

/// A copy of the program in a folder, for users who cannot reach where it was built.
#[must_use]
pub fn copy_of_ctwarden(folder: &Path) -> PathBuf {
    let copy = folder.join("ctwarden");
    fs::copy(ctwarden().get_program(), &copy).expect("the program can be copied");
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("the copy is ours");
    copy
}

/// The component of a plugin or of a guest of the tests: in `CTWARDEN_GUESTS`, or where `cargo xtask guests` puts it.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let path = there("CTWARDEN_GUESTS", "guests/components", "cargo xtask guests").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is not there; build it: cargo xtask guests", path.display());
    path
}
