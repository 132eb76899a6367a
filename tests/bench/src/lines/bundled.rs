//! A sweep through the three bundled policies at once, compared with the bare cost of receiving the same dump.
//!
//! Only a new set of plugins makes all of them want a sweep at one time, so the benchmark asks for a reload. The
//! measured time begins with the sweep: its end as the benchmark sees it, minus the duration in its record. The
//! measured time ends when every policy has received every entry and has answered a message after its last batch.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Line, check};
use crate::daemon::{Daemon, at, number, plugins};
use crate::figure::Figure;
use crate::options::Options;
use crate::policies;
use crate::population::mixed;
use crate::row::Row;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "bundled",
    title: "every entry through the three bundled policies at once, beside the bare cost of receiving",
    measure,
};

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let configuration = policies::bundled(options, options.entries)?;
    sweep_beside_bare(
        options,
        tell,
        &Sweep { configuration, policies: 3, through: "three bundled policies", goal: 1.3 },
    )
}

/// A sweep of a mixed table through policies.
pub(super) struct Sweep<'a> {
    pub(super) configuration: String,
    /// Number of policies that judge every entry.
    pub(super) policies: usize,
    pub(super) through: &'a str,
    /// Greatest time, as a multiple of the bare cost of receiving.
    pub(super) goal: f64,
}

/// Measures a sweep and the bare cost of receiving by turns.
pub(super) fn sweep_beside_bare(options: &Options, tell: &mut dyn FnMut(Row), what: &Sweep<'_>) -> Result<()> {
    let mut world = World::with(&mixed(options.entries))?;
    let mut daemon = Daemon::start_swept(options, &what.configuration)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(sweep(&mut daemon, what.policies, options.entries)?);
        let begin = Instant::now();
        world.kernel.receive_all()?;
        bare.push(begin.elapsed());
    }
    check("entries in the table afterwards", world.kernel.entries()?, options.entries)?;
    if let (Some(ours), Some(bare)) = (Figure::wall(&ours), Figure::wall(&bare)) {
        let entries = options.entries;
        let row = Row::new(format!("sweep of {entries} entries through {}", what.through), ours);
        let judged = format!("in each run each policy was delivered {entries} entries and has judged the last");
        tell(row.beside("bare receiving", bare, 1.0 / what.goal).checked(judged));
    }
    Ok(())
}

/// Sweeps the table through so many policies. Returns the time until the last of them has judged its last batch.
pub(super) fn sweep(daemon: &mut Daemon, policies: usize, entries: u64) -> Result<Duration> {
    daemon.records.skip()?;
    daemon.reload();
    let swept = daemon.wait("the end of the sweep", |d| d.records.next(|line| line.contains("\"swept\"")))?;
    let seen = Instant::now();
    ensure!(at(&swept, "/complete") == true && at(&swept, "/rows") == entries, "the sweep was not complete: {swept}");
    let took = Duration::from_micros(at(&swept, "/took_us").as_u64().context("the record of a sweep has no took_us")?);
    daemon.settle()?;
    let wall = took + seen.elapsed();
    let status = daemon.status()?;
    ensure!(plugins(&status).count() == policies, "not all policies run: {status}");
    for plugin in plugins(&status) {
        check("entries delivered to a policy", number(plugin, "delivered")?, entries)?;
        check("faults of a policy", number(plugin, "faults")?, 0)?;
    }
    Ok(wall)
}
