//! A list of a hundred thousand banned networks, loaded at once: from the moment the file is there until the last flow
//! of any of them is gone from the kernel's table.
//!
//! The peer needs one command for each network. The benchmark measures it with a few of them.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Line, check};
use crate::daemon::Daemon;
use crate::figure::{Figure, Unit};
use crate::options::Options;
use crate::population::{Group, Kind, mixed};
use crate::row::{Of, Row};
use crate::world::World;
use crate::{command, policies};

pub(crate) const LINE: Line = Line {
    name: "banlist",
    title: "a list of 100,000 banned networks loaded: file in place, last flow of any of them gone",
    measure,
};

/// The number of networks in the list.
const NETWORKS: u64 = 100_000;
/// The number of networks for the peer's measurement.
const PEERS: u64 = 20;

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let listed = Group { kind: Kind::Listed, count: NETWORKS.min(options.entries / 10) };
    let rest = options.entries - listed.count;
    let mut world = World::with(&mixed(rest))?;
    world.fill(&[listed])?;
    let policy = policies::ban_follower(options, "sets = [\"feed\"]")?.key("read-sets = [\"feed\"]");
    let folder = Daemon::prepare(&format!("[sets.feed]\nfile = \"feed.txt\"\n{policy}"))?;
    let file = folder.path().join("feed.txt");
    let put = |text: &str| -> Result<()> {
        // Replaces the file in one step, so that the daemon never reads half of it.
        let new = file.with_extension("new");
        fs::write(&new, text).context("cannot write the list")?;
        fs::rename(&new, &file).context("cannot put the list in place")
    };
    let (nobody, everybody) = ("192.0.2.200\n".to_owned(), list());
    put(&nobody)?;
    let mut theirs = Vec::new();
    for number in 0..PEERS {
        let ran = command::run("conntrack", &["-D", "-s", &Kind::listed(number)])?.good("conntrack -D -s")?;
        check("entries that the peer deleted", ran.entries(), 1)?;
        theirs.push(ran.wall.as_secs_f64() * NETWORKS as f64);
    }
    world.kernel.create((0..PEERS).map(|number| Kind::Listed.flow(number)))?;
    let mut daemon = Daemon::start_in(options, folder)?;
    let mut ours = Vec::new();
    for _ in 0..options.runs {
        daemon.replicated(rest + listed.count)?;
        daemon.settle()?;
        check("entries before the list", world.kernel.entries()?, rest + listed.count)?;
        let begin = Instant::now();
        put(&everybody)?;
        daemon.wait("the flows of the list to end", |_| {
            let done = world.kernel.entries()? <= rest;
            if !done {
                sleep(Duration::from_millis(1));
            }
            Ok(done.then_some(()))
        })?;
        ours.push(begin.elapsed());
        daemon.replicated(rest)?;
        changed(&mut daemon, || put(&nobody))?;
        check("entries after the list", world.kernel.entries()?, rest)?;
        world.fill(&[listed])?;
    }
    let theirs = Figure::of(Unit::Seconds, theirs);
    if let (Some(ours), Some(theirs)) = (Figure::wall(&ours), theirs) {
        let row = Row::new(format!("list of {NETWORKS} networks at {} entries", options.entries), ours);
        let row = row.beside(format!("conntrack -D -s, {NETWORKS} times, by {PEERS} of them"), theirs, None);
        let row = row.at_most(Of::Median, 2.0);
        tell(row.checked(format!("exactly the {} flows of the list are gone in each run", listed.count)));
    }
    Ok(())
}

fn list() -> String {
    (0..NETWORKS).map(|number| format!("{}\n", Kind::listed(number))).collect()
}

/// Changes the set and waits until the daemon has noticed and its plugin has finished the work that follows.
fn changed(daemon: &mut Daemon, change: impl FnOnce() -> Result<()>) -> Result<()> {
    daemon.records.skip()?;
    change()?;
    daemon.wait("the set to change", |daemon| daemon.records.next(|line| line.contains("\"set-changed\"")))?;
    let asked = |line: &str| line.contains("\"set-changed\"") && line.contains("\"sweep\"");
    daemon.wait("the sweep after it", |daemon| daemon.records.next(asked))?;
    daemon.settle()
}
