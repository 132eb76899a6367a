//! `cargo xtask`, the development tasks of ctwarden. Building, testing and showing the project need only Rust.

mod bench;
mod components;
mod counts;
mod demo;
mod dist;
mod example;
mod fuzz;
mod guests;
mod interface;
mod languages;
mod licences;
mod lint;
mod no_os;
mod packages;
mod process;
mod progress;
mod rust_version;
mod signposts;
mod simulate;
mod test;
mod toolchain;
mod tree;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
usage: cargo xtask COMMAND

  demo [-- ARGS]            build everything the demo needs, then run `ctwarden-demo ARGS`
  test [-- FILTER...]       build everything and run all tests
  bench [--dev | --program PATH] [LINE...] [--entries N] [--runs N] [--json FILE]
                            measure ctwarden beside its peers; `bench --help` lists the lines
  components [--keep]       build the policy in JavaScript and Python; --keep: also in C and Rust, to keep
  counts [--keep] [NAME...] count the instructions of the pure parts, and compare them with the landed counts
  dist [ctwarden|conntrack] build the programs as packages have them, into target/dist
  fuzz [NAME...] [--seconds N] [--keep]
                            search for bytes that break a reader of untrusted bytes, a minute each
  simulate [--seeds N] [--from SEED] [--seed SEED]
                            engine, reader and replica against a simulated kernel with faults
  guests [--force-fallback] compile plugins and test guests into target/guests/components
  interface [--keep]        compare the WIT with the released one
  no-os                     compile the pure crates for a target without an operating system
  lint                      formatting, compiler of CI, clippy, documentation, licences

environment:
  CTWARDEN_GUEST_TOOLCHAIN=installed|rustup|debian
                            take the wasm32-wasip2 toolchain only from there
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    match command.to_str() {
        Some("demo") => demo::run(after_separator(rest)),
        Some("test") => test::run(after_separator(rest)),
        Some("bench") => bench::run(rest),
        Some("components") => languages::run(rest),
        Some("counts") => counts::run(rest),
        Some("dist") => dist::run(rest),
        Some("fuzz") => fuzz::run(rest),
        Some("simulate") => simulate::run(rest),
        Some("guests") => guests::run(guests::GuestOptions::parse(rest)?),
        Some("interface") => interface::run(rest),
        Some("no-os") => no_args(rest).and_then(|()| no_os::run()),
        Some("lint") => no_args(rest).and_then(|()| lint::run()),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("no such command: {}; `cargo xtask help` lists them", command.display()),
    }
}

/// The arguments for another program; the `--` in front of them may be left out.
fn after_separator(arguments: &[OsString]) -> &[OsString] {
    match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    }
}

fn no_args(arguments: &[OsString]) -> Result<()> {
    match arguments.first() {
        Some(extra) => {
            bail!("unexpected argument {}; `cargo xtask help` shows what each command takes", extra.display())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_separator_is_optional_and_taken_once() {
        assert_eq!(after_separator(&words("-- --json -- x")), words("--json -- x"));
        assert_eq!(after_separator(&words("--json")), words("--json"));
        assert_eq!(after_separator(&words("--")), words(""));
    }

    #[test]
    fn an_unknown_command_and_an_extra_argument_are_named() {
        assert!(run(&words("tset")).unwrap_err().to_string().contains("tset"));
        assert!(run(&words("lint --fix")).unwrap_err().to_string().contains("--fix"));
    }
}
