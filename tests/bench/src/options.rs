//! The options of the benchmark.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::lines;

/// The entries of a large table, the size for which speed matters.
const ENTRIES: u64 = 1_000_000;
/// The number of runs whose median is taken.
const RUNS: usize = 5;

/// The parsed command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The names of the lines. Empty means all lines.
    lines: Vec<String>,
    /// The entries of the largest table.
    pub(crate) entries: u64,
    /// The number of runs of each measurement.
    pub(crate) runs: usize,
    /// The file for the figures as JSON.
    pub(crate) json: Option<PathBuf>,
    /// The program under test.
    pub(crate) program: PathBuf,
    /// The separate conntrack command, if there is one.
    conntrack: Option<PathBuf>,
    /// The folder of compiled components.
    pub(crate) components: PathBuf,
}

fn help() -> String {
    let lines: String = lines::LINES.iter().map(|line| format!("  {:<14}{}\n", line.name, line.title)).collect();
    format!(
        "\
usage: ctwarden-bench [LINE...] [OPTIONS]

  --entries N        entries of the largest table; default {ENTRIES}
  --runs N           number of runs; the result is their median; default {RUNS}
  --json FILE        write the figures there
  --program PATH     ctwarden itself; default CTWARDEN_BIN
  --conntrack PATH   our program conntrack; default CTWARDEN_CONNTRACK, or the one beside ctwarden
  --components DIR   compiled policies; default CTWARDEN_GUESTS

lines, all by default:
{lines}"
    )
}

impl Options {
    /// Parses the command line. Returns `None` if help was requested and printed.
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Option<Self>> {
        let from = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
        let (mut program, mut components) = (from("CTWARDEN_BIN"), from("CTWARDEN_GUESTS"));
        let mut conntrack = from("CTWARDEN_CONNTRACK");
        let (mut lines, mut entries, mut runs, mut json) = (Vec::new(), ENTRIES, RUNS, None);
        let mut words = words;
        while let Some(word) = words.next() {
            let word = word.to_string_lossy().into_owned();
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" | "help" => {
                    print!("{}", help());
                    return Ok(None);
                }
                "--entries" => entries = number(&word, &value()?)?,
                "--runs" => runs = usize::try_from(number(&word, &value()?)?)?,
                "--json" => json = Some(value()?.into()),
                "--program" => program = Some(value()?.into()),
                "--conntrack" => conntrack = Some(value()?.into()),
                "--components" => components = Some(value()?.into()),
                option if option.starts_with('-') => bail!("no such option: {option}; --help lists them"),
                _ => lines.push(word),
            }
        }
        if let Some(unknown) = lines.iter().find(|name| !lines::LINES.iter().any(|line| line.name == **name)) {
            bail!("there is no line {unknown}; the lines are {}", lines::names());
        }
        if entries < 1_000 || runs == 0 {
            bail!("--entries must be at least 1000, and --runs at least 1");
        }
        let there = |path: Option<PathBuf>, option: &str, variable: &str| {
            let path = path.with_context(|| format!("{option} or {variable} must give a path"))?;
            absolute(&path)
        };
        let program = there(program, "--program", "CTWARDEN_BIN")?;
        let conntrack = match conntrack {
            Some(path) => Some(absolute(&path)?),
            None => program.parent().map(|folder| folder.join("conntrack")).filter(|path| path.is_file()),
        };
        Ok(Some(Self {
            lines,
            entries,
            runs,
            json,
            program,
            conntrack,
            components: there(components, "--components", "CTWARDEN_GUESTS")?,
        }))
    }

    /// Whether to measure the line with this name.
    pub(crate) fn takes(&self, line: &str) -> bool {
        self.lines.is_empty() || self.lines.iter().any(|name| name == line)
    }

    /// The separate conntrack command.
    pub(crate) fn conntrack(&self) -> Result<&Path> {
        self.conntrack.as_deref().with_context(|| {
            format!(
                "there is no conntrack beside {}; give its path with --conntrack or CTWARDEN_CONNTRACK",
                self.program.display()
            )
        })
    }

    /// The compiled policy with this name.
    pub(crate) fn component(&self, name: &str) -> Result<PathBuf> {
        let path = self.components.join(format!("{name}.wasm"));
        if path.is_file() {
            return Ok(path);
        }
        bail!("{} does not exist; `cargo xtask bench` builds it", path.display())
    }
}

fn number(option: &str, value: &OsString) -> Result<u64> {
    let text = value.to_string_lossy().replace('_', "");
    text.parse().with_context(|| format!("{option} {text}: not a number"))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options> {
        let here = env!("CARGO_MANIFEST_DIR");
        let words = format!("{words} --program {here}/Cargo.toml --components {here}");
        Ok(Options::parse(words.split_whitespace().map(OsString::from))?.unwrap())
    }

    #[test]
    fn lines_are_chosen_by_name_and_none_means_all() {
        let some = parse("sweep bans --entries 50_000").unwrap();
        assert!(some.takes("sweep") && some.takes("bans") && !some.takes("events"));
        assert_eq!((some.entries, some.runs), (50_000, RUNS));
        assert!(parse("").unwrap().takes("events"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, named) in [
            ("weep", "weep"),
            ("--entires 5", "--entires"),
            ("--entries many", "many"),
            ("--runs 0", "--runs at least 1"),
        ] {
            assert!(parse(words).unwrap_err().to_string().contains(named), "{words}");
        }
    }
}
