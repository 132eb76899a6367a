//! How long an idle daemon takes from the first packet of a flow until its verdict has changed the entry.
//!
//! The measured time runs from before the datagram is sent until the benchmark's own socket has the kernel's event of
//! the change. It therefore includes the kernel's work on the request and the way back.

use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ctwarden_model::EventKind;

use super::{Line, check};
use crate::daemon::{Daemon, number, verdicts};
use crate::figure::Figure;
use crate::kernel::{Groups, Kernel};
use crate::options::Options;
use crate::policies;
use crate::row::{Of, Row};
use crate::traffic::Flood;
use crate::world::World;

pub(crate) const LINE: Line =
    Line { name: "latency", title: "idle: first packet of a flow, verdict carried out", measure };

/// The number of flows, one after the other.
const FLOWS: u64 = 1_000;
/// The pause between two flows, in which the daemon goes to sleep again.
const REST: Duration = Duration::from_millis(3);

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let _world = World::new()?;
    let mut flood = Flood::new()?;
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "mark-new = \"0x1/0x1\"")?.to_string())?;
    let mut ear = Kernel::open(Groups::UpdateDestroy)?;
    let mut ours = Vec::new();
    for _ in 0..FLOWS {
        sleep(REST);
        let to = SocketAddr::V4(flood.next_receiver());
        let (address, port): (IpAddr, u16) = (to.ip(), to.port());
        let mut done = false;
        let begin = Instant::now();
        flood.one()?;
        while !done {
            let heard = ear.hear(Duration::from_secs(5), |heard| {
                let ports = heard.original.ports();
                done |= heard.kind == EventKind::Update
                    && heard.by_request
                    && heard.original.dst == address
                    && ports.is_some_and(|(_, dst)| dst == port);
            })?;
            ensure!(heard, "the flow to {to} was not marked");
        }
        ours.push(begin.elapsed());
    }
    let status = daemon.status()?;
    check("events", number(&status, "events")?.min(FLOWS), FLOWS)?;
    check("applied outcomes", verdicts(&status, "tally", "mark", "applied"), FLOWS)?;
    if let Some(ours) = Figure::wall(&ours) {
        let row = Row::new("first packet to verdict carried out, idle", ours);
        let row = row.at_most(Of::Median, 150e-6).at_most(Of::P99, 1e-3);
        tell(row.checked(format!("each of {FLOWS} flows got its mark")));
    }
    Ok(())
}
