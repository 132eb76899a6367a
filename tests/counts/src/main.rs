//! Runs one body, so that its instructions can be counted apart from making its inputs; `cargo xtask counts` starts it
//! under callgrind.
//!
//! Without a word it lists the bodies: name, a tab, what one operation is. With a name it does a round to fill buffers,
//! then one inside of [`counted_round`], and prints how many operations that was.

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use ctwarden_counts::{BODIES, Prepared};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(name) = std::env::args().nth(1) else {
        for body in BODIES {
            println!("{}\t{}", body.name, body.operation);
        }
        return Ok(());
    };
    let body = BODIES.iter().find(|body| body.name == name).with_context(|| format!("no body is called {name}"))?;
    let mut prepared = body.prepare()?;
    let operations = prepared.operations();
    let warm = prepared.round();
    let counted = counted_round(&mut prepared);
    ensure!(
        warm == operations && counted == operations,
        "{name} did not do what it says: {warm} and {counted} operations of {operations} came out right"
    );
    println!("{operations}");
    Ok(())
}

/// Callgrind counts from its call to its return, and finds it by its name.
#[inline(never)]
fn counted_round(prepared: &mut Prepared) -> usize {
    black_box(prepared.round())
}
