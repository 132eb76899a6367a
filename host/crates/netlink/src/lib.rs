//! The sockets through which ctwarden talks to netlink; `ctwarden-wire` says what the bytes mean.
//!
//! A crate of its own, because the daemon and the conntrack command are programs of their own and both need it.
//!
//! - [`RequestSocket`] sends requests, alone or in a [`Batch`], and collects their answers. All requests go through it.
//! - [`exchange`] does the same for the message types of the netlink-packet crates.
//! - [`NetlinkSocket`] is the socket below, for events and for dumps that a thread reads.
//! - [`ResizeWatch`] notices a resize of the table, after which a dump is not whole.
//!
//! The size of the table, asked of the kernel (an unprivileged process is refused, and the example says so):
//!
//! ```
//! use std::time::Duration;
//!
//! use ctwarden_netlink::{Protocol, RequestSocket};
//! use ctwarden_wire::{Content, request};
//!
//! let mut socket = RequestSocket::open(Protocol::Netfilter, Duration::from_secs(1))?;
//! let entries = socket.ask(request::statistics, |content| match content {
//!     Content::Statistics(table) => table.entries,
//!     _ => None,
//! });
//! match entries {
//!     Ok(entries) => println!("{entries:?}"),
//!     Err(refused) => println!("{refused}"),
//! }
//! # Ok::<(), ctwarden_netlink::OpenError>(())
//! ```
//!
//! Three crates make the system calls: `netlink-sys` has the options of netlink sockets, `nix` has recvmmsg(2),
//! and `socket2` attaches programs to sockets. None of the three has what the others have.

mod batch;
mod burst;
pub mod exchange;
mod netlink_socket;
mod protocol;
mod reading;
mod request_socket;
mod resize;

pub use batch::Batch;
pub use netlink_socket::{NetlinkSocket, OpenError, Read};
pub use protocol::Protocol;
pub use reading::Reading;
pub use request_socket::{RequestError, RequestSocket};
pub use resize::ResizeWatch;
