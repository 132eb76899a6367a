//! The netlink protocols that ctwarden uses.

use netlink_sys::constants::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_SOCK_DIAG};

/// A netlink protocol, `NETLINK_*` (linux/netlink.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses and routes.
    Route,
    /// Connection tracking and nftables.
    Netfilter,
    /// The sockets of programs.
    SocketDiagnostics,
}

impl Protocol {
    pub(crate) const fn number(self) -> isize {
        match self {
            Self::Route => NETLINK_ROUTE,
            Self::Netfilter => NETLINK_NETFILTER,
            Self::SocketDiagnostics => NETLINK_SOCK_DIAG,
        }
    }
}
