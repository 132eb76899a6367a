//! The netlink sockets of ctwarden. `ctwarden-wire` encodes and decodes the bytes.
//!
//! This is a separate crate because two programs need it: the daemon and the conntrack command.
//!
//! - [`RequestSocket`] sends requests, alone or in a [`Batch`], and collects their answers. All requests go through it.
//! - [`exchange`] does the same for the message types of the netlink-packet crates.
//! - [`NetlinkSocket`] is the underlying socket, for events and for dumps that a thread reads.
//! - [`ResizeWatch`] notices a resize of the table, after which a dump may be incomplete.
//!
//! The example requests the size of the table. The kernel refuses an unprivileged process, and the example then prints
//! the error:
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
//! and `socket2` attaches programs to sockets. No two of them cover all three tasks.

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
