//! A sweep of the whole table through a Rust policy that judges every entry. Two sockets at once read tables with a
//! quarter and with a half of IPv6; one socket reads a table with IPv4 only.
//!
//! The measured time runs from before the message that asks for the sweep until the file of records has the policy's
//! own record of the sweep's end. The policy has then judged the last entry, and a person could read that. The peer
//! lists the table and discards the text. The bare cost is a loop that receives the same dump without decoding it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Line, check};
use crate::daemon::{Daemon, at};
use crate::figure::Figure;
use crate::kernel::Count;
use crate::options::Options;
use crate::population::{Group, Kind, mixed};
use crate::row::Row;
use crate::world::World;
use crate::{command, policies, processor};

pub(crate) const LINE: Line = Line {
    name: "sweep",
    title: "every entry through a Rust policy, beside `conntrack -L >/dev/null` and the bare cost of receiving",
    measure,
};

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let group = |kind, count| Group { kind, count };
    let (half, rest) = (options.entries / 2, options.entries.div_ceil(2));
    let halves = [group(Kind::Ipv4, rest), group(Kind::Ipv6, half)];
    sweeps_of("a Rust policy, a quarter IPv6", &mixed(options.entries), 2.2, options, tell)?;
    sweeps_of("a Rust policy, half IPv6", &halves, 2.2, options, tell)?;
    sweeps_of("a Rust policy, IPv4 only", &[group(Kind::Ipv4, options.entries)], 1.6, options, tell)
}

fn sweeps_of(what: &str, population: &[Group], goal: f64, options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let mut world = World::with(population)?;
    let there = world.kernel.count(&ctwarden_model::Filter::default(), |_| true)?;
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "")?.to_string())?;
    let (mut ours, mut list, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ours_cpu, mut list_cpu, mut bare_cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let swept = sweep(&mut daemon, "sweep")?;
        ensure!(swept.count == there, "the policy judged {:?}, the table has {there:?}", swept.count);
        ours.push(swept.wall);
        ours_cpu.push(swept.processor);
        let listed = command::run("conntrack", &["-L"])?.good("conntrack -L")?;
        check("entries listed by the peer", listed.entries(), there.entries)?;
        list.push(listed.wall);
        list_cpu.push(listed.processor);
        let (begin, before) = (Instant::now(), processor::of_thread()?);
        world.kernel.receive_all()?;
        bare.push(begin.elapsed());
        bare_cpu.push(processor::of_thread()?.saturating_sub(before));
    }
    let entries = there.entries;
    let judged = format!("in each run the policy judged {entries} entries, and the sum of their ids is the kernel's");
    let figures = (Figure::wall(&ours), Figure::wall(&list), Figure::wall(&bare));
    if let (Some(ours), Some(list), Some(bare)) = figures {
        let row = Row::new(format!("sweep of {entries} entries through {what}"), ours)
            .beside("conntrack -L", list, goal)
            .beside("bare receiving", bare, 1.0 / 1.10)
            .checked(judged.as_str());
        tell(row);
    }
    let figures = (Figure::processor(&ours_cpu), Figure::processor(&list_cpu), Figure::processor(&bare_cpu));
    if let (Some(ours), Some(list), Some(bare)) = figures {
        let row = Row::new("the same, processor time", ours);
        tell(row.beside("conntrack -L", list, None).beside("bare receiving", bare, None).checked(judged));
    }
    Ok(())
}

/// The cost of a sweep, and what the policy judged.
#[derive(Debug)]
pub(super) struct Swept {
    /// From the message until the policy's record.
    pub(super) wall: Duration,
    /// The daemon's processor time.
    pub(super) processor: Duration,
    /// The dump entries that the policy judged.
    pub(super) count: Count,
}

/// Asks the policy `tally` for a sweep and waits for its record of the end.
pub(super) fn sweep(daemon: &mut Daemon, message: &str) -> Result<Swept> {
    daemon.rest()?;
    let before = daemon.processor()?;
    let begin = Instant::now();
    daemon.begin_to_send("tally", message)?;
    let record = daemon.wait("the end of the sweep", |daemon| daemon.records.next(|line| line.contains("tallied")))?;
    let wall = begin.elapsed();
    let processor = daemon.processor()?.saturating_sub(before);
    daemon.sent()?;
    let field = |name: &str| at(&record, &format!("/fields/{name}")).as_str().and_then(|text| text.parse::<u64>().ok());
    let count = Count { entries: field("rows").unwrap_or(0), ids: field("ids").unwrap_or(0) };
    ensure!(at(&record, "/fields/complete") == "true", "the sweep was interrupted: {record}");
    Ok(Swept { wall, processor, count })
}
