//! Runs engine, reader and replica against a simulated kernel with faults: lost events, interrupted dumps, late and
//! lost acknowledgements, slow and failing plugins, and ids that recur.
//!
//! A seed decides everything that happens, so the same seed replays a failure:
//!
//! ```text
//! cargo xtask simulate --seeds 10000
//! cargo xtask simulate --seed 4711
//! ```
//!
//! The parts under test are the same as in the daemon. Only the parts with sockets and threads are simulated: the
//! kernel (`kernel.rs`), the threads of the plugins (`plugins.rs`) and the event loop (`simulation.rs`). `checks.rs`
//! has the rules that must hold after every turn and at the end.

mod chance;
mod checks;
mod flows;
mod kernel;
mod plugins;
mod simulation;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, anyhow};

pub use simulation::{Report, Simulation};

/// Number of turns of one simulation before the faults end.
pub const TURNS: usize = 400;

/// Runs the simulation of a seed.
///
/// # Errors
/// Returns an error if a rule was broken or the code under test panicked. The text names the rule and the seed.
pub fn run(seed: u64) -> Result<Report> {
    let run = catch_unwind(AssertUnwindSafe(|| Simulation::new(seed).run(TURNS)));
    match run {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(broken)) => Err(broken.context(format!("seed {seed}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
            Err(anyhow!("{text}").context(format!("seed {seed}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_hold_for_a_thousand_seeds() {
        let mut sum = Report::default();
        for seed in 0..1_000 {
            sum += run(seed).unwrap_or_else(|broken| panic!("{broken:#}"));
        }
        assert!(sum.met_everything(), "the simulation does not reach what it should: {sum:?}");
    }

    #[test]
    fn a_seed_gives_the_same_run_again() {
        for seed in [1, 77] {
            assert_eq!(run(seed).unwrap(), run(seed).unwrap());
        }
    }
}
