//! Another host: a network namespace behind a cable (a veth pair) to the test's own.
//!
//! On loopback both ends of a flow are the same host; only with a second one is there forwarding, NAT and a client that
//! goes on sending when its server's side is blocked.

use crate::namespace::{Beside, ip};
use crate::patience::eventually;
use crate::traffic::Tcp;

/// A host at the other end of a cable.
#[derive(Debug)]
pub struct Peer {
    host: Beside,
}

impl Peer {
    /// Lays a cable from the thread's namespace to a new host. `name` is the name of the interface at this end; the
    /// addresses are written with their prefix length, one list for each end. The peer's way to anywhere is this end's
    /// first address of each family.
    #[must_use]
    pub fn connect(name: &str, here: &[&str], there: &[&str]) -> Self {
        let peer = Self { host: Beside::new() };
        ip(&format!("link add {name} type veth peer name eth0 netns {}", peer.host.path()));
        ip(&format!("link set {name} up"));
        for address in here {
            ip(&format!("addr add {address} dev {name}{}", no_waiting(address)));
        }
        peer.run(|| {
            ip("link set lo up");
            ip("link set eth0 up");
            for address in there {
                ip(&format!("addr add {address} dev eth0{}", no_waiting(address)));
            }
            for gateway in here {
                let family = if gateway.contains(':') { "-6 " } else { "" };
                ip(&format!("{family}route replace default via {}", gateway.split('/').next().expect("an address")));
            }
        });
        peer
    }

    /// A connection from that host's address to one here.
    #[must_use]
    pub fn tcp_from(&self, there: &str, here: &str, port: u16) -> Tcp {
        let listener = Tcp::listen(here, port);
        let client = eventually("a connection", || self.run(|| Tcp::dial(there, here, port)).ok());
        Tcp { client, server: listener.accept().expect("whoever has dialled").0 }
    }

    /// A connection from an address here to one of that host.
    #[must_use]
    pub fn tcp_to(&self, here: &str, there: &str, port: u16) -> Tcp {
        let listener = self.run(|| Tcp::listen(there, port));
        let client = eventually("a connection", || Tcp::dial(here, there, port).ok());
        Tcp { client, server: listener.accept().expect("whoever has dialled").0 }
    }

    /// Does something on that host. Sockets that it opens stay there, wherever they are used.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.host.run(what)
    }
}

/// IPv6 addresses are otherwise checked for a second for being somebody else's (RFC 4862, section 5.4).
fn no_waiting(address: &str) -> &'static str {
    if address.contains(':') { " nodad" } else { "" }
}
