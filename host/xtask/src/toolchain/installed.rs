//! Looks for the target's libraries in the compiler in use: the quickest and most common case.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Target, Toolchain};
use crate::process;

/// The installed toolchain, if it has the target.
pub(super) fn provide(target: Target) -> Result<Toolchain> {
    let compiler = process::read(Command::new("rustc").arg("-V"))?;
    let compiler = compiler.trim();
    let Some(library) = library(target)? else {
        bail!("{compiler} has no {0}; `rustup target add {0}` installs it", target.triple())
    };
    Ok(Toolchain {
        name: format!("{compiler}, {} as installed", target.triple()),
        identity: format!("installed: {compiler}, {library}\n"),
        environment: Vec::new(),
    })
}

/// The file name of the target's library. rustc puts a hash of the library's source into it.
fn library(target: Target) -> Result<Option<String>> {
    let folder = process::read(Command::new("rustc").args(["--print", "target-libdir", "--target", target.triple()]))?;
    let folder = Path::new(folder.trim());
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut found = None;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(target.library()) && name.ends_with(".rlib") {
            found = Some(name);
        }
    }
    Ok(found)
}
