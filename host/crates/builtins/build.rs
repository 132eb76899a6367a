//! Finds the compiled components and the rule files, and generates the lists that include them.
//!
//! Cargo cannot make this crate depend on crates for another target. So `cargo xtask guests` compiles the components
//! first. Without them this crate still builds, and the components are absent.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Names a folder that holds every component. A missing component then fails the build.
const FOLDER: &str = "CTWARDEN_COMPONENTS";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={FOLDER}");
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../..").canonicalize()?;
    // A new crate changes the lock file. Watching the folder would run this script after each change of a plugin.
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());
    let mut code = String::new();
    components(&root, &mut code)?;
    rule_files(&root, &mut code)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("lists.rs"), code)?;
    Ok(())
}

/// Lists the crates in `plugins/` with their descriptions, pages and components.
fn components(root: &Path, code: &mut String) -> Result<(), Box<dyn Error>> {
    let named = env::var_os(FOLDER).map(PathBuf::from);
    let folder = named.clone().unwrap_or_else(|| root.join("target/guests/components"));
    let mut missing = Vec::new();
    writeln!(code, "const COMPONENTS: &[(&str, &str, &str, Option<&[u8]>)] = &[")?;
    for manifest in sorted(&root.join("plugins"))?.into_iter().map(|folder| folder.join("Cargo.toml")) {
        if !manifest.is_file() {
            continue;
        }
        println!("cargo::rerun-if-changed={}", manifest.display());
        let text = fs::read_to_string(&manifest)?;
        let name = value(&text, "name").ok_or("a plugin's manifest has no name")?;
        let summary = value(&text, "description").ok_or(format!("{} has no description", manifest.display()))?;
        let page = manifest.with_file_name("README.md");
        let file = folder.join(format!("{name}.wasm"));
        let bytes = if file.is_file() {
            println!("cargo::rerun-if-changed={}", file.display());
            format!("Some(include_bytes!({:?}))", file.canonicalize()?)
        } else {
            missing.push(name.to_owned());
            "None".to_owned()
        };
        writeln!(code, "    ({name:?}, {summary:?}, include_str!({page:?}), {bytes}),")?;
    }
    writeln!(code, "];")?;
    if missing.is_empty() {
        return Ok(());
    }
    if named.is_some() {
        let (folder, missing) = (folder.display(), missing.join(", "));
        return Err(format!("{FOLDER}={folder} lacks {missing}; compile them with `cargo xtask guests`").into());
    }
    // Cargo would run this script at every build if it watched a path that does not exist.
    if fs::create_dir_all(&folder).is_ok() {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    Ok(())
}

/// Returns the value of the first `KEY = "VALUE"` of a manifest. The first keys are those of `[package]`.
fn value<'t>(manifest: &'t str, key: &str) -> Option<&'t str> {
    let mut values = manifest.lines().filter_map(|line| line.split_once(" = "));
    values.find(|(found, _)| *found == key).map(|(_, value)| value.trim().trim_matches('"'))
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn rule_files(root: &Path, code: &mut String) -> Result<(), Box<dyn Error>> {
    let folder = root.join("plugins/rules/builtin");
    println!("cargo::rerun-if-changed={}", folder.display());
    writeln!(code, "const RULE_FILES: &[(&str, &str)] = &[")?;
    for file in sorted(&folder)?.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({name:?}, include_str!({file:?})),")?;
    }
    writeln!(code, "];")?;
    Ok(())
}
