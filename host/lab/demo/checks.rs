//! The claims of the demo, and the kernel's table against which they are checked.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use ctwarden_model::{Filter, Flow, PortRange, Prefix, Protocol};
use ctwarden_netlink::{NetlinkSocket, Read, ResizeWatch};
use ctwarden_wire::{Content, Flags, KernelFilter, Messages, request};

/// How often the table is read anew if the kernel interrupts the dump.
const TRIES: usize = 100;
/// How long the next part of a dump may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Number of the only request of a socket.
const SEQUENCE: u32 = 1;

#[derive(Debug)]
pub(super) struct Check {
    pub(super) claim: &'static str,
    /// What the kernel shows.
    pub(super) found: String,
    pub(super) held: bool,
}

/// Every flow in the kernel's table of this namespace that matches.
pub(super) fn table(filter: &Filter) -> Result<Vec<Flow>> {
    for _ in 0..TRIES {
        if let Some(flows) = dump(filter)? {
            return Ok(flows);
        }
    }
    bail!("the kernel interrupted {TRIES} dumps of its table")
}

/// One dump; none if it was interrupted, so that flows may be missing. The kernel filters nothing: what it answers is what is there.
fn dump(filter: &Filter) -> Result<Option<Vec<Flow>>> {
    let mut socket = NetlinkSocket::open(ctwarden_netlink::Protocol::Netfilter)?;
    let mut resize = ResizeWatch::begin();
    let mut question = Vec::new();
    request::dump(&mut question, SEQUENCE, &KernelFilter::default());
    socket.send(&question)?;
    let (mut flows, mut is_whole) = (Vec::new(), true);
    loop {
        match socket.read()? {
            Read::Bytes => {}
            Read::Nothing if socket.wait(PATIENCE)? => continue,
            Read::Nothing => bail!("the kernel did not answer within {PATIENCE:?}"),
            Read::Overrun => return Ok(None),
        }
        is_whole &= !resize.is_resized();
        for message in Messages::new(socket.bytes()) {
            let message = message?;
            is_whole &= !message.header.flags.contains(Flags::DUMP_INTERRUPTED);
            let content = message.content();
            if let Content::Conntrack(entry) = content {
                flows.extend(entry.flow.to_flow().ok().filter(|flow| filter.matches(flow)));
            } else if let Content::Done { status: 0 } = content {
                return Ok(is_whole.then_some(flows));
            } else {
                bail!("the kernel did not list its table: {content:?}");
            }
        }
    }
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
    let ports = [PortRange { first: port, last: port }].into();
    Filter { protocols: [protocol].into(), dst_ports: ports, ..Filter::default() }
}

/// Flows of those protocols.
pub(super) fn of(protocols: &[Protocol]) -> Filter {
    Filter { protocols: protocols.to_vec().into(), ..Filter::default() }
}
