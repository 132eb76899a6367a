//! Memory of the daemon for each entry of the table: none if no plugin needs the replica, little if one does.
//!
//! The figure is the resident memory that belongs to no file, before and after. Without the replica, it is the
//! difference between half of the table and all of it, each swept. With the replica, it is the difference between an
//! empty and a full table.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::sweep::sweep;
use super::{Line, check};
use crate::daemon::{Daemon, at};
use crate::figure::{Figure, Unit};
use crate::options::Options;
use crate::policies;
use crate::population::{Group, Kind};
use crate::row::{Of, Row};
use crate::world::World;

pub(crate) const LINE: Line =
    Line { name: "memory", title: "memory of the daemon for each entry, with the replica and without", measure };

/// A smaller difference comes from the allocator, not from the table.
const NOTHING: f64 = 2.0;

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let families = [(Kind::Ipv4, "IPv4", 128.0), (Kind::Ipv6, "IPv6", 192.0)];
    for (kind, name, _) in families {
        // Sweeps keep their memory for the next ones, so the first half of the table is not counted.
        let (first, second) = (options.entries / 2, options.entries - options.entries / 2);
        let policy = policies::tally(options, "rows-only = true")?.to_string();
        let mut world = World::with(&[Group { kind: Kind::Fixed, count: first }])?;
        let mut daemon = Daemon::start_swept(options, &policy)?;
        sweep(&mut daemon, "sweep")?;
        let before = daemon.memory()?;
        world.fill(&[Group { kind, count: second }])?;
        check("entries that the policy judged", sweep(&mut daemon, "sweep")?.count.entries, options.entries)?;
        let row = row(format!("an {name} entry without the replica"), before, daemon.memory()?, second);
        tell(row?.at_most(Of::Median, NOTHING));
    }
    for (kind, name, goal) in families {
        let mut world = World::new()?;
        let mut daemon = Daemon::start_swept(options, &policies::ban_follower(options, "")?.to_string())?;
        ensure!(!at(&daemon.status()?, "/replica").is_null(), "this daemon has no replica");
        let before = daemon.memory()?;
        world.fill(&[Group { kind, count: options.entries }])?;
        daemon.wait("the replica to have every entry", |daemon| {
            let status = daemon.status()?;
            let whole = at(&status, "/replica/flows") == options.entries && at(&status, "/replica/complete") == true;
            if !whole {
                // A status request costs some of the daemon's time.
                sleep(Duration::from_millis(10));
            }
            Ok(whole.then_some(()))
        })?;
        daemon.settle()?;
        let row = row(format!("an {name} entry with the replica"), before, daemon.memory()?, options.entries)?;
        tell(row.at_most(Of::Median, goal).checked(format!("the replica has {} flows", options.entries)));
    }
    Ok(())
}

fn row(what: String, before: u64, after: u64, entries: u64) -> Result<Row> {
    let bytes = (after as f64 - before as f64) / entries as f64;
    let figure = Figure::of(Unit::BytesAnEntry, vec![bytes]);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let note = format!("{:.1} MiB before, {:.1} MiB with {entries} entries", mib(before), mib(after));
    Ok(Row::new(what, figure.ok_or_else(|| anyhow::anyhow!("nothing was measured"))?).note(note))
}
