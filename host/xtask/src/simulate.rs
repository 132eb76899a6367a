//! `cargo xtask simulate`: runs engine, reader and replica against a simulated kernel with faults, for the requested
//! number of seeds.

use std::ffi::OsString;

use anyhow::Result;

use crate::{process, tree};

pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.current_dir(tree::root()).args(["run", "--locked", "--package", "ctwarden-simulate", "--target-dir"]);
    // Assertions stay on: the simulation is meant to trip them.
    process::run(cargo.arg(tree::target()).arg("--").args(arguments))
}
