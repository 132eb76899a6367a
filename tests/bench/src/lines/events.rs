//! The highest rate of new UDP flows without a lost event: through three bundled policies, compared with
//! `conntrack -E`.
//!
//! The rate rises step by step. A step is a second of real flows, then the time to work off what waits. An event is
//! lost if the kernel could not put it into the socket and, with ours, also if a policy was too slow for it. If one
//! thread cannot make enough flows for a step, another one helps, up to one per processor. If all of them together do
//! not reach the rate of a step, the highest rate that they reached counts, and the report notes this.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Line;
use crate::daemon::{Daemon, at, number, plugins};
use crate::figure::{Figure, Unit};
use crate::listener::{Listener, sockets};
use crate::options::Options;
use crate::policies;
use crate::row::{Of, Row};
use crate::traffic::{Flood, Sent};
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "events",
    title: "highest rate of new UDP flows without a lost event, through three policies, beside `conntrack -E >/dev/null`",
    measure,
};

/// The first rate, and the factor from one step to the next.
const SLOWEST: f64 = 2_000.0;
const FASTER: f64 = 1.25;
/// No machine so far reached this rate.
const FASTEST: f64 = 600_000.0;
/// The duration of a step.
const STEP: Duration = Duration::from_secs(1);
/// What waits after a step is worked off within this time, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// The result of a climb.
#[derive(Clone, Copy, Debug)]
pub(super) struct Climbed {
    /// The highest rate without loss, in events per second.
    pub(super) rate: f64,
    /// Whether the machine could not make a higher rate.
    pub(super) machine: bool,
}

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(through_policies(options)?);
        theirs.push(listening(|| {
            let mut command = Command::new("conntrack");
            command.arg("-E");
            command
        })?);
    }
    let rates = |all: &[Climbed]| Figure::of(Unit::EventsASecond, all.iter().map(|one| one.rate).collect());
    if let (Some(mine), Some(peer)) = (rates(&ours), rates(&theirs)) {
        let row = Row::new("new flows a second through three policies, none lost", mine);
        let row = row.beside("conntrack -E", peer, 5.0).at_least(Of::Median, 100_000.0);
        let row = row.checked("each event was delivered to each policy; the kernel dropped none");
        let machine = ours.iter().filter(|one| one.machine).count();
        tell(if machine > 0 {
            row.note(format!("in {machine} of {} runs the machine made no more flows", ours.len()))
        } else {
            row
        });
    }
    Ok(())
}

/// Raises the rate until an event is lost. `lost` runs one step and returns whether it lost events.
pub(super) fn climb(mut lost: impl FnMut(&mut Flood, u64) -> Result<(Sent, bool)>) -> Result<Climbed> {
    let mut flood = Flood::new()?;
    let mut best = Climbed { rate: 0.0, machine: false };
    let mut rate = SLOWEST;
    while rate < FASTEST {
        let (sent, lost) = lost(&mut flood, (rate * STEP.as_secs_f64()) as u64)?;
        if lost {
            return Ok(best);
        }
        best.rate = best.rate.max(sent.rate());
        if sent.rate() < 0.9 * rate {
            if flood.grow()? {
                continue;
            }
            best.machine = true;
            return Ok(best);
        }
        rate *= FASTER;
    }
    Ok(best)
}

fn through_policies(options: &Options) -> Result<Climbed> {
    let _world = World::new()?;
    let mut daemon = Daemon::start_swept(options, &policies::bundled(options, 1 << 22)?)?;
    climb(|flood, flows| {
        let before = daemon.status()?;
        let sent = flood.send(flows, STEP)?;
        let end = Instant::now() + PATIENCE;
        loop {
            let after = daemon.status()?;
            let grown = |name: &str| Ok::<_, anyhow::Error>(number(&after, name)? - number(&before, name)?);
            let missed = plugins(&after).any(|plugin| at(plugin, "/missed") != 0);
            if sockets()?.dropped > 0 || grown("overruns")? > 0 || missed {
                return Ok((sent, true));
            }
            let delivered = plugins(&after).zip(plugins(&before)).all(|(after, before)| {
                let of = |plugin: &serde_json::Value| at(plugin, "/delivered").as_u64().unwrap_or(0);
                of(after) - of(before) >= flows
            });
            if delivered && grown("events")? >= flows {
                return Ok((sent, false));
            }
            ensure!(Instant::now() < end, "events are neither delivered nor lost: {after}");
            sleep(Duration::from_millis(10));
        }
    })
}

/// Climbs with a program that prints events. Each step starts the program anew.
pub(super) fn listening(command: impl Fn() -> Command) -> Result<Climbed> {
    let _world = World::new()?;
    climb(|flood, flows| {
        let mut listener = Listener::start(command())?;
        let sent = flood.send(flows, STEP)?;
        let end = Instant::now() + PATIENCE;
        loop {
            let after = sockets()?;
            if after.dropped > 0 || !listener.runs()? {
                return Ok((sent, true));
            }
            if after.waiting == 0 {
                listener.end()?;
                return Ok((sent, false));
            }
            ensure!(Instant::now() < end, "{:?} does not read its events", command());
            sleep(Duration::from_millis(10));
        }
    })
}
