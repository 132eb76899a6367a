//! `cargo xtask counts`: counts the instructions of operations of the pure crates, and compares them with the counts
//! that landed last. No clock in CI is precise enough to notice a change of 5 %; a count of instructions is.

mod callgrind;
mod circumstances;
mod compare;
mod landed;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::{packages, process, toolchain, tree};

use callgrind::Count;
use circumstances::Circumstances;
use compare::Comparison;
use landed::Landed;

/// The crate with the bodies, its program, and the profile for building it.
const PACKAGE: &str = "ctwarden-counts";
const PROFILE: &str = "counts";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct CountOptions {
    /// Replaces the landed counts by the new ones.
    keep: bool,
    /// Counts only bodies with a name that contains one of these texts. If empty, counts all bodies.
    names: Vec<String>,
}

pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let options = CountOptions::parse(arguments)?;
    let mut progress = Progress::new();
    progress.step("packages", |progress| packages::ensure(progress, &[packages::BUILD]))?;
    if let Err(error) = packages::ensure(&progress, &[packages::COUNT]) {
        progress.say(&format!("skipped, instructions cannot be counted: {error:#}"));
        return Ok(());
    }
    let circumstances = Circumstances::here()?;
    progress.step("build", |_| build())?;
    let counts = progress.step("counting", |_| count(&options.names))?;
    if options.keep {
        print!("{}", Comparison::without(&counts).table());
        let landed = Landed { circumstances, counts: counts.into_iter().map(Count::into_pair).collect() };
        landed.write(&landed_file())?;
        progress.say(&format!("kept in {}; commit it with the change that caused it", landed_file().display()));
        return Ok(());
    }
    let landed = Landed::read(&landed_file())?;
    let differences = landed.circumstances.differences(&circumstances);
    if !differences.is_empty() {
        // Another compiler generates different code from the same source. A comparison would blame an innocent change.
        print!("{}", Comparison::without(&counts).table());
        progress.say(&format!("NOTHING IS COMPARED: {differences}"));
        return Ok(());
    }
    let comparison = Comparison::of(&landed.counts, &counts, options.names.is_empty());
    print!("{}", comparison.table());
    if let Some(advice) = comparison.advice() {
        progress.say(&advice);
    }
    comparison.verdict()
}

impl CountOptions {
    fn parse(arguments: &[OsString]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.to_str() {
                Some("--keep") => options.keep = true,
                Some(name) if !name.starts_with('-') => options.names.push(name.to_owned()),
                _ => bail!("unexpected argument {}; counts takes --keep and parts of names", argument.display()),
            }
        }
        if options.keep && !options.names.is_empty() {
            bail!("--keep keeps the counts of all bodies; leave out the names");
        }
        Ok(options)
    }
}

/// Builds into a separate folder, without the environment variables of the caller that would change the code.
fn build() -> Result<()> {
    let mut cargo = toolchain::bare_cargo();
    cargo
        .args(["build", "--locked", "--profile", PROFILE, "--package", PACKAGE, "--bins", "--target-dir"])
        .arg(folder());
    // Incremental compilation splits the code into different units.
    process::run(cargo.env("CARGO_INCREMENTAL", "0").current_dir(tree::root()))
}

fn count(names: &[String]) -> Result<Vec<Count>> {
    let program = folder().join(PROFILE).join(PACKAGE);
    let mut bodies = callgrind::bodies(&program)?;
    bodies.retain(|body| names.is_empty() || names.iter().any(|name| body.name.contains(name)));
    if bodies.is_empty() {
        bail!("no body has such a name; leave out the names to count all");
    }
    bodies
        .iter()
        .map(|body| callgrind::count(&program, body, &folder()).with_context(|| format!("cannot count {}", body.name)))
        .collect()
}

fn folder() -> PathBuf {
    tree::target().join("counts")
}

/// The file of the counts that landed last.
fn landed_file() -> PathBuf {
    tree::root().join("tests").join("counts").join("landed.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CountOptions> {
        CountOptions::parse(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn all_are_kept_or_some_are_looked_at() {
        assert_eq!(parse("").unwrap(), CountOptions::default());
        assert_eq!(parse("--keep").unwrap(), CountOptions { keep: true, names: vec![] });
        assert_eq!(
            parse("replica read").unwrap(),
            CountOptions { keep: false, names: vec!["replica".into(), "read".into()] }
        );
        assert!(parse("--keep replica").unwrap_err().to_string().contains("leave out the names"));
        assert!(parse("--kep").unwrap_err().to_string().contains("--kep;"));
    }

    #[test]
    fn the_landed_counts_can_be_read() {
        let landed = Landed::read(&landed_file()).unwrap();
        assert!(landed.counts.len() >= 15, "{}", landed.counts.len());
    }
}
