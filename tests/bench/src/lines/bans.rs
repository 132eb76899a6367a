//! A ban in a large table: from the message until the last established flow of the address is gone.
//!
//! The benchmark receives the kernel's destroy events on a socket of its own. It therefore measures what happened, not
//! what the daemon reports. Addresses are IPv4 and IPv6, and are the source or the destination of their flows. The
//! peer's command is measured from its start to its end, and filters by one side at a time.
//!
//! The last row is for a bad situation: the replica has reached its memory limit and cannot be complete. A ban then
//! ends only after a sweep. The measurement again stops when the flows of the address are gone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ctwarden_model::EventKind;
use serde_json::Value;

use super::{Line, check};
use crate::daemon::{Aside, Daemon, at};
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

/// The number of bans of each kind.
const BANS: u64 = 300;
/// The number of the peer's runs for each kind. The peer reads the whole table each time.
const PEERS: u64 = 5;
/// The longest time for all bans of one kind. A slower daemon stops there, and fewer samples show how slow it is.
const LONGEST: Duration = Duration::from_secs(30);
/// A flow that still exists after this time will not end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Each pair: whether the banned address is IPv6, and whether it is the source of the flows.
const SIDES: [(bool, bool); 4] = [(false, true), (false, false), (true, true), (true, false)];

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    with_a_whole_copy(options, tell)?;
    without_a_whole_copy(options, tell)
}

fn with_a_whole_copy(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let count = (BANS + PEERS) * Kind::FLOWS_OF_A_BAN;
    let mut world = World::with(&mixed(options.entries.saturating_sub(4 * count).max(1_000)))?;
    world.fill(&SIDES.map(|(six, source)| Group { kind: Kind::Banned { six, source }, count }))?;
    let mut ear = Kernel::open(Groups::Destroy)?;
    let mut daemon = Daemon::start_swept(options, &policies::ban_follower(options, "")?.to_string())?;
    for (six, source) in SIDES {
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

/// Memory for a replica that cannot be complete: room for the flows of the bans and for few others.
const TOO_LITTLE: &str = "replica-memory = \"2MiB\"\n";
/// The number of bans with an incomplete replica: more than a hundred, so that there is a 99th percentile.
const HURRIED: u64 = 120;
/// The number of bans that wait for the same sweep. The control socket accepts 32 clients.
const AT_ONCE: usize = 24;
/// The time between two such bans.
const APART: Duration = Duration::from_millis(5);

/// Bans addresses whose flows the replica knows, while it lacks most of the table.
fn without_a_whole_copy(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let banned = SIDES.map(|(six, source)| Group {
        kind: Kind::Banned { six, source },
        count: HURRIED / SIDES.len() as u64 * Kind::FLOWS_OF_A_BAN,
    });
    let known = HURRIED * Kind::FLOWS_OF_A_BAN;
    let mut world = World::new()?;
    let mut ear = Kernel::open(Groups::Destroy)?;
    let mut daemon = Daemon::start_swept(options, &format!("{TOO_LITTLE}{}", policies::ban_follower(options, "")?))?;
    world.fill(&banned)?;
    daemon.replicated(known)?;
    world.fill(&mixed(options.entries.saturating_sub(known).max(50_000)))?;
    daemon.wait("the replica to be full and at rest", |daemon| {
        let status = daemon.status()?;
        let is_full = at(&status, "/replica/turned_away").as_u64() > Some(0) && at(&status, "/sweeping") == false;
        if !is_full {
            sleep(Duration::from_millis(20));
        }
        Ok(is_full.then_some(()))
    })?;
    let entries = world.kernel.entries()?;
    let (mut ours, mut waiting) = (Vec::new(), Vec::new());
    for number in 0..HURRIED {
        sleep(APART);
        let (side, number) = (number % SIDES.len() as u64, number / SIDES.len() as u64);
        let Some(&(six, source)) = SIDES.get(usize::try_from(side)?) else { continue };
        let address = Kind::banned(six, source, number);
        let begin = Instant::now();
        waiting.push(daemon.send_aside("ban", &format!("end {address}"))?);
        hear_of_ends(&mut ear, address)?;
        ours.push(begin.elapsed());
        if waiting.len() == AT_ONCE {
            waiting.drain(..).try_for_each(answered)?;
        }
    }
    check("whole replicas", u64::from(at(&daemon.status()?, "/replica/complete") == true), 0)?;
    waiting.into_iter().try_for_each(answered)?;
    check("entries left", world.kernel.entries()?, entries - known)?;
    if let Some(ours) = Figure::wall(&ours) {
        let row = Row::new(format!("ban at {entries} entries, most of which the replica lacks"), ours);
        let row = row.at_most(Of::P99, 5e-3);
        tell(row.checked(format!("each of {HURRIED} bans ended the flows of its address and nothing else")));
    }
    Ok(())
}

/// The time from before the message is sent until the kernel has reported the end of the last flow.
fn ban(daemon: &mut Daemon, ear: &mut Kernel, address: IpAddr) -> Result<Duration> {
    let begin = Instant::now();
    daemon.begin_to_send("ban", &format!("end {address}"))?;
    hear_of_ends(ear, address)?;
    let wall = begin.elapsed();
    ended(&daemon.sent()?)?;
    Ok(wall)
}

/// Waits for the daemon's answer to a ban. If the dump that looks for further flows takes long, the answer comes before
/// the dump, without the outcome.
fn answered(ban: Aside) -> Result<()> {
    let answer = ban.answer()?;
    let waits = at(&answer, "/sent/outcomes/verdicts/waiting for a dump of the table").is_u64();
    if waits { Ok(()) } else { ended(at(&answer, "/sent")) }
}

/// Checks that, by the daemon's answer, the ban ended all flows of its address.
fn ended(said: &Value) -> Result<()> {
    let applied = at(said, "/outcomes/flows/applied").as_u64().context("the ban has no outcome")?;
    check("flows that the ban ended", applied, Kind::FLOWS_OF_A_BAN).map(drop)
}

/// Waits until the kernel has reported the end of all flows of a banned address, and of no flow of another address.
fn hear_of_ends(ear: &mut Kernel, address: IpAddr) -> Result<()> {
    let mut ended = BTreeSet::new();
    let mut others = 0;
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
    check("flows of others that ended meanwhile", others, 0).map(drop)
}
