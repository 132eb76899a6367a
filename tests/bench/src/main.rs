//! The cost of ctwarden, measured in turn with its peers on a table of its own. `docs/benchmarks.md` explains each
//! line.
//!
//! The benchmark is a program and not a test, because its figures are only valid on a quiet machine.
//! `cargo xtask bench` builds its parts and starts it.

mod ceiling;
mod children;
mod command;
mod daemon;
mod figure;
mod interrupt;
mod kernel;
mod lines;
mod listener;
mod machine;
mod options;
mod policies;
mod population;
mod processor;
mod report;
mod row;
mod scratch;
mod traffic;
mod world;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::lines::LINES;
use crate::machine::Machine;
use crate::options::Options;
use crate::report::Report;

fn main() -> ExitCode {
    match Options::parse(std::env::args_os().skip(1)).and_then(|options| options.map_or(Ok(true), |o| run(&o))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmark. Returns whether every line could be measured.
fn run(options: &Options) -> Result<bool> {
    let machine = Machine::look(options)?;
    let chosen: Vec<_> = LINES.iter().filter(|line| options.takes(line.name)).collect();
    if chosen.is_empty() {
        bail!("no line has such a name; the lines are {}", lines::names());
    }
    interrupt::watch().context("cannot watch for an interrupt")?;
    print!("{machine}");
    let mut report = Report::new(machine, options);
    let scratch = scratch::open()?;
    let ceiling = ceiling::raise(options.entries)?;
    for line in chosen {
        report.run(line, options);
    }
    ceiling.restore()?;
    drop(scratch);
    print!("{}", report.table());
    report.write()?;
    Ok(report.is_whole())
}
