//! Networks, ports, masks and protocols: the values that filters and configurations name.
//!
//! The host and the SDK share these types, and the SDK is compiled to WebAssembly. The crate reads no clock, does no
//! I/O and contains no unsafe code.
//!
//! ```
//! use ctwarden_net::{Prefix, PrefixMap, PrefixSet};
//!
//! let office: Prefix = "192.0.2.0/24".parse().unwrap();
//! let networks: PrefixSet = [office].into_iter().collect();
//! assert!(networks.contains([192, 0, 2, 7].into()) && !networks.contains([198, 51, 100, 1].into()));
//!
//! let mut names = PrefixMap::new();
//! names.insert(office, "office");
//! names.insert("192.0.2.7".parse().unwrap(), "printer");
//! let (network, name) = names.longest([192, 0, 2, 7].into()).unwrap();
//! assert_eq!((network.to_string().as_str(), *name), ("192.0.2.7", "printer"));
//! ```
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
mod range;

pub use family::Family;
pub use masked::{Masked, MaskedError};
pub use port_range::{PortRange, PortRangeError};
pub use port_ranges::PortRanges;
pub use prefix::{Prefix, PrefixError};
pub use prefix_map::PrefixMap;
pub use prefix_set::PrefixSet;
pub use protocol::{DccpState, Protocol, ProtocolError, SctpState, TcpState};
pub use range::networks_of_range;
