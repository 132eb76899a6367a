//! A connection to this process over loopback, and whether the kernel tracked it.
//!
//! A socket option of transparent proxies reads the original destination of a connection from its entry, and fails if there
//! is no entry (`getorigdst` in net/netfilter/nf_conntrack_proto.c). So every process can see whether a connection is
//! tracked, without any capability. The connection is reset at once and its entry removed. Without the capability, the
//! entry expires ten seconds later.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ctwarden_model::{Effect, EffectId, Family, FlowId, FlowKey, Layer4, Protocol, Tuple, Zone};
use nix::errno::Errno;
use serde::Serialize;
use socket2::SockRef;

use crate::netlink::Requests;

/// Over loopback a connection exists in less than a millisecond, or a rule drops it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Result of the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in super::super) enum OwnConnection {
    /// The connection has an entry.
    Tracked,
    /// The connection has no entry.
    NotTracked,
    /// The connection failed, or the kernel does not show whether it has an entry; the reason.
    NotMade(String),
}

pub(super) fn try_out(family: Family) -> OwnConnection {
    let loopback: IpAddr = match family {
        Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    };
    let connected = TcpListener::bind((loopback, 0)).and_then(|listener| {
        let there = listener.local_addr()?;
        let stream = TcpStream::connect_timeout(&there, PATIENCE)?;
        // Reset instead of waiting for late packets (socket(7), SO_LINGER).
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok((stream.local_addr()?, there, listener, stream))
    });
    let (here, there, listener, stream) = match connected {
        Ok(connected) => connected,
        Err(error) => return OwnConnection::NotMade(error.to_string()),
    };
    let found = look(family, &stream);
    // Close both ends, so that no packet follows after the entry is removed.
    drop((stream, listener));
    if found == OwnConnection::Tracked {
        remove(here, there);
    }
    found
}

fn look(family: Family, stream: &TcpStream) -> OwnConnection {
    let socket = SockRef::from(stream);
    let asked = match family {
        Family::Ipv4 => socket.original_dst_v4(),
        Family::Ipv6 => socket.original_dst_v6(),
    };
    match asked {
        Ok(_) => OwnConnection::Tracked,
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            // No entry, or no conntrack: the option comes with nf_conntrack.
            Some(Errno::ENOENT | Errno::ENOPROTOOPT) => OwnConnection::NotTracked,
            _ => OwnConnection::NotMade(error.to_string()),
        },
    }
}

/// Removes the entry of the connection, if this process may.
fn remove(from: SocketAddr, to: SocketAddr) {
    let layer4 = Layer4::Ports { src: from.port(), dst: to.port() };
    let original = Tuple { src: from.ip(), dst: to.ip(), protocol: Protocol::TCP, layer4 };
    let Ok(mut requests) = Requests::open() else { return };
    // The kernel does not compare the id of this request.
    let entry = requests.get(&FlowKey { id: FlowId(0), zone: Zone(0), original });
    if let Ok(Some(entry)) = entry
        && let Some(id) = entry.id
    {
        // Ignore the result: the entry may be gone already.
        let _ =
            requests.apply(std::iter::once((EffectId(0), &Effect::Delete(FlowKey { id, zone: entry.zone, original }))));
    }
}
