//! Another host: a network namespace behind a cable (a veth pair) to the test's own.
//!
//! On loopback both ends of a flow are the same host; only with a second one is there forwarding, NAT and a client that
//! goes on sending when its server's side is blocked.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use crate::namespace::ip;

/// A host at the other end of a cable.
#[derive(Debug)]
pub struct Peer {
    namespace: File,
}

impl Peer {
    /// Lays a cable from the thread's namespace to a new host. `name` is the name of the interface at this end; the
    /// addresses are written with their prefix length, one list for each end. The peer's way to anywhere is this end's
    /// first address of each family.
    #[must_use]
    pub fn connect(name: &str, here: &[&str], there: &[&str]) -> Self {
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a second namespace can be made like the first");
            File::open("/proc/thread-self/ns/net").expect("a namespace has a file")
        });
        let peer = Self { namespace: namespace.join().expect("the namespace was made") };
        let path = format!("/proc/{}/fd/{}", std::process::id(), peer.namespace.as_raw_fd());
        ip(&format!("link add {name} type veth peer name eth0 netns {path}"));
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

    /// Does something on that host. Sockets that it opens stay there, wherever they are used.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("the host is there");
                what()
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// IPv6 addresses are otherwise checked for a second for being somebody else's (RFC 4862, section 5.4).
fn no_waiting(address: &str) -> &'static str {
    if address.contains(':') { " nodad" } else { "" }
}
