//! The list of dead entries whose destroy event a listener has not received yet. The test fills it as in real use: with
//! a listener that insists on every message and does not read.
//!
//! The list of unconfirmed entries cannot be filled, because Linux has kept none since 5.19
//! (`ctnetlink_dump_unconfirmed` in nf_conntrack_netlink.c gives nothing). It is compared while it is empty, together
//! with the other commands that only read.

use ctwarden_tests::{Said, Scene, conntrack, original};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::grid::{Grid, Part};
use super::world::{fill, many};

/// `NFNLGRP_CONNTRACK_DESTROY` (linux/netfilter/nfnetlink.h).
const ENDS: u32 = 3;

/// The kernel raises this to its minimum for a receive buffer, which holds a few messages.
const LEAST: i32 = 1;

const LINES: &str = "
-L dying
-L d
-L dying -f ipv4
-L dying -f ipv6
-L dying -p tcp
-L dying -p sctp
-L dying -s 10.0.0.1
-L dying -s 10.0.0.0/8
-L dying -s 2001:db8::/32
-L dying -m 1
-L dying -w 5
-L dying -u ASSURED
-L dying -n
-L dying -o extended
-L dying -o id
-L dying -o xml
-L dying -o xml,id
-L dying -p udp -s 10.0.1.1 -o save
-L dying -z
-L
";

/// A listener that does not read. The kernel keeps the destroy events that it could not deliver to this socket.
fn deaf() -> Socket {
    let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
    socket.set_rx_buf_sz(LEAST).unwrap();
    socket.set_broadcast_error(true).unwrap();
    socket.bind(&SocketAddr::new(0, 0)).unwrap();
    socket.add_membership(ENDS).unwrap();
    socket
}

#[test]
fn the_list_of_the_dying_is_shown_as_the_original_shows_it() {
    let Some(_scene) = Scene::new() else { return };
    let _deaf = deaf();
    fill(&many());
    let _ = Said::of(original(&["-F"]), "").good();
    let waiting = Said::of(conntrack(&["-L", "dying"]), "").good().lines().count();
    assert!(waiting * 2 > many().lines().count(), "only {waiting} wait to be told of");
    let _size = crate::resizing::hold_size();
    let mut grid = Grid::new(Part::Dying);
    LINES.lines().filter(|line| !line.is_empty()).for_each(|line| grid.ask(line));
    grid.finish();
}
