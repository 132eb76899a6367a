//! Runs one body, so that its instructions are counted apart from those for its inputs. `cargo xtask counts` starts
//! this program under callgrind.
//!
//! Without an argument, the program lists the bodies: name, tab, description of one operation. With a name, it runs one
//! round to fill buffers, then one round inside [`counted_round`], and prints the number of operations of that round.

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

/// Callgrind counts from the call of this function to its return, and finds the function by its name.
#[inline(never)]
fn counted_round(prepared: &mut Prepared) -> usize {
    black_box(prepared.round())
}
