//! `cargo xtask bench`: compares the cost of ctwarden with that of its peers. It builds the program as packages have it
//! and makes sure that the peers are installed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::toolchain::Origin;
use crate::tree::Crate;
use crate::{components, dist, guests, packages, process, tree};

/// Policies of the tests that the benchmark uses in addition to the bundled ones.
const GUESTS: [&str; 1] = ["guest-tally"];

#[derive(Debug, PartialEq, Eq)]
enum Program {
    /// Built as for packages: slow to build, fast to run.
    Packaged,
    /// Built as for the demo and the tests.
    Dev,
    /// A program that exists already: the path of `--program`.
    There(PathBuf),
}

/// Runs the command; unknown arguments go to the benchmark.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let (program, rest) = split(arguments)?;
    let mut progress = Progress::new();
    if !rest.iter().any(|word| word == "--help" || word == "-h") {
        progress.step("packages", |progress| {
            packages::ensure(progress, &[packages::BUILD, packages::TEST, packages::BENCH])
        })?;
        progress.step("policies", |progress| guests::build(progress, &policies()?, Origin::forced()?))?;
    }
    let (program, command) = progress.step("ctwarden and conntrack", |_| build(program))?;
    // The benchmark has little code to compile, and an unoptimised one would measure itself.
    progress.step("the benchmark", |_| {
        process::run(cargo().args(["build", "--locked", "--release", "--package", "ctwarden-bench"]))
    })?;
    let mut bench = Command::new(tree::target().join("release").join("ctwarden-bench"));
    bench
        .arg("--program")
        .arg(program)
        .arg("--conntrack")
        .arg(command)
        .arg("--components")
        .arg(components::folder())
        .args(rest);
    process::run(bench.env("PATH", process::full_path()?))
}

/// Takes `--dev` and `--program PATH` out of the arguments.
fn split(arguments: &[OsString]) -> Result<(Program, Vec<OsString>)> {
    let (mut program, mut rest) = (Program::Packaged, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--dev") => program = Program::Dev,
            Some("--program") => match arguments.next() {
                Some(path) => program = Program::There(path.into()),
                None => bail!("--program needs the path of a ctwarden"),
            },
            _ => rest.push(argument.clone()),
        }
    }
    Ok((program, rest))
}

fn policies() -> Result<Vec<Crate>> {
    let mut all = guests::all()?;
    let bundled = tree::plugins()?;
    all.retain(|policy| bundled.contains(policy) || GUESTS.contains(&policy.name.as_str()));
    Ok(all)
}

/// Builds the daemon's program and the conntrack command.
fn build(program: Program) -> Result<(PathBuf, PathBuf)> {
    match program {
        Program::There(path) => Ok((path, dist::conntrack()?)),
        Program::Dev => {
            // Builds like the demo and the tests, so that nothing is compiled twice.
            process::run(cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
            Ok((tree::host_binary(), tree::conntrack_binary()))
        }
        Program::Packaged => Ok((dist::ctwarden()?, dist::conntrack()?)),
    }
}

fn cargo() -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(tree::root()).env("CARGO_TARGET_DIR", tree::target());
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn which_program_is_told_apart_from_what_is_measured() {
        assert_eq!(split(&words("sweep --runs 3")).unwrap(), (Program::Packaged, words("sweep --runs 3")));
        assert_eq!(split(&words("--dev sweep")).unwrap(), (Program::Dev, words("sweep")));
        assert_eq!(
            split(&words("--program /x/ctwarden bans")).unwrap(),
            (Program::There("/x/ctwarden".into()), words("bans"))
        );
        assert!(split(&words("--program")).unwrap_err().to_string().contains("--program"));
    }

    #[test]
    fn the_policies_that_it_uses_are_there() {
        assert_eq!(policies().unwrap().len(), tree::plugins().unwrap().len() + GUESTS.len());
    }
}
