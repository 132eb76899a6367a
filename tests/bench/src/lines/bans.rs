//! A ban in a large table: from the message until the last established flow of that address is gone.
//!
//! The benchmark hears of it on a socket of its own, by the kernel's destroy events, so that it counts what is so and not
//! what the daemon says. Addresses are IPv4 and IPv6, and began the flows or were called. The peer's command is measured from
//! its start to its end, and knows only one side at a time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ctwarden_model::EventKind;

use super::{Line, check};
use crate::daemon::{Daemon, at};
use crate::figure::Figure;
use crate::kernel::{Groups, Kernel};
use crate::options::Options;
use crate::population::{Group, Kind, mixed};
use crate::row::{Of, Row};
use crate::world::World;
use crate::{command, policies};

pub(crate) const LINE: Line = Line {
    name: "bans",
    title: "a ban: message in, last established flow of the address gone, beside `conntrack -D -s` and `-D -d`",
    measure,
};

/// Bans of each kind.
const BANS: u64 = 300;
/// Runs of the peer for each kind: it reads the whole table each time.
const PEERS: u64 = 5;
/// A daemon that needs longer for all bans of a kind is stopped there; fewer samples then say how slow it is.
const LONGEST: Duration = Duration::from_secs(30);
/// A flow that is not gone by then will not go.
const PATIENCE: Duration = Duration::from_secs(60);

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let sides = [(false, true), (false, false), (true, true), (true, false)];
    let count = (BANS + PEERS) * Kind::FLOWS_OF_A_BAN;
    let mut world = World::with(&mixed(options.entries.saturating_sub(4 * count).max(1_000)))?;
    world.fill(&sides.map(|(six, source)| Group { kind: Kind::Banned { six, source }, count }))?;
    let mut ear = Kernel::open(Groups::Destroy)?;
    let mut daemon = Daemon::start_swept(options, &policies::ban_follower(options, "")?.to_string())?;
    for (six, source) in sides {
        let entries = world.kernel.entries()?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        for number in 0..BANS {
            ours.push(ban(&mut daemon, &mut ear, Kind::banned(six, source, number))?);
            if begin.elapsed() > LONGEST {
                break;
            }
        }
        for number in BANS..BANS + PEERS {
            let address = Kind::banned(six, source, number).to_string();
            let (family, side) = (if six { "ipv6" } else { "ipv4" }, if source { "-s" } else { "-d" });
            let deleted = command::run("conntrack", &["-D", "-f", family, side, &address])?.good("conntrack -D")?;
            check("entries that the peer deleted", deleted.entries(), Kind::FLOWS_OF_A_BAN)?;
            theirs.push(deleted.wall);
        }
        let bans = ours.len() as u64;
        check("entries left", world.kernel.entries()?, entries - (bans + PEERS) * Kind::FLOWS_OF_A_BAN)?;
        ear.drain()?;
        let (Some(ours), Some(theirs)) = (Figure::wall(&ours), Figure::wall(&theirs)) else { break };
        let what = format!(
            "ban of an {} {} at {entries} entries",
            if six { "IPv6" } else { "IPv4" },
            if source { "source" } else { "destination" }
        );
        let peer = if source { "conntrack -D -s" } else { "conntrack -D -d" };
        let row = Row::new(what, ours).beside(peer, theirs, 200.0).at_most(Of::P99, 5e-3);
        let flows = Kind::FLOWS_OF_A_BAN;
        let row = row.checked(format!("each of {bans} bans ended the {flows} flows of its address and nothing else"));
        tell(if bans < BANS { row.note(format!("{bans} bans only: more would have taken too long")) } else { row });
    }
    Ok(())
}

/// From before the message is written until the kernel has told of the last flow's end.
fn ban(daemon: &mut Daemon, ear: &mut Kernel, address: IpAddr) -> Result<Duration> {
    let mut ended = BTreeSet::new();
    let mut others = 0;
    let begin = Instant::now();
    daemon.begin_to_send("ban", &format!("ban {address}"))?;
    while (ended.len() as u64) < Kind::FLOWS_OF_A_BAN {
        let heard = ear.hear(PATIENCE, |heard| {
            let its = [heard.original.src, heard.original.dst].contains(&address);
            match (heard.kind, its) {
                (EventKind::Destroy, true) => drop(ended.insert(heard.original)),
                (EventKind::Destroy, false) => others += 1,
                (EventKind::New | EventKind::Update | EventKind::Row, _) => {}
            }
        })?;
        ensure!(heard, "{} flows of {address} are still there", Kind::FLOWS_OF_A_BAN - ended.len() as u64);
    }
    let wall = begin.elapsed();
    let said = daemon.sent()?;
    let applied = at(&said, "/outcomes/flows/applied").as_u64().context("the ban has no outcome")?;
    check("flows that the ban ended", applied, Kind::FLOWS_OF_A_BAN)?;
    check("flows of others that ended meanwhile", others, 0)?;
    Ok(wall)
}
