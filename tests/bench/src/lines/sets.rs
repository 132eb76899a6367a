//! An address set of a million networks: load them, add one more, look up an address, and the memory of each network.
//!
//! The set is the one of the daemon, in this process and without its store, so that the figures are the set's alone. The
//! peers load the same networks into a set of the kernel.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ctwarden_model::{Prefix, Timestamp};
use ctwarden_sets::{AddressSet, Claim, Member, Source};

use super::{Line, check};
use crate::command;
use crate::figure::{Figure, Unit};
use crate::options::Options;
use crate::row::{Of, Row};
use crate::scratch;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "sets",
    title: "an address set of as many networks as entries: load, one more, lookup, memory; beside nft and ipset",
    measure,
};

/// Networks that are added one by one to the large set, and lookups of each sample.
const ONE_MORE: u64 = 1000;
const LOOKUPS: u64 = 100_000;
/// Samples of lookups: a hundred, so that there is a 99th percentile.
const SAMPLES: u64 = 100;

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    // Some numbers have the same network. Nothing is freed before the memory is measured.
    let mut list: Vec<Prefix> = (0..options.entries).map(network).collect();
    list.sort_unstable();
    list.dedup();
    let count = list.len() as u64;
    let source = Source::File;
    let (mut loads, mut bytes) = (Vec::new(), None);
    let mut set = AddressSet::new();
    for _ in 0..options.runs {
        set = AddressSet::new();
        let before = resident()?;
        let begin = Instant::now();
        set.replace(&source, list.iter().map(|network| (Member::network(*network), claim())));
        loads.push(begin.elapsed());
        // Later runs reuse the memory of the first.
        bytes.get_or_insert(resident()?.saturating_sub(before) as f64 / count as f64);
        check("networks in the set", set.len() as u64, count)?;
    }
    let (nft, ipset) = peers(&list, options.runs)?;
    if let (Some(ours), Some(nft), Some(ipset)) = (Figure::wall(&loads), Figure::wall(&nft), Figure::wall(&ipset)) {
        let row = Row::new(format!("{count} networks loaded into a set"), ours).at_most(Of::Median, 5.0);
        tell(row.beside("nft -f", nft, None).beside("ipset restore", ipset, None));
    }
    if let Some(bytes) = bytes.and_then(|bytes| Figure::of(Unit::BytesAnEntry, vec![bytes])) {
        tell(Row::new(format!("memory of a set of {count} networks"), bytes).at_most(Of::Median, 100.0));
    }
    tell(one_more(&mut set, options.entries)?);
    tell(lookups(&set, &list)?);
    Ok(())
}

/// Adds networks one by one, as bans arrive.
fn one_more(set: &mut AddressSet, first: u64) -> Result<Row> {
    let source = Source::Control("bench".into());
    let (mut times, count) = (Vec::new(), set.len() as u64);
    for number in first..first + ONE_MORE {
        let member = Member::network(network(number));
        // Readers have a copy, as the daemon's policies do, so that a change cannot be made in place.
        let copy = set.clone();
        let begin = Instant::now();
        set.add(&source, member, claim());
        times.push(begin.elapsed());
        drop(copy);
    }
    anyhow::ensure!(set.claims_of(&source) > 0, "no network was added");
    let ours = Figure::wall(&times).context("no network was added")?;
    Ok(Row::new(format!("one more network, at {count}"), ours).at_most(Of::P99, 1e-3))
}

/// Looks up addresses, half of them in the set.
fn lookups(set: &AddressSet, list: &[Prefix]) -> Result<Row> {
    let mut numbers = Numbers(7);
    let count = list.len() as u64;
    let (mut times, mut hits) = (Vec::new(), 0u64);
    for _ in 0..SAMPLES {
        let addresses: Vec<IpAddr> = (0..LOOKUPS)
            .map(|number| {
                let listed = usize::try_from(numbers.next() % count).ok().and_then(|at| list.get(at));
                match listed {
                    Some(network) if number % 2 == 0 => network.address(),
                    _ => Ipv4Addr::from_bits(u32::try_from(numbers.next() >> 32).unwrap_or_default()).into(),
                }
            })
            .collect();
        let begin = Instant::now();
        for address in &addresses {
            hits += u64::from(black_box(set.lookup(*address, NOW)).is_some());
        }
        times.push(begin.elapsed() / u32::try_from(LOOKUPS)?);
    }
    anyhow::ensure!(hits >= SAMPLES * LOOKUPS / 2, "{hits} hits: addresses of the set were not found");
    let ours = Figure::wall(&times).context("nothing was looked up")?;
    Ok(Row::new(format!("lookup of an address among {count} networks"), ours).at_most(Of::Median, 200e-9))
}

/// The time in which the peers load the IPv4 networks of the list, and the IPv6 networks.
fn peers(list: &[Prefix], runs: usize) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let folder = scratch::folder()?;
    let (for_nft, for_ipset) = (folder.path().join("list.nft"), folder.path().join("list.ipset"));
    let (mut nft, mut ipset) = (Vec::new(), Vec::new());
    fs::write(&for_nft, nft_file(list)?)?;
    fs::write(&for_ipset, ipset_file(list)?)?;
    for _ in 0..runs.min(3) {
        // A new namespace each time, because a set with elements is not loaded again but compared.
        let _world = World::new()?;
        nft.push(command::run("nft", &["-f", text(&for_nft)?])?.good("nft -f")?.wall);
        ipset.push(
            command::run("ipset", &["restore", "-exist", "-file", text(&for_ipset)?])?.good("ipset restore")?.wall,
        );
    }
    Ok((nft, ipset))
}

fn nft_file(list: &[Prefix]) -> Result<String> {
    let mut text = String::from("table inet bench_sets {\n");
    for (name, kind, ipv4) in [("four", "ipv4_addr", true), ("six", "ipv6_addr", false)] {
        writeln!(text, "set {name} {{ type {kind}; flags interval; auto-merge; elements = {{")?;
        for network in list.iter().filter(|network| network.address().is_ipv4() == ipv4) {
            write!(text, "{network}, ")?;
        }
        text.push_str("\n}; }\n");
    }
    text.push_str("}\n");
    Ok(text)
}

fn ipset_file(list: &[Prefix]) -> Result<String> {
    let most = list.len() + 1;
    let mut text = String::new();
    for (name, family) in [("four", "inet"), ("six", "inet6")] {
        writeln!(text, "create {name} hash:net family {family} maxelem {most}")?;
    }
    for network in list {
        let name = if network.address().is_ipv4() { "four" } else { "six" };
        writeln!(text, "add {name} {network}")?;
    }
    Ok(text)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the folder for temporary files has a name that is not UTF-8; set TMPDIR")
}

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

fn claim() -> Claim {
    static NOTE: std::sync::OnceLock<std::sync::Arc<ctwarden_sets::Note>> = std::sync::OnceLock::new();
    let note = NOTE.get_or_init(Default::default);
    Claim { since: NOW, until: None, note: std::sync::Arc::clone(note) }
}

/// The network with this number: four of five are addresses, as in lists of bans, and every tenth is IPv6.
fn network(number: u64) -> Prefix {
    // Every number has another network, spread over the whole space: the factor is odd.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    if number.is_multiple_of(10) {
        let address = Ipv6Addr::from_bits(u128::from(0x2001_0db8_u32) << 96 | u128::from(spread) << 16);
        return Prefix::around(address.into(), if number.is_multiple_of(20) { 112 } else { 128 });
    }
    let address = u32::try_from(number).unwrap_or_default().wrapping_mul(0x9e37_79b1);
    let length = if number % 5 == 1 { 24 + u8::try_from(number % 8).unwrap_or_default() } else { 32 };
    Prefix::around(Ipv4Addr::from_bits(address).into(), length)
}

/// Resident memory of this process in bytes (`VmRSS` of proc_pid_status(5)).
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS is missing")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

/// Pseudo-random numbers (Marsaglia, "Xorshift RNGs").
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
