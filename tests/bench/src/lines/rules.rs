//! A sweep through ten rules of the bundled policy `rules`, compared with the bare cost of receiving the same dump.
//!
//! Every rule evaluates its condition for every entry, and no rule leads to a verdict. Two rules look up addresses in
//! sets.

use std::time::Instant;

use anyhow::Result;

use super::bundled::sweep;
use super::{Line, check};
use crate::daemon::Daemon;
use crate::figure::Figure;
use crate::options::Options;
use crate::policies;
use crate::population::mixed;
use crate::row::Row;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "rules",
    title: "every entry through ten rules of the policy `rules`, beside the bare cost of receiving",
    measure,
};

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let mut world = World::with(&mixed(options.entries))?;
    let mut daemon = Daemon::start_swept(options, &policies::ten_rules(options)?)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(sweep(&mut daemon, 1, options.entries)?);
        let begin = Instant::now();
        world.kernel.receive_all()?;
        bare.push(begin.elapsed());
    }
    check("entries in the table afterwards", world.kernel.entries()?, options.entries)?;
    if let (Some(ours), Some(bare)) = (Figure::wall(&ours), Figure::wall(&bare)) {
        let entries = options.entries;
        let row = Row::new(format!("sweep of {entries} entries through ten rules"), ours);
        let judged = format!("in each run the policy was delivered {entries} entries and has judged the last");
        tell(row.beside("bare receiving", bare, 1.0 / 1.5).checked(judged));
    }
    Ok(())
}
