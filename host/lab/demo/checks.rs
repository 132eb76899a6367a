//! The claims of the demo, and the dump of the kernel's table that verifies them.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use ctwarden_model::{Filter, Flow, PortRange, Prefix, Protocol};
use ctwarden_netlink::{NetlinkSocket, Read, ResizeWatch};
use ctwarden_wire::{Content, Flags, KernelFilter, Messages, request};

/// Number of attempts to dump the table if the kernel interrupts dumps.
const TRIES: usize = 100;
/// Longest wait for the next part of a dump.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sequence number of the only request on a socket.
const SEQUENCE: u32 = 1;

#[derive(Debug)]
pub(super) struct Check {
    pub(super) claim: &'static str,
    /// The state that the kernel shows.
    pub(super) found: String,
    pub(super) held: bool,
}

/// All matching flows in the kernel's table of this namespace.
pub(super) fn table(filter: &Filter) -> Result<Vec<Flow>> {
    for _ in 0..TRIES {
        if let Some(flows) = dump(filter)? {
            return Ok(flows);
        }
    }
    bail!("the kernel interrupted {TRIES} dumps of its table")
}

/// Dumps the table once. `None` if the dump was interrupted, because flows may be missing then.
///
/// The kernel filters nothing, so a mistake in a kernel filter cannot hide a flow.
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

/// A filter for flows with the address at either end.
pub(super) fn with(address: IpAddr) -> Filter {
    Filter { either: [Prefix::host(address)].into_iter().collect(), ..Filter::default() }
}

/// A filter for TCP flows from the address to the port.
pub(super) fn from_to(address: IpAddr, port: u16) -> Filter {
    Filter { original_src: [Prefix::host(address)].into_iter().collect(), ..to_port(Protocol::TCP, port) }
}

/// A filter for flows of the protocol to the port.
pub(super) fn to_port(protocol: Protocol, port: u16) -> Filter {
    let ports = [PortRange { first: port, last: port }].into();
    Filter { protocols: [protocol].into(), dst_ports: ports, ..Filter::default() }
}

/// A filter for flows of the protocols.
pub(super) fn of(protocols: &[Protocol]) -> Filter {
    Filter { protocols: protocols.to_vec().into(), ..Filter::default() }
}
