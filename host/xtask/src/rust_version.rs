//! Checks that CI compiles with `rust-version`, the oldest compiler that the manifest promises. A newer compiler would
//! accept code that the promised one refuses. Cargo itself refuses a compiler that is older.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, tree};

/// `rust-version` of the workspace.
pub(crate) const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Compares the image of the CI file with the manifest, and in CI also the compiler in use.
pub(crate) fn check() -> Result<()> {
    let file = tree::ci_workflow();
    let workflow = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    match image_version(&workflow) {
        Some(OLDEST) => {}
        image => bail!(
            "rust-version in Cargo.toml is {OLDEST}, and {} uses the image of Rust {}; make them equal",
            file.display(),
            image.unwrap_or("none")
        ),
    }
    if std::env::var_os("CI").is_none() {
        return Ok(());
    }
    let compiler = process::read(Command::new("rustc").arg("-V"))?;
    if !is_of(&compiler, OLDEST) {
        bail!("rust-version in Cargo.toml is {OLDEST}, and CI compiles with {}; make them equal", compiler.trim());
    }
    Ok(())
}

/// The version in `image: rust:1.95-bookworm`.
fn image_version(workflow: &str) -> Option<&str> {
    let image = workflow.lines().find_map(|line| line.trim().strip_prefix("image: rust:"))?;
    image.split('-').next()
}

/// Whether `rustc -V` names a patch release of that version.
fn is_of(compiler: &str, version: &str) -> bool {
    let rest = compiler.strip_prefix("rustc ").and_then(|rest| rest.strip_prefix(version));
    rest.is_some_and(|rest| rest.starts_with(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_whole() {
        assert_eq!(image_version("    container:\n      image: rust:1.95-bookworm\n"), Some("1.95"));
        assert_eq!(image_version("      image: debian:12\n"), None);
        assert!(is_of("rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95"));
        assert!(!is_of("rustc 1.96.0 (x)\n", "1.95") && !is_of("rustc 1.950.0 (x)\n", "1.95"));
    }

    #[test]
    fn the_image_of_ci_is_that_of_the_manifest() {
        assert_eq!(image_version(&fs::read_to_string(tree::ci_workflow()).unwrap()), Some(OLDEST));
    }
}
