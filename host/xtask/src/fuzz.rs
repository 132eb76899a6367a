//! `cargo xtask fuzz`: searches for bytes that break a reader of untrusted bytes, with coverage and on stable Rust. It
//! needs no nightly compiler and no program that the machine may lack.

use std::ffi::OsString;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::toolchain::Origin;
use crate::{guests, packages, process, toolchain, tree};

/// How long each check runs if the command line gives no time.
const SECONDS: u64 = 60;

/// Limits of a single input: this many seconds, and this many MiB of memory.
const INPUT_SECONDS: u64 = 10;
const INPUT_MEMORY: u64 = 2048;

/// Instrumentation that libFuzzer needs: a counter for each edge, a report of each comparison.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg=fuzzing";

/// The target is named explicitly, so that build scripts are compiled without coverage.
const TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(Debug, PartialEq, Eq)]
struct FuzzOptions {
    /// Names of the checks to run. If empty, all checks run.
    names: Vec<String>,
    seconds: u64,
    /// Whether interesting inputs are added to the corpora.
    keep: bool,
}

pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let options = FuzzOptions::parse(arguments)?;
    let mut progress = Progress::new();
    progress.step("packages", |progress| packages::ensure(progress, &[packages::BUILD, packages::FUZZ]))?;
    // A check of verdicts calls one of the tests' guests.
    progress.step("guests", |progress| guests::build(progress, &guests::all()?, Origin::forced()?))?;
    progress.step("build", |_| build())?;
    let mut names = options.names.clone();
    if names.is_empty() {
        names = corpora()?;
    }
    let mut failed = Vec::new();
    for name in names {
        if let Err(error) = progress.step(&name, |_| search(&name, &options)) {
            progress.say(&format!("{name}: {error:#}"));
            failed.push(name);
        }
    }
    progress.print_table();
    if !failed.is_empty() {
        bail!("broken: {}; the bytes are in {}", failed.join(", "), tree::fuzz().join("artifacts").display());
    }
    Ok(())
}

impl FuzzOptions {
    fn parse(arguments: &[OsString]) -> Result<Self> {
        let mut options = Self { names: Vec::new(), seconds: SECONDS, keep: false };
        let mut words = arguments.iter().map(|word| word.to_str().unwrap_or_default());
        while let Some(word) = words.next() {
            match word {
                "--keep" => options.keep = true,
                "--seconds" => {
                    let seconds = words.next().and_then(|word| word.parse().ok()).filter(|seconds| *seconds > 0);
                    options.seconds = seconds.context("--seconds takes a whole number above 0")?;
                }
                name if !name.starts_with('-') && !name.is_empty() => options.names.push(name.to_owned()),
                _ => bail!("unexpected argument {word:?}; fuzz takes names of checks, --seconds N and --keep"),
            }
        }
        let known = corpora()?;
        if let Some(unknown) = options.names.iter().find(|name| !known.contains(name)) {
            bail!("there is no check {unknown}; the checks are: {}", known.join(", "));
        }
        Ok(options)
    }
}

/// Names of the checks. Each check has a corpus of the same name.
fn corpora() -> Result<Vec<String>> {
    let folder = tree::fuzz().join("corpus");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn build() -> Result<()> {
    let mut cargo = toolchain::bare_cargo();
    cargo.current_dir(tree::fuzz()).args(["build", "--locked", "--release", "--target", TARGET, "--target-dir"]);
    process::run(cargo.arg(tree::target().join("fuzz")).env("RUSTFLAGS", COVERAGE))
}

/// Runs one check. The committed corpus is only read, unless the findings are kept.
fn search(name: &str, options: &FuzzOptions) -> Result<()> {
    let committed = tree::fuzz().join("corpus").join(name);
    let found = tree::target().join("fuzz/corpus").join(name);
    let artifacts = tree::fuzz().join("artifacts").join(name);
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut fuzzer = fuzzer(name);
    fuzzer.arg(&found).arg(&committed).arg(format!("-max_total_time={}", options.seconds));
    fuzzer.arg(format!("-timeout={INPUT_SECONDS}")).arg(format!("-rss_limit_mb={INPUT_MEMORY}"));
    fuzzer.args(["-print_final_stats=1", "-verbosity=1"]);
    process::run(fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display())))?;
    if options.keep {
        // Adds only inputs that cover something that the committed corpus does not.
        process::run(self::fuzzer(name).arg("-merge=1").arg(&committed).arg(&found))?;
    }
    Ok(())
}

fn fuzzer(name: &str) -> std::process::Command {
    let mut fuzzer = std::process::Command::new(tree::target().join("fuzz").join(TARGET).join("release/fuzz"));
    fuzzer.env("CTWARDEN_FUZZ", name);
    fuzzer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_check_a_time_and_keeping_can_be_named() {
        let options = FuzzOptions::parse(&words("messages --seconds 5 --keep")).unwrap();
        assert_eq!(options, FuzzOptions { names: vec!["messages".into()], seconds: 5, keep: true });
        assert_eq!(FuzzOptions::parse(&[]).unwrap().seconds, SECONDS);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(FuzzOptions::parse(&words("mesages")).unwrap_err().to_string().contains("messages"));
        assert!(FuzzOptions::parse(&words("--seconds 0")).unwrap_err().to_string().contains("above 0"));
        assert!(FuzzOptions::parse(&words("--minutes")).unwrap_err().to_string().contains("--minutes"));
    }
}
