//! Rust's standard library, compiled from Debian's source. Debian ships the compiled library for its own architectures
//! only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::toolchain::{Target, bare_cargo};

const MANIFEST: &str = "[package]\nname = \"nothing\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";

/// Where the compiler looks for a target's libraries, relative to the toolchain.
pub(super) fn folder(target: Target) -> PathBuf {
    ["usr", "lib", "rustlib", target.triple(), "lib"].iter().collect()
}

/// Compiles the library and puts it into `folder`.
///
/// Cargo's `build-std` is the only supported way to build the library outside the compiler's own build. `build-std` is
/// unstable, and this one build tells the compiler to accept that. Crates compiled with the result need no unstable
/// feature.
pub(super) fn build(target: Target, work: &Path, place: &Path) -> Result<()> {
    let package = work.join(target.triple());
    fs::create_dir_all(package.join("src"))?;
    fs::write(package.join("Cargo.toml"), MANIFEST)?;
    fs::write(package.join("src").join("lib.rs"), "#![no_std]\n")?;
    // Code for bare metal never runs here, so it is not optimised.
    let (parts, profile, output) = match target {
        Target::Component => ("build-std=std,panic_abort", "release", "release"),
        Target::BareMetal => ("build-std=core,alloc", "dev", "debug"),
    };
    let mut cargo = bare_cargo();
    cargo.args(["build", "--quiet", "--profile", profile, "-Z", parts, "--target", target.triple(), "--target-dir"]);
    cargo.arg(package.join("target")).current_dir(&package);
    cargo.env("RUSTC", place.join("bin").join("rustc")).env("RUSTC_BOOTSTRAP", "1");
    // Bitcode for the guests' fat LTO. The source is removed afterwards, so its paths would lead nowhere.
    let link = place.join("usr").join("lib").join("rustlib").join("src").join("rust");
    let source =
        fs::canonicalize(&link).with_context(|| format!("no source of the standard library in {}", link.display()))?;
    let flags = [
        "-Cembed-bitcode=yes".to_owned(),
        "-Cdebuginfo=0".to_owned(),
        format!("--remap-path-prefix={}=/rust", source.display()),
        format!("--remap-path-prefix={}=/rust", link.display()),
    ];
    // The form in which a path may contain spaces.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    process::run(&mut cargo)?;
    install(&package.join("target").join(target.triple()).join(output).join("deps"), &place.join(folder(target)))
}

fn install(built: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut count = 0;
    for entry in fs::read_dir(built).with_context(|| format!("cannot list {}", built.display()))? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libnothing-") {
            fs::copy(&file, folder.join(&name))?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("the build produced no library in {}", built.display());
    }
    Ok(())
}
