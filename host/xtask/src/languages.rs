//! `cargo xtask components`: compiles one policy in several languages, for the test that all of them work with the host.
//!
//! The components of C and Rust are small. They are kept in the repository as they were compiled for the released
//! interface, and only `--keep` compiles them anew. Those of JavaScript and Python contain a whole runtime, so they are
//! built where they are tested.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::toolchain::{Origin, Target, Toolchain};
use crate::{components, guests, packages, process, tree};

/// The world of the policy in `wit/v0.1`.
const WORLD: &str = "plugin";

/// The crate of the policy in Rust, and the beginning of the names of all its components.
const POLICY: &str = "ban-kill";

/// Runs the command.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let keep = match arguments {
        [] => false,
        [keep] if keep == "--keep" => true,
        [other, ..] => bail!("unexpected argument {}; components takes --keep", other.display()),
    };
    let mut progress = Progress::new();
    if keep {
        packages::ensure(&progress, &[packages::BUILD, packages::C])?;
        progress.step("C", |_| c())?;
        progress.step("Rust", rust)?;
    }
    build(&mut progress)
}

/// Builds the components of JavaScript and Python.
pub(crate) fn build(progress: &mut Progress) -> Result<()> {
    packages::ensure(progress, &[packages::LANGUAGES])?;
    fs::create_dir_all(folder()).with_context(|| format!("cannot create {}", folder().display()))?;
    progress.step("JavaScript", |_| javascript())?;
    progress.step("Python", |_| python())
}

/// The folder with the components that are built.
pub(crate) fn folder() -> PathBuf {
    tree::target().join("guests").join("languages")
}

fn interface() -> PathBuf {
    tree::interfaces().join("v0.1")
}

fn built(language: &str) -> PathBuf {
    folder().join(format!("{POLICY}-{language}.wasm"))
}

fn kept(language: &str) -> PathBuf {
    tree::kept_components().join(format!("{POLICY}-{language}.wasm"))
}

fn work(name: &str) -> Result<PathBuf> {
    let work = tree::target().join("guests").join("language-tools").join(name);
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    Ok(work)
}

/// Copies a component to its place, if it is one.
fn keep(component: &Path, language: &str) -> Result<()> {
    components::publish(component, &kept(language)).map(drop)
}

fn c() -> Result<()> {
    let (work, source) = (work("c")?, tree::kept_components());
    let maker = || {
        let mut cargo = process::cargo();
        cargo.args(["run", "--quiet", "--locked", "--manifest-path"]);
        cargo.arg(source.join("maker").join("Cargo.toml")).arg("--target-dir").arg(work.join("maker")).arg("--");
        cargo
    };
    process::run(maker().arg("c-bindings").arg(interface()).arg(WORLD).arg(&work))?;
    let (module, component) = (work.join("module.wasm"), work.join("component.wasm"));
    let mut clang = Command::new("clang");
    clang.args([
        "--target=wasm32-wasi",
        "-mexec-model=reactor",
        "-Os",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wl,--strip-debug",
    ]);
    // The generated code leaves parameters unused.
    clang.arg("-Wno-unused-parameter").arg("-I").arg(&work).arg("-o").arg(&module);
    clang.arg(source.join(format!("{POLICY}.c"))).arg(work.join(format!("{WORLD}.c")));
    process::run(clang.arg(work.join(format!("{WORLD}_component_type.o"))))?;
    process::run(maker().arg("component").arg(&module).arg(&component))?;
    keep(&component, "c")
}

fn rust(progress: &Progress) -> Result<()> {
    let toolchain = Toolchain::find(progress, Target::Component, Origin::forced()?)?;
    let output = toolchain.cargo_into(&work("rust")?, Target::Component)?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("neither CARGO_HOME nor HOME is set")?;
    // The texts of panics name files. A kept component names none of the machine that compiled it.
    let renamed = [(home, "/cargo"), (tree::root(), "/ctwarden")];
    let flags = renamed.map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()));
    process::run(guests::compilation(&output, POLICY).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))?;
    keep(&guests::compiled(&output, POLICY), "rust")
}

fn javascript() -> Result<()> {
    let source = tree::kept_components().join("javascript");
    // npm installs beside package.json, so a copy of it keeps the source folder clean.
    let work = work("javascript")?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), work.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    process::run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&work))?;
    let mut jco = Command::new(work.join("node_modules").join(".bin").join("jco"));
    jco.arg("componentize").arg(source.join(format!("{POLICY}.js"))).arg("--wit").arg(interface());
    jco.args(["--world-name", WORLD, "--backend", "quickjs", "--backend-qjs-disable-async", "-o"]);
    process::run(jco.arg(built("javascript")).current_dir(&work))?;
    components::check(&built("javascript"))
}

fn python() -> Result<()> {
    let source = tree::kept_components().join("python");
    let work = work("python")?;
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--upgrade", "--no-deps", "--require-hashes", "--target"]).arg(&work);
    process::run(pip.arg("-r").arg(source.join("requirements.txt")))?;
    let mut componentize = Command::new(work.join("bin").join("componentize-py"));
    componentize.env("PYTHONPATH", &work).arg("-d").arg(interface()).args([
        "-w",
        WORLD,
        "componentize",
        "ban_kill",
        "-o",
    ]);
    process::run(componentize.arg(built("python")).current_dir(&source))?;
    components::check(&built("python"))
}
