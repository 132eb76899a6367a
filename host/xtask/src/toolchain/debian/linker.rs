//! The linker `wasm-component-ld`, which turns the output of LLVM's linker into a component. The linking must use the
//! compiler's own LLVM: another LLVM could not read the compiler's bitcode for fat LTO.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::{self, Apt};
use super::write_wrapper;
use crate::process;
use crate::progress::Progress;
use crate::toolchain::bare_cargo;

/// The version that comes with Rust 1.95.
const VERSION: &str = "0.5.21";

/// Puts both linkers into `place` and returns the name and version of the outer one. The outer linker links the
/// libraries, whose paths are relative to `place`, into every component.
pub(super) fn install(
    progress: &Progress,
    apt: &Apt,
    llvm: &str,
    libraries: &[PathBuf],
    work: &Path,
    place: &Path,
) -> Result<String> {
    for package in apt.download(&[format!("lld-{llvm}")], &work.join("linker"))? {
        apt::unpack(&package, place)?;
    }
    let outer = place.join("usr").join("bin").join("wasm-component-ld");
    match of_this_rust()? {
        Some(own) => fs::copy(own, &outer).map(drop)?,
        None => from_registry(progress, work, &outer)?,
    }
    // The arguments of rustc come first: they begin with `-flavor`, which is refused anywhere else.
    let mut last = format!(" --wasm-ld-path \"$here/usr/bin/wasm-ld-{llvm}\"");
    for library in libraries {
        last.push_str(&format!(" \"$here/{}\"", library.display()));
    }
    let wrapper = write_wrapper(place, "wasm-component-ld", "usr/bin/wasm-component-ld", &last)?;
    let version = process::read(Command::new(wrapper).arg("--version")).context("the linker does not run here")?;
    Ok(version.trim().to_owned())
}

/// The linker of Rust's own distribution, which contains the linker whatever targets are installed.
fn of_this_rust() -> Result<Option<PathBuf>> {
    let sysroot = process::read(Command::new("rustc").args(["--print", "sysroot"]))?;
    let rustlib = Path::new(sysroot.trim()).join("lib").join("rustlib");
    let linker = rustlib.join("x86_64-unknown-linux-gnu").join("bin").join("wasm-component-ld");
    Ok(linker.is_file().then_some(linker))
}

/// Builds the linker for a Rust that was packaged without it.
fn from_registry(progress: &Progress, work: &Path, place: &Path) -> Result<()> {
    progress.say(&format!("this Rust has no wasm-component-ld: compiling version {VERSION} of it, a minute or two"));
    let root = work.join("wasm-component-ld");
    let mut install = bare_cargo();
    install.args(["install", "--quiet", "--locked", "--version", VERSION, "wasm-component-ld", "--root"]).arg(&root);
    process::run(install.arg("--target-dir").arg(root.join("target")))?;
    fs::copy(root.join("bin").join("wasm-component-ld"), place)?;
    Ok(())
}
