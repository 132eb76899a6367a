//! The veth pairs between the three hosts, and their addresses.
//!
//! Client and server own whole networks of documentation addresses (RFC 5737, RFC 3849), and traffic can come from any
//! of these addresses. The gateway has one neighbour on each side, so it resolves two addresses and not thousands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::host::{Host, HostError};
use super::link::{self, End, LOOPBACK, LinkError, Network};
use super::sysctl::{self, SysctlError};

/// Longest wait until a veth pair carries packets.
const CABLE_TIME: Duration = Duration::from_secs(5);

/// Settings of every host. They apply before the host has links.
const SETTINGS: [(&str, &str); 4] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv6.conf.all.forwarding", "1"),
    // A veth pair has two ends, so no address can be a duplicate.
    ("net.ipv6.conf.default.accept_dad", "0"),
    // Otherwise the kernel binds IPv6 sockets only to addresses of links, not to those of the host's networks.
    ("net.ipv6.ip_nonlocal_bind", "1"),
];

#[derive(Debug, Error)]
pub enum NetworkError {
    #[error("on host {host}")]
    Link {
        host: &'static str,
        #[source]
        source: LinkError,
    },
    #[error("on host {host}")]
    Sysctl {
        host: &'static str,
        #[source]
        source: SysctlError,
    },
    #[error("a host of the lab ended too early")]
    Host(#[from] HostError),
    #[error("the cable to host {host} does not carry packets after {} s", CABLE_TIME.as_secs())]
    Dead { host: &'static str },
}

const GATEWAY: &str = "gateway";

/// The veth pair from the gateway to one host.
struct Side {
    /// Interface index of both ends.
    index: u32,
    /// Name of the gateway's end. The host's end is named `gateway`.
    name: &'static str,
    /// Addresses of the gateway's end.
    gateway: [Network; 2],
    /// Addresses of the host's end.
    host: [Network; 2],
    /// Networks that belong to the host.
    networks: &'static [Network],
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Network {
    (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6(second: u16, third: u16, last: u16, length: u8) -> Network {
    (IpAddr::V6(Ipv6Addr::new(if second == 0 { 0xfd00 } else { 0x2001 }, second, third, 0, 0, 0, 0, last)), length)
}

const CLIENT: Side = Side {
    index: 10,
    name: "client",
    gateway: [v4(10, 0, 1, 1, 30), v6(0, 1, 1, 64)],
    host: [v4(10, 0, 1, 2, 30), v6(0, 1, 2, 64)],
    networks: &[v4(192, 0, 2, 0, 24), v4(198, 51, 100, 0, 24), v6(0xdb8, 0xc, 0, 48)],
};

const SERVER: Side = Side {
    index: 11,
    name: "server",
    gateway: [v4(10, 0, 2, 1, 30), v6(0, 2, 1, 64)],
    host: [v4(10, 0, 2, 2, 30), v6(0, 2, 2, 64)],
    networks: &[v4(203, 0, 113, 0, 24), v6(0xdb8, 0x5, 0, 48)],
};

/// Connects both hosts to the gateway, which is the namespace of the calling thread.
pub(super) fn connect(client: &Host, server: &Host) -> Result<(), NetworkError> {
    let gateway = |source| NetworkError::Link { host: GATEWAY, source };
    settings().map_err(|source| NetworkError::Sysctl { host: GATEWAY, source })?;
    let mut cables = vec![link::up(LOOPBACK)];
    for (host, side) in [(client, &CLIENT), (server, &SERVER)] {
        host.run(settings)?.map_err(|source| NetworkError::Sysctl { host: host.name(), source })?;
        let here = End { index: side.index, name: side.name };
        let there = End { index: side.index, name: GATEWAY };
        cables.push(link::cable(here, there, host.namespace()));
    }
    link::make(cables).map_err(gateway)?;
    for (host, side) in [(client, &CLIENT), (server, &SERVER)] {
        let mut own = vec![link::up(LOOPBACK), link::up(side.index)];
        own.extend(side.host.map(|network| link::address(side.index, network)));
        own.extend(side.networks.iter().map(|network| link::own(*network)));
        // Default routes of both families, through the gateway's end.
        own.extend(side.gateway.map(|(neighbour, _)| {
            let all = match neighbour {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            link::route((all, 0), neighbour)
        }));
        host.run(move || link::make(own))?.map_err(|source| NetworkError::Link { host: host.name(), source })?;
        let mut ours = vec![link::up(side.index)];
        ours.extend(side.gateway.map(|network| link::address(side.index, network)));
        for network in side.networks {
            let neighbour = side.host.iter().find(|(address, _)| address.is_ipv4() == network.0.is_ipv4());
            ours.extend(neighbour.map(|(address, _)| link::route(*network, *address)));
        }
        link::make(ours).map_err(gateway)?;
    }
    for (host, side) in [(client, &CLIENT), (server, &SERVER)] {
        wait_for(host.name(), || link::is_up(side.index).map_err(gateway))?;
        wait_for(host.name(), || {
            host.run(|| link::is_up(side.index))?.map_err(|source| NetworkError::Link { host: host.name(), source })
        })?;
    }
    Ok(())
}

fn settings() -> Result<(), SysctlError> {
    SETTINGS.into_iter().try_for_each(|(name, value)| sysctl::write(name, value).map(drop))
}

/// Waits until a link is up. From the moment it is switched on, a link drops packets until the kernel notices the other
/// end.
fn wait_for(host: &'static str, up: impl Fn() -> Result<bool, NetworkError>) -> Result<(), NetworkError> {
    let since = Instant::now();
    while !up()? {
        if since.elapsed() > CABLE_TIME {
            return Err(NetworkError::Dead { host });
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
