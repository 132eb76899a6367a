//! A small program that must compile to a component. It detects a toolchain without a linker or with an incomplete
//! library before the first plugin is built.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Target, Toolchain};
use crate::{components, process};

const MANIFEST: &str = r#"
[package]
name = "smoke"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

# As the guest profile does: fat LTO finds libraries that were built without bitcode.
[profile.release]
lto = "fat"
panic = "abort"

[workspace]
"#;

/// Uses each part of std that a part of WASI implements, so that all of it has to link.
const SOURCE: &str = r#"
#[unsafe(no_mangle)]
pub extern "C" fn smoke() -> usize {
    let begin = std::time::Instant::now();
    let ages: std::collections::HashMap<u64, std::time::SystemTime> = [(7, std::time::SystemTime::now())].into();
    let spawned = std::thread::Builder::new().spawn(|| ()).is_ok();
    let connected = std::net::TcpStream::connect("127.0.0.1:9").is_ok();
    let read = std::fs::read("/nowhere").map_or(0, |bytes| bytes.len());
    std::thread::sleep(std::time::Duration::from_nanos(1));
    println!("{ages:?} {spawned} {connected} {read} {:?}", begin.elapsed());
    eprintln!("{}", std::env::vars().count());
    ages.len()
}
"#;

/// Compiles the program in `folder` and checks the output. The folder is created and removed again.
pub(super) fn check(toolchain: &Toolchain, folder: &Path) -> Result<()> {
    let result = build(toolchain, folder)
        .with_context(|| format!("the toolchain ({}) does not produce a component", toolchain.name));
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    result
}

fn build(toolchain: &Toolchain, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(folder.join("src").join("lib.rs"), SOURCE)?;
    let triple = Target::Component.triple();
    let output = folder.join("target");
    let mut cargo = toolchain.cargo();
    cargo.args(["build", "--quiet", "--offline", "--release", "--target", triple, "--target-dir"]).arg(&output);
    process::read(cargo.current_dir(folder))?;
    components::check(&output.join(triple).join("release").join("smoke.wasm"))
}
