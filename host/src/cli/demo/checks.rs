//! What the demo claims, held against the kernel's table.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use ctwarden_model::{Filter, Flow, Prefix, Protocol};
use ctwarden_reader::DumpReaders;

use crate::netlink::{Dump, Dumped, Row};

/// One claim and what was found.
#[derive(Debug)]
pub(super) struct Check {
    /// What should be.
    pub(super) claim: &'static str,
    /// What is.
    pub(super) found: String,
    /// Whether it is so.
    pub(super) held: bool,
}

/// Every entry of the kernel's table in this namespace that matches.
pub(super) fn table(filter: &Filter) -> Result<Vec<Flow>> {
    let mut flows = Vec::new();
    let mut dump = Dump::flows(&[], DumpReaders::One)?;
    // Whatever interrupts it again and again, the demo ends.
    for _ in 0..10_000 {
        let dumped = dump.read(|row| match row {
            Row::Flow(flow) => flows.extend(filter.matches(&flow).then_some(flow)),
            Row::Expectation(_) => {}
        })?;
        match dumped {
            Dumped::More => {}
            Dumped::Nothing => thread::sleep(Duration::from_millis(1)),
            Dumped::Done(true) => return Ok(flows),
            Dumped::Done(false) => {
                flows.clear();
                dump = Dump::flows(&[], DumpReaders::One)?;
            }
        }
    }
    bail!("the kernel's table did not end")
}

/// Flows with that address at either end.
pub(super) fn with(address: IpAddr) -> Filter {
    Filter { either: [Prefix::host(address)].into_iter().collect(), ..Filter::default() }
}

/// Flows from that address to that port.
pub(super) fn from_to(address: IpAddr, port: u16) -> Filter {
    Filter { original_src: [Prefix::host(address)].into_iter().collect(), ..to_port(Protocol::TCP, port) }
}

/// Flows to that port.
pub(super) fn to_port(protocol: Protocol, port: u16) -> Filter {
    let ports = [ctwarden_model::PortRange { first: port, last: port }].into();
    Filter { protocols: [protocol].into(), dst_ports: ports, ..Filter::default() }
}

/// Flows of those protocols.
pub(super) fn of(protocols: &[Protocol]) -> Filter {
    Filter { protocols: protocols.to_vec().into(), ..Filter::default() }
}
