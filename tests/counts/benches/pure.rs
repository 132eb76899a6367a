//! Measures the time of each body: `cargo bench -p ctwarden-counts [-- NAME]`.
//!
//! The times are for the machine at hand and for effects that instructions do not show (caches, branches). CI checks
//! the instructions of the same bodies (`cargo xtask counts`). A time is for one round, a rate for its operations.

use anyhow::{Result, ensure};
use criterion::{Criterion, Throughput};
use ctwarden_counts::BODIES;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("pure");
    for body in BODIES {
        let mut prepared = body.prepare()?;
        ensure!(prepared.round() == prepared.operations(), "{} does not do what it says", body.name);
        group.throughput(Throughput::Elements(prepared.operations() as u64));
        group.bench_function(body.name, |bencher| bencher.iter(|| prepared.round()));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
