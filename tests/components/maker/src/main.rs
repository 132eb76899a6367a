//! Writes C bindings of the interface, and makes a component of a core module that was compiled with them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["c-bindings", interface, world, folder] => c_bindings(Path::new(interface), world, Path::new(folder)),
        ["component", module, component] => make_component(Path::new(module), Path::new(component)),
        _ => bail!("usage: ctwarden-component-maker c-bindings WIT WORLD FOLDER | component MODULE COMPONENT"),
    }
}

/// Writes a header, a source file, and an object file that describes the world.
fn c_bindings(interface: &Path, world: &str, folder: &Path) -> Result<()> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(interface)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = wit_bindgen_core::Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    fs::create_dir_all(folder)?;
    for (name, content) in files.iter() {
        fs::write(folder.join(name), content).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

fn make_component(module: &Path, component: &Path) -> Result<()> {
    let module = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let encoded = wit_component::ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    fs::write(component, encoded).with_context(|| format!("cannot write {}", component.display()))
}
