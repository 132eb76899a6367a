//! The sockets through which ctwarden talks to the kernel's connection tracking; what the bytes mean is the wire crate's.
//!
//! A crate of its own, because the daemon and the conntrack command are programs of their own and both need it.

mod burst;
mod resize;
mod socket;

pub use resize::ResizeWatch;
pub use socket::{NetfilterSocket, OpenError, Read};
