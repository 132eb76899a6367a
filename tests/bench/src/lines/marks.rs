//! Marks flows by their keys: verdicts of a policy, compared with a loop that sends one request after the other and
//! waits for each acknowledgement.
//!
//! Neither reads the table for this: the policy remembers the keys of an earlier sweep, and the loop has them from a
//! dump.

use std::time::Instant;

use anyhow::{Result, ensure};
use ctwarden_model::{Filter, FlowKey, Masked};
use ctwarden_wire::KernelFilter;

use super::sweep::sweep;
use super::{Line, check};
use crate::daemon::{Daemon, at};
use crate::figure::Figure;
use crate::options::Options;
use crate::policies;
use crate::population::mixed;
use crate::row::Row;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "marks",
    title: "a tenth as many flows marked by verdicts on their keys, beside one request after the other",
    measure,
};

/// The verdicts in one answer: the daemon's default limit.
const IN_ONE_ANSWER: u64 = 10_000;
/// The value and the mask of the mark that flows get.
const OURS: (u32, u32) = (0x5, 0xff);
const THEIRS: (u32, u32) = (0x6, 0xff);

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let flows = options.entries / 10;
    let mut world = World::with(&mixed(flows))?;
    let settings = "rows-only = true\nremember = true";
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, settings)?.to_string())?;
    check("flows that the policy remembers", sweep(&mut daemon, "sweep")?.count.entries, flows)?;
    let mut keys: Vec<FlowKey> = Vec::new();
    world.kernel.walk(&KernelFilter::EVERYTHING, |flow| keys.push(flow.key()))?;
    let their_mark = Masked::new(THEIRS.0, THEIRS.1)?;
    let (mut ours, mut one_by_one) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let begin = Instant::now();
        for from in (0..flows).step_by(usize::try_from(IN_ONE_ANSWER)?) {
            let count = IN_ONE_ANSWER.min(flows - from);
            let said = daemon.send("tally", &format!("mark {:#x}/{:#x} {from} {count}", OURS.0, OURS.1))?;
            ensure!(at(&said, "/outcomes/mark/applied") == count, "not every flow was marked: {said}");
        }
        ours.push(begin.elapsed());
        marked(&mut world, OURS, flows)?;
        let begin = Instant::now();
        for key in &keys {
            world.kernel.mark_one(*key, their_mark)?;
        }
        one_by_one.push(begin.elapsed());
        marked(&mut world, THEIRS, flows)?;
    }
    if let (Some(ours), Some(theirs)) = (Figure::wall(&ours), Figure::wall(&one_by_one)) {
        let row = Row::new(format!("mark {flows} flows"), ours).beside("one by one with acknowledgements", theirs, 2.5);
        tell(row.checked(format!("{flows} applied outcomes in each run, and as many marks in the table")));
    }
    Ok(())
}

/// Checks that all flows have the mark.
fn marked(world: &mut World, mark: (u32, u32), flows: u64) -> Result<()> {
    let filter = Filter { mark: Some(Masked::new(mark.0, mark.1)?), ..Filter::default() };
    check("marked flows", world.kernel.count(&filter, |_| true)?.entries, flows).map(drop)
}
