//! `cargo xtask no-os`: compiles the pure crates for a target without an operating system. That target has no clock,
//! files or sockets, so a successful build proves that the crates use none.

use anyhow::{Context, Result};

use crate::progress::Progress;
use crate::toolchain::{Origin, Target, Toolchain};
use crate::{packages, process, tree};

pub(crate) fn run() -> Result<()> {
    let progress = Progress::new();
    packages::ensure(&progress, &[packages::BUILD])?;
    build(&progress, Origin::forced()?)
}

/// Compiles instead of only checking, because some errors appear when generic code is instantiated.
pub(crate) fn build(progress: &Progress, forced: Option<Origin>) -> Result<()> {
    let toolchain = Toolchain::find(progress, Target::BareMetal, forced)?;
    let names = tree::PURE_CRATES.join(", ");
    progress.say(&format!("compiling {names} for {} with {}", Target::BareMetal.triple(), toolchain.name()));
    let output = toolchain.cargo_into(&tree::target().join("no-os"), Target::BareMetal)?;
    let mut cargo = output.cargo("build");
    cargo.args(["--locked", "--lib"]);
    for name in tree::PURE_CRATES {
        cargo.args(["--package", name]);
    }
    process::run(cargo.current_dir(tree::root())).with_context(|| format!("one of {names} needs an operating system"))
}
