//! Networks, ports, masks and protocols: the values that filters and configurations name.
//!
//! They live in a crate of their own because the host and the SDK need the same ones, and the SDK is compiled to
//! WebAssembly. No clock, no I/O, no unsafe.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

#[cfg(feature = "configuration")]
pub mod configuration;
mod family;
mod masked;
mod port_range;
mod port_ranges;
mod prefix;
mod prefix_map;
mod prefix_set;
mod protocol;

pub use family::Family;
pub use masked::{Masked, MaskedError};
pub use port_range::{PortRange, PortRangeError};
pub use port_ranges::PortRanges;
pub use prefix::{Prefix, PrefixError};
pub use prefix_map::PrefixMap;
pub use prefix_set::PrefixSet;
pub use protocol::{DccpState, Protocol, ProtocolError, SctpState, TcpState};
