//! `cargo xtask simulate`: engine, reader and replica against a simulated kernel with faults, for as many seeds as are asked for.

use std::ffi::OsString;

use anyhow::Result;

use crate::{process, tree};

pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.current_dir(tree::root()).args(["run", "--locked", "--package", "ctwarden-simulate", "--target-dir"]);
    // Assertions stay on, as they are what a simulation is to trip.
    process::run(cargo.arg(tree::target()).arg("--").args(arguments))
}
