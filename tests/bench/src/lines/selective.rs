//! Sweeps that want few entries, beside `conntrack -L` with the same filter: processor time, as both wait little.
//!
//! What the kernel can filter rightly it filters; IPv6 addresses and ports are filtered here, and must be as right.

use anyhow::Result;

use super::sweep::sweep;
use super::{Line, check};
use crate::daemon::Daemon;
use crate::figure::Figure;
use crate::options::Options;
use crate::population::{Kind, mixed};
use crate::row::Row;
use crate::world::World;
use crate::{command, policies};

pub(crate) const LINE: Line = Line {
    name: "selective",
    title: "processor time of a sweep for one source, mark, zone or status, beside `conntrack -L` with that filter",
    measure,
};

/// A selection: what it is, in our words and in the peer's, the kind that it finds, and whether the kernel can filter it.
struct Selection {
    what: &'static str,
    ours: &'static str,
    theirs: &'static [&'static str],
    kind: Kind,
    in_kernel: bool,
}

const SELECTIONS: &[Selection] = &[
    Selection {
        what: "one IPv4 source",
        ours: "sweep src 192.0.2.9",
        theirs: &["-L", "-s", "192.0.2.9"],
        kind: Kind::OneClient4,
        in_kernel: true,
    },
    Selection {
        what: "one mark",
        ours: "sweep mark 0x1234",
        theirs: &["-L", "-m", "0x1234"],
        kind: Kind::Marked,
        in_kernel: true,
    },
    Selection {
        what: "one zone",
        ours: "sweep zone 7",
        theirs: &["-L", "-w", "7"],
        kind: Kind::Zoned,
        in_kernel: true,
    },
    Selection {
        what: "a status",
        ours: "sweep status 0x400/0x400",
        theirs: &["-L", "-u", "FIXED_TIMEOUT"],
        kind: Kind::Fixed,
        in_kernel: true,
    },
    Selection {
        what: "one IPv6 source",
        ours: "sweep src 2001:db8:ffff::9",
        theirs: &["-L", "-f", "ipv6", "-s", "2001:db8:ffff::9"],
        kind: Kind::OneClient6,
        in_kernel: false,
    },
    Selection {
        what: "one UDP port",
        ours: "sweep protocol udp dport 53",
        theirs: &["-L", "-p", "udp", "--dport", "53"],
        kind: Kind::Fixed,
        in_kernel: false,
    },
];

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let groups = mixed(options.entries);
    let _world = World::with(&groups)?;
    let mut daemon = Daemon::start_swept(options, &policies::tally(options, "")?.to_string())?;
    for selection in SELECTIONS {
        let wanted = groups.iter().filter(|group| group.kind == selection.kind).map(|group| group.count).sum();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let swept = sweep(&mut daemon, selection.ours)?;
            check("entries that the policy judged", swept.count.entries, wanted)?;
            ours.push(swept.processor);
            let listed = command::run("conntrack", selection.theirs)?.good("conntrack -L")?;
            check("entries that the peer listed", listed.entries(), wanted)?;
            theirs.push(listed.processor);
        }
        if let (Some(ours), Some(theirs)) = (Figure::processor(&ours), Figure::processor(&theirs)) {
            let what = format!("sweep for {} ({wanted} of {}), processor time", selection.what, options.entries);
            let peer = format!("conntrack {}", selection.theirs.join(" "));
            let row = Row::new(what, ours).beside(peer, theirs, selection.in_kernel.then_some(10.0));
            tell(row.checked(format!("both found exactly the {wanted} entries in each run")));
        }
    }
    Ok(())
}
