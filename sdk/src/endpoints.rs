//! One direction of a flow: who sends to whom.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Protocol;
use crate::bindings::ctwarden::policy::types as wit;

/// Addresses and layer-4 numbers of one direction.
///
/// With ICMP and ICMPv6 `src_port` is the identifier and `dst_port` type and code (see [`Entry::icmp`](crate::Entry::icmp));
/// with GRE they are call ids; with a protocol that has neither they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoints {
    /// Sender's address.
    pub src: IpAddr,
    /// Receiver's address.
    pub dst: IpAddr,
    /// Sender's port.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
}

impl Endpoints {
    /// The other direction.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port }
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.src_port == 0 && self.dst_port == 0 {
            return write!(f, "{} > {}", self.src, self.dst);
        }
        write!(f, "{} > {}", SocketAddr::new(self.src, self.src_port), SocketAddr::new(self.dst, self.dst_port))
    }
}

impl From<wit::Endpoints> for Endpoints {
    #[inline]
    fn from(endpoints: wit::Endpoints) -> Self {
        Self {
            src: endpoints.src.into(),
            dst: endpoints.dst.into(),
            src_port: endpoints.src_port,
            dst_port: endpoints.dst_port,
        }
    }
}

impl From<Endpoints> for wit::Endpoints {
    fn from(endpoints: Endpoints) -> Self {
        Self {
            src: endpoints.src.into(),
            dst: endpoints.dst.into(),
            src_port: endpoints.src_port,
            dst_port: endpoints.dst_port,
        }
    }
}

/// One direction of a flow with its protocol, such as that of the flow whose helper expected another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowTuple {
    /// IP protocol.
    pub protocol: Protocol,
    /// Addresses and layer-4 numbers.
    pub endpoints: Endpoints,
}

impl fmt::Display for FlowTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.endpoints)
    }
}

impl From<wit::FlowTuple> for FlowTuple {
    fn from(tuple: wit::FlowTuple) -> Self {
        Self { protocol: Protocol(tuple.protocol), endpoints: tuple.endpoints.into() }
    }
}

impl From<FlowTuple> for wit::FlowTuple {
    fn from(tuple: FlowTuple) -> Self {
        Self { protocol: tuple.protocol.0, endpoints: tuple.endpoints.into() }
    }
}
