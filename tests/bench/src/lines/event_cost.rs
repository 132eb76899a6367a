//! Processor time to receive, decode and judge an event, compared with `conntrack -E >/dev/null`, which prints it.
//!
//! The rate of flows is one at which neither program loses an event. The kernel's cost to create and send an event
//! falls on the sender of the packet, and is the same for both.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Line, check};
use crate::daemon::{Daemon, number, plugins};
use crate::figure::{Figure, Unit};
use crate::listener::{Listener, sockets};
use crate::options::Options;
use crate::policies;
use crate::row::Row;
use crate::traffic::Flood;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "event-cost",
    title: "processor time of an event, received, decoded and judged, beside `conntrack -E >/dev/null`",
    measure,
};

/// Flows per second: the rate of a busy gateway, and a rate near the peer's limit.
const RATES: [u64; 2] = [5_000, 20_000];
const TIME: Duration = Duration::from_secs(4);

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    RATES.into_iter().try_for_each(|rate| at_rate(rate, options, tell))
}

fn at_rate(rate: u64, options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let flows = rate * TIME.as_secs();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(judged(flows, options)?);
        theirs.push(printed(flows)?);
    }
    let each = |all: &[Duration]| {
        let times = all.iter().map(|time| time.as_secs_f64() / flows as f64).collect();
        Figure::of(Unit::ProcessorSeconds, times)
    };
    if let (Some(ours), Some(theirs)) = (each(&ours), each(&theirs)) {
        let row = Row::new(format!("processor time of an event, judged, at {rate} a second"), ours);
        let row = row.beside("conntrack -E", theirs, 2.0);
        tell(row.checked(format!("each of {flows} events was delivered to the policy; neither lost one")));
    }
    Ok(())
}

fn judged(flows: u64, options: &Options) -> Result<Duration> {
    let _world = World::new()?;
    let mut flood = Flood::new()?;
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "")?.to_string())?;
    let before = daemon.processor()?;
    flood.send(flows, TIME)?;
    // The last events are judged within milliseconds. The status requests afterwards are not counted.
    sleep(Duration::from_millis(100));
    let used = daemon.processor()?.saturating_sub(before);
    daemon.settle()?;
    let status = daemon.status()?;
    check("events lost", sockets()?.dropped + number(&status, "overruns")?, 0)?;
    for plugin in plugins(&status) {
        check("events delivered", number(plugin, "delivered")?, flows)?;
    }
    Ok(used)
}

fn printed(flows: u64) -> Result<Duration> {
    let _world = World::new()?;
    let mut flood = Flood::new()?;
    let mut command = Command::new("conntrack");
    command.arg("-E");
    let mut listener = Listener::start(command)?;
    let before = listener.processor()?;
    flood.send(flows, TIME)?;
    sleep(Duration::from_millis(100));
    ensure!(listener.runs()?, "conntrack -E ended");
    let used = listener.processor()?.saturating_sub(before);
    let sockets = sockets()?;
    check("events that the peer lost or has not read", sockets.dropped + sockets.waiting, 0)?;
    listener.end()?;
    Ok(used)
}
