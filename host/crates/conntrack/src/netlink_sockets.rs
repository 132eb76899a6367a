//! The kernel's list of netlink sockets (`/proc/net/netlink`).
//!
//! It answers two questions: which socket file belongs to a port, to name the program that caused an event; and how
//! many messages the kernel dropped because the command's own socket was full.

use std::fs;

/// Protocol `NETLINK_NETFILTER` (linux/netlink.h), as the list shows it.
const NETFILTER: u32 = 12;

/// One netfilter netlink socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetlinkSocket {
    /// Inode of its file.
    pub(super) inode: u64,
    /// Messages that did not fit into its receive buffer since it was opened.
    pub(super) dropped: u64,
}

/// Finds the netfilter socket with that port in this network namespace.
pub(super) fn find(port: u32) -> Option<NetlinkSocket> {
    parse(&fs::read_to_string("/proc/net/netlink").ok()?, port)
}

/// Columns: sk, Eth (the protocol), Pid (the port), Groups, Rmem, Wmem, Dump, Locks, Drops, Inode.
fn parse(list: &str, port: u32) -> Option<NetlinkSocket> {
    list.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let protocol: u32 = columns.next()?.parse().ok()?;
        let owner: u32 = columns.next()?.parse().ok()?;
        if protocol != NETFILTER || owner != port {
            return None;
        }
        let mut columns = columns.skip(5);
        let dropped = columns.next()?.parse().ok()?;
        let inode = columns.next()?.parse().ok()?;
        Some(NetlinkSocket { inode, dropped })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   4021       00000000 0        0        0     2        0        30
0000000000000000 12  0          00000000 0        0        0     2        0        9
0000000000000000 12  4021       00000007 0        0        0     2        5713     52117
";

    #[test]
    fn the_netfilter_socket_of_the_port_is_found() {
        assert_eq!(parse(LIST, 4021), Some(NetlinkSocket { inode: 52117, dropped: 5713 }));
        assert_eq!(parse(LIST, 0), Some(NetlinkSocket { inode: 9, dropped: 0 }));
        assert_eq!(parse(LIST, 4022), None);
    }
}
