//! `cargo xtask guests`: compiles every plugin and every guest of the tests to a component. The host loads components,
//! and cargo cannot make a test depend on a crate for another target.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::toolchain::{Origin, Output, Target, Toolchain};
use crate::tree::Crate;
use crate::{components, packages, tree};

/// The profile of guests in the workspace's manifest.
const PROFILE: &str = "guest";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GuestOptions {
    /// Take Debian's toolchain even if another is available.
    force_fallback: bool,
}

impl GuestOptions {
    /// An error for any unknown argument.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            if argument != "--force-fallback" {
                bail!("unexpected argument {}; guests takes --force-fallback", argument.display());
            }
            options.force_fallback = true;
        }
        Ok(options)
    }
}

/// Runs the command for plugins and test guests.
pub(crate) fn run(options: GuestOptions) -> Result<()> {
    let progress = Progress::new();
    packages::ensure(&progress, &[packages::BUILD])?;
    let forced = if options.force_fallback { Some(Origin::Debian) } else { Origin::forced()? };
    build(&progress, &all()?, forced)
}

/// Every crate that is compiled to a component.
pub(crate) fn all() -> Result<Vec<Crate>> {
    let mut guests = tree::plugins()?;
    guests.extend(tree::test_guests()?);
    Ok(guests)
}

/// Compiles the crates and installs their components.
pub(crate) fn build(progress: &Progress, guests: &[Crate], forced: Option<Origin>) -> Result<()> {
    let toolchain = Toolchain::find(progress, Target::Component, forced)?;
    progress.say(&format!("compiling {} guests with {}", guests.len(), toolchain.name()));
    let output = toolchain.cargo_into(&tree::target().join("guests").join("build"), Target::Component)?;
    for (number, guest) in guests.iter().enumerate() {
        crate::process::run(&mut compilation(&output, &guest.name))
            .with_context(|| format!("cannot compile guest {} in {}", guest.name, guest.folder.display()))?;
        let bytes = components::publish(&compiled(&output, &guest.name), &components::path(&guest.name))?;
        progress.say(&format!("guest {}/{}: {} ({} KiB)", number + 1, guests.len(), guest.name, bytes.div_ceil(1024)));
    }
    let present = all()?;
    components::retain(&components::folder(), &present.iter().map(|guest| guest.name.as_str()).collect::<Vec<_>>())
}

/// Cargo for one crate, with an explicit crate type: a plugin is also a library for its own native tests, and cargo
/// omits link-time optimisation for a crate that is both.
pub(crate) fn compilation(output: &Output<'_>, guest: &str) -> Command {
    let mut cargo = output.cargo("rustc");
    cargo.args(["--locked", "--quiet", "--lib", "--crate-type", "cdylib", "--profile", PROFILE, "--package", guest]);
    cargo.current_dir(tree::root());
    cargo
}

/// Where cargo puts the component of the crate.
pub(crate) fn compiled(output: &Output<'_>, guest: &str) -> PathBuf {
    output.artifacts(PROFILE).join(format!("{}.wasm", guest.replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_is_the_only_option() {
        assert_eq!(GuestOptions::parse(&[]).unwrap(), GuestOptions { force_fallback: false });
        assert_eq!(GuestOptions::parse(&["--force-fallback".into()]).unwrap(), GuestOptions { force_fallback: true });
        assert!(GuestOptions::parse(&["--force".into()]).unwrap_err().to_string().contains("--force;"));
    }

    #[test]
    fn every_guest_has_a_name_of_its_own() {
        let mut names: Vec<String> = all().unwrap().into_iter().map(|guest| guest.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert!(count >= 3 && names.len() == count, "{names:?}");
    }
}
