//! Deletes a fifth of a table by verdicts, compared with `conntrack -D` with a filter that it applies itself (a source
//! network) and with a filter that the kernel applies (a mark).
//!
//! There are three forms of the same request: a policy that judges each dump entry and deletes the victims; one verdict
//! on a selection, which a sweep resolves; and the same verdict of a policy that declares selections. For the third
//! one, the daemon keeps a replica and needs no sweep. Our time ends when the outcome of each flow is known, the peer's
//! when its program ends.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Line, check};
use crate::daemon::{Daemon, at, number, verdicts};
use crate::figure::Figure;
use crate::options::Options;
use crate::population::{Group, Kind, mixed};
use crate::row::Row;
use crate::world::World;
use crate::{command, policies};

pub(crate) const LINE: Line = Line {
    name: "deletes",
    title: "a fifth of half the table deleted by verdicts, beside `conntrack -D` by source and by mark",
    measure,
};

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let all = options.entries / 2;
    let victims = Group { kind: Kind::Victim, count: all / 5 };
    let rest = all - victims.count;
    let mut world = World::with(&mixed(rest))?;
    world.fill(&[victims])?;
    let policy = |config: &str| Ok::<_, anyhow::Error>(policies::tally(options, config)?.to_string());
    let mut daemon = Daemon::start_swept(options, &policy("rows-only = true")?)?;
    let (mut judged, mut selected, mut by_source, mut by_mark) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let refill = |world: &mut World| -> Result<()> {
        check("entries after the deletion", world.kernel.entries()?, rest)?;
        world.fill(&[victims])
    };
    let mark = format!("{:#x}", Kind::VICTIMS_MARK);
    for _ in 0..options.runs {
        judged.push(judge(&mut daemon, victims.count)?);
        refill(&mut world)?;
        let deleted = command::run("conntrack", &["-D", "-s", Kind::VICTIMS])?.good("conntrack -D -s")?;
        check("entries that the peer deleted", deleted.entries(), victims.count)?;
        by_source.push(deleted.wall);
        refill(&mut world)?;
        selected.push(select(&mut daemon, victims.count)?);
        refill(&mut world)?;
        let deleted = command::run("conntrack", &["-D", "-m", &mark])?.good("conntrack -D -m")?;
        check("entries that the peer deleted", deleted.entries(), victims.count)?;
        by_mark.push(deleted.wall);
        refill(&mut world)?;
    }
    let mut told = |how: &str, ours: &[Duration], source: &[Duration], mark: &[Duration]| {
        let figures = (Figure::wall(ours), Figure::wall(source), Figure::wall(mark));
        let (Some(ours), Some(source), Some(mark)) = figures else { return };
        let row = Row::new(format!("delete {} of {all}, {how}", victims.count), ours);
        let row = row.beside("conntrack -D -s", source, 3.0).beside("conntrack -D -m", mark, 2.5);
        tell(row.checked(format!("in each run {} applied outcomes, and {rest} entries left", victims.count)));
    };
    told("judged row by row", &judged, &by_source, &by_mark);
    told("by one verdict over a selection", &selected, &by_source, &by_mark);
    drop(daemon);
    let mut known = Vec::new();
    let (mut by_source, mut by_mark) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        // This daemon receives all events. It runs only for its own measurement, so that it does not disturb the peer.
        let mut daemon = Daemon::start_swept(options, &policy("rows-only = true\nselects = true")?)?;
        daemon.replicated(all)?;
        known.push(select(&mut daemon, victims.count)?);
        drop(daemon);
        refill(&mut world)?;
        let deleted = command::run("conntrack", &["-D", "-s", Kind::VICTIMS])?.good("conntrack -D -s")?;
        check("entries that the peer deleted", deleted.entries(), victims.count)?;
        by_source.push(deleted.wall);
        refill(&mut world)?;
        let deleted = command::run("conntrack", &["-D", "-m", &mark])?.good("conntrack -D -m")?;
        check("entries that the peer deleted", deleted.entries(), victims.count)?;
        by_mark.push(deleted.wall);
        refill(&mut world)?;
    }
    told("by one verdict over a selection, the table being followed", &known, &by_source, &by_mark);
    Ok(())
}

/// A sweep in which the policy deletes each victim.
fn judge(daemon: &mut Daemon, victims: u64) -> Result<Duration> {
    daemon.send("tally", &format!("judge delete {}", Kind::VICTIMS))?;
    let applied =
        |daemon: &mut Daemon| -> Result<u64> { Ok(verdicts(&daemon.status()?, "tally", "delete", "applied")) };
    let before = applied(daemon)?;
    daemon.rest()?;
    let begin = Instant::now();
    daemon.begin_to_send("tally", "sweep")?;
    daemon.sent()?;
    daemon.wait("the outcomes", |daemon| {
        let done = applied(daemon)? - before >= victims;
        if !done {
            // A status request costs some of the daemon's time.
            sleep(Duration::from_millis(1));
        }
        Ok(done.then_some(()))
    })?;
    let wall = begin.elapsed();
    check("applied outcomes", applied(daemon)? - before, victims)?;
    check("records lost", number(&daemon.status()?, "records_lost")?, 0)?;
    daemon.send("tally", "judge nothing")?;
    Ok(wall)
}

/// One verdict on all victims. The reply comes when every outcome is known. If only a long sweep can find the outcomes,
/// the reply comes at once, and the record comes with the outcomes.
fn select(daemon: &mut Daemon, victims: u64) -> Result<Duration> {
    daemon.rest()?;
    let begin = Instant::now();
    let said = daemon.send("tally", &format!("end {}", Kind::VICTIMS))?;
    if at(&said, "/outcomes/verdicts").is_null() {
        let wall = begin.elapsed();
        ensure!(at(&said, "/outcomes/flows/applied") == victims, "not every flow ended: {said}");
        return Ok(wall);
    }
    let of_all = |line: &str| line.contains("\"selection\"") && line.contains("\"delete\"");
    let record = daemon.wait("the record of the verdict", |daemon| daemon.records.next(of_all))?;
    let wall = begin.elapsed();
    ensure!(at(&record, "/tally/applied") == victims, "not every flow ended: {record}");
    Ok(wall)
}
