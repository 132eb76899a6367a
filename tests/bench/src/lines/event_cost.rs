//! Processor time of an event, received, decoded and judged, beside `conntrack -E >/dev/null`, which prints it.
//!
//! Flows come at a rate at which neither loses one. What the kernel spends to make and to send an event is spent by whoever
//! sends the packet, and is the same for both.

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

/// Flows of a run, in that time.
const FLOWS: u64 = 20_000;
const TIME: Duration = Duration::from_secs(4);

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(judged(options)?);
        theirs.push(printed()?);
    }
    let each = |all: &[Duration]| {
        let times = all.iter().map(|time| time.as_secs_f64() / FLOWS as f64).collect();
        Figure::of(Unit::ProcessorSeconds, times)
    };
    if let (Some(ours), Some(theirs)) = (each(&ours), each(&theirs)) {
        let row = Row::new("processor time of an event, judged", ours).beside("conntrack -E", theirs, 2.0);
        tell(row.checked(format!("each of {FLOWS} events was delivered to the policy; neither lost one")));
    }
    Ok(())
}

fn judged(options: &Options) -> Result<Duration> {
    let _world = World::new()?;
    let mut flood = Flood::new()?;
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "")?.to_string())?;
    let before = daemon.processor()?;
    flood.send(FLOWS, TIME)?;
    // The last events are judged within milliseconds; the questions after that are not counted.
    sleep(Duration::from_millis(100));
    let used = daemon.processor()?.saturating_sub(before);
    daemon.settle()?;
    let status = daemon.status()?;
    check("events lost", sockets()?.dropped + number(&status, "gaps")?, 0)?;
    for plugin in plugins(&status) {
        check("events delivered", number(plugin, "delivered")?, FLOWS)?;
    }
    Ok(used)
}

fn printed() -> Result<Duration> {
    let _world = World::new()?;
    let mut flood = Flood::new()?;
    let mut command = Command::new("conntrack");
    command.arg("-E");
    let mut listener = Listener::start(command)?;
    let before = listener.processor()?;
    flood.send(FLOWS, TIME)?;
    sleep(Duration::from_millis(100));
    ensure!(listener.runs()?, "conntrack -E ended");
    let used = listener.processor()?.saturating_sub(before);
    let sockets = sockets()?;
    check("events that the peer lost or has not read", sockets.dropped + sockets.waiting, 0)?;
    listener.end()?;
    Ok(used)
}
