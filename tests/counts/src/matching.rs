//! Exact matching of flows against filters, which every subscription, protection and selection needs for every flow.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use ctwarden_model::{Family, Filter, Flow, Masked, PortRange, Prefix, PrefixSet, Protocol, Status, TcpState, Zone};

use crate::numbers::Numbers;
use crate::{Prepared, flows};

const FLOWS: usize = 1_000;

/// One filter of each kind that policies and operators write.
pub(crate) fn eight() -> Result<Vec<Filter>> {
    let networks = |list: &[&str]| list.iter().map(|text| text.parse::<Prefix>()).collect::<Result<PrefixSet, _>>();
    let web = [PortRange { first: 80, last: 80 }, PortRange { first: 443, last: 443 }];
    Ok(vec![
        Filter {
            family: Some(Family::Ipv4),
            protocols: [Protocol::TCP].into(),
            dst_ports: web.into(),
            ..Filter::default()
        },
        Filter { original_src: networks(&["10.0.1.0/24", "2001:db8:0:0:0:1::/96"])?, ..Filter::default() },
        Filter { states: [TcpState::ESTABLISHED.0].into(), mark: Some(Masked::new(0x10, 0xf0)?), ..Filter::default() },
        Filter { zones: [Zone(7)].into(), ..Filter::default() },
        Filter { either: networks(&["198.51.100.7"])?, ..Filter::default() },
        Filter { status: Some(Masked::new(Status::SRC_NAT.0, Status::SRC_NAT.0)?), ..Filter::default() },
        Filter { labels: 1 << 100, ..Filter::default() },
        Filter { reply_dst: networks(&["203.0.113.0/30"])?, protocols: [Protocol::TCP].into(), ..Filter::default() },
    ])
}

pub(crate) fn filters() -> Result<Prepared> {
    each(eight()?)
}

pub(crate) fn networks() -> Result<Prepared> {
    let mut numbers = Numbers(7);
    // Half of the list is hosts among the clients, the other half is networks of other addresses.
    let host = |random: u64| Prefix::host(Ipv4Addr::from_bits(0x0a00_0000 | (random as u32 % 20_000)).into());
    let network = |random: u64| Prefix::new(Ipv4Addr::from_bits(0xc000_0000 | random as u32).into(), 24);
    let mut list = BTreeSet::new();
    while list.len() < 10_000 {
        let random = numbers.next();
        list.insert(if random >> 63 == 0 { host(random) } else { network(random)? });
    }
    each(vec![Filter { either: list.into_iter().collect(), ..Filter::default() }])
}

fn each(filters: Vec<Filter>) -> Result<Prepared> {
    let flows = flows::mixed(FLOWS);
    let matching = move |flow: &Flow| filters.iter().filter(|filter| black_box(*filter).matches(flow)).count();
    let held: usize = flows.iter().map(&matching).sum();
    ensure!(held > 0, "no flow matches");
    // If the same number matches as the first time, every filter was evaluated.
    Prepared::new(FLOWS, move || {
        let again: usize = flows.iter().map(|flow| matching(black_box(flow))).sum();
        if again == held { FLOWS } else { 0 }
    })
}
