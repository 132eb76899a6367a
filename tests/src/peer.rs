//! Another host: a network namespace that a veth pair connects to the test's own.
//!
//! On loopback, both ends of a flow are the same host. A second host makes forwarding and NAT possible, and a client
//! that goes on sending when the server's side is blocked.

use crate::namespace::{Beside, ip};
use crate::patience::eventually;
use crate::traffic::Tcp;

/// A host at the other end of a veth pair.
#[derive(Debug)]
pub struct Peer {
    host: Beside,
}

impl Peer {
    /// Connects a new host to the thread's namespace. `name` is the name of the interface at this end. The addresses of
    /// each end have their prefix length. The default route of the peer leads to this end's first address of each
    /// family.
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

    /// Connects from an address of that host to an address here.
    #[must_use]
    pub fn tcp_from(&self, there: &str, here: &str, port: u16) -> Tcp {
        let listener = Tcp::listen(here, port);
        let client = eventually("a connection", || self.run(|| Tcp::dial(there, here, port)).ok());
        Tcp { client, server: listener.accept().expect("whoever has dialled").0 }
    }

    /// Connects from an address here to an address of that host.
    #[must_use]
    pub fn tcp_to(&self, here: &str, there: &str, port: u16) -> Tcp {
        let listener = self.run(|| Tcp::listen(there, port));
        let client = eventually("a connection", || Tcp::dial(here, there, port).ok());
        Tcp { client, server: listener.accept().expect("whoever has dialled").0 }
    }

    /// Runs `what` on that host. Sockets that `what` opens stay there, even if another thread uses them.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.host.run(what)
    }
}

/// Without `nodad`, the kernel checks an IPv6 address for a second for duplicates (RFC 4862, section 5.4).
fn no_waiting(address: &str) -> &'static str {
    if address.contains(':') { " nodad" } else { "" }
}
