//! Encodes the worlds with optional exports. `export!` adds such a description to a component that has the export.
//!
//! `wit_bindgen::generate!` can describe only one world of a package in a macro for other crates, because the macros of
//! two worlds would have the same names.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use wit_component::{StringEncoding, metadata};
use wit_parser::Resolve;

const INTERFACE: &str = "../wit/v0.1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={INTERFACE}");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(INTERFACE)?;
    let out = env::var("OUT_DIR")?;
    for world in ["plugin-with-expectations", "plugin-with-outcomes"] {
        let id = resolve.select_world(&[package], Some(world))?;
        let description = metadata::encode(&resolve, id, StringEncoding::UTF8, None)?;
        fs::write(Path::new(&out).join(world), description)?;
    }
    Ok(())
}
