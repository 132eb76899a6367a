//! `ctwarden-simulate --seeds N [--from SEED]` runs simulations, and `--seed SEED` replays one.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use ctwarden_simulate::{Report, run};

/// Number of seeds without an option.
const SEEDS: u64 = 1_000;

fn main() -> ExitCode {
    match simulate() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simulate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the simulations. Returns the number of seeds that broke a rule.
fn simulate() -> Result<u64> {
    let (first, seeds) = parse(std::env::args().skip(1))?;
    let (mut sum, mut broken) = (Report::default(), 0);
    // This prints the seed and the rule. A panic itself prints its place in the code.
    for seed in first..first.saturating_add(seeds) {
        match run(seed) {
            Ok(report) => sum += report,
            Err(error) => {
                broken += 1;
                println!("{error:#}; replay it with: cargo xtask simulate --seed {seed}");
            }
        }
    }
    println!("simulated {seeds} seeds from {first}, {broken} broke a rule");
    println!("{sum:#?}");
    Ok(broken)
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(u64, u64)> {
    let (mut first, mut seeds) = (0, SEEDS);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| anyhow!("{option} needs a number"))?;
        let number: u64 = value.parse().with_context(|| format!("{option} {value} is no number"))?;
        match option.as_str() {
            "--seed" => (first, seeds) = (number, 1),
            "--from" => first = number,
            "--seeds" => seeds = number,
            _ => bail!("unexpected argument {option}; --seeds N, --from SEED and --seed SEED are known"),
        }
    }
    Ok((first, seeds))
}
