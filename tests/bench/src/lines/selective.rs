//! Sweeps that want few entries, compared with `conntrack -L` with the same filter. The figure is processor time,
//! because both wait little.
//!
//! The kernel applies the filters that it handles correctly. The daemon filters IPv6 addresses and ports itself, with
//! equally correct results. If a plugin declares selections, the daemon keeps a replica. It then knows the flows of an
//! address without the kernel's walk through all entries, and reads only those flows.

use anyhow::{Context, Result};

use super::sweep::sweep;
use super::{Line, check};
use crate::daemon::Daemon;
use crate::figure::Figure;
use crate::options::Options;
use crate::population::{Group, Kind, mixed};
use crate::row::Row;
use crate::world::World;
use crate::{command, policies};

pub(crate) const LINE: Line = Line {
    name: "selective",
    title: "processor time of a sweep for one source, mark, zone or status, beside `conntrack -L` with that filter",
    measure,
};

/// A selection: its description, its form for us and for the peer, and the kind of flows that it finds.
struct Selection {
    what: &'static str,
    ours: &'static str,
    theirs: &'static [&'static str],
    kind: Kind,
    /// Whether the kernel can apply the filter.
    in_kernel: bool,
    /// Whether the replica can find the flows.
    by_address: bool,
}

const SELECTIONS: &[Selection] = &[
    Selection {
        what: "one IPv4 source",
        ours: "sweep src 192.0.2.9",
        theirs: &["-L", "-s", "192.0.2.9"],
        kind: Kind::OneClient4,
        in_kernel: true,
        by_address: true,
    },
    Selection {
        what: "one mark",
        ours: "sweep mark 0x1234",
        theirs: &["-L", "-m", "0x1234"],
        kind: Kind::Marked,
        in_kernel: true,
        by_address: false,
    },
    Selection {
        what: "one zone",
        ours: "sweep zone 7",
        theirs: &["-L", "-w", "7"],
        kind: Kind::Zoned,
        in_kernel: true,
        by_address: false,
    },
    Selection {
        what: "a status",
        ours: "sweep status 0x400/0x400",
        theirs: &["-L", "-u", "FIXED_TIMEOUT"],
        kind: Kind::Fixed,
        in_kernel: true,
        by_address: false,
    },
    Selection {
        what: "one IPv6 source",
        ours: "sweep src 2001:db8:ffff::9",
        theirs: &["-L", "-f", "ipv6", "-s", "2001:db8:ffff::9"],
        kind: Kind::OneClient6,
        in_kernel: false,
        by_address: true,
    },
    Selection {
        what: "one UDP port",
        ours: "sweep protocol udp dport 53",
        theirs: &["-L", "-p", "udp", "--dport", "53"],
        kind: Kind::Fixed,
        in_kernel: false,
        by_address: false,
    },
];

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let groups = mixed(options.entries);
    let _world = World::with(&groups)?;
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "")?.to_string())?;
    for selection in SELECTIONS {
        let goal = selection.in_kernel.then_some(10.0);
        tell(selection.measure(&mut daemon, &groups, options, ("", goal))?);
    }
    drop(daemon);
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "selects = true")?.to_string())?;
    daemon.replicated(options.entries)?;
    for selection in SELECTIONS.iter().filter(|selection| selection.by_address) {
        tell(selection.measure(&mut daemon, &groups, options, (", the table being followed", Some(10.0)))?);
    }
    Ok(())
}

impl Selection {
    /// Sweeps and lists in turn. `how` is a note on the daemon's way of reading, `goal` is the ratio to reach.
    fn measure(
        &self,
        daemon: &mut Daemon,
        groups: &[Group],
        options: &Options,
        (how, goal): (&str, Option<f64>),
    ) -> Result<Row> {
        let wanted = groups.iter().filter(|group| group.kind == self.kind).map(|group| group.count).sum();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let swept = sweep(daemon, self.ours)?;
            check("entries that the policy judged", swept.count.entries, wanted)?;
            ours.push(swept.processor);
            let listed = command::run("conntrack", self.theirs)?.good("conntrack -L")?;
            check("entries that the peer listed", listed.entries(), wanted)?;
            theirs.push(listed.processor);
        }
        let figures = Figure::processor(&ours).zip(Figure::processor(&theirs));
        let (ours, theirs) = figures.context("there was no run")?;
        let what = format!("sweep for {} ({wanted} of {}){how}, processor time", self.what, options.entries);
        let row = Row::new(what, ours).beside(format!("conntrack {}", self.theirs.join(" ")), theirs, goal);
        Ok(row.checked(format!("both found exactly the {wanted} entries in each run")))
    }
}
