//! One direction of a flow: sender and receiver.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Protocol;
use crate::bindings::ctwarden::conntrack::types as wit;

/// Addresses and layer-4 numbers of one direction.
///
/// With ICMP and ICMPv6, `src_port` is the identifier, and `dst_port` holds type and code (see
/// [`Entry::icmp`](crate::Entry::icmp)). With GRE, both are call ids. With any other protocol without ports, both are
/// 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoints {
    /// Address of the sender.
    pub src: IpAddr,
    /// Address of the receiver.
    pub dst: IpAddr,
    /// Port of the sender, or the number that the protocol has instead.
    pub src_port: u16,
    /// Port of the receiver, or the number that the protocol has instead.
    pub dst_port: u16,
}

impl Endpoints {
    /// Swaps sender and receiver. Without NAT, the result is the other direction of the flow.
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

/// One direction of a flow with its protocol, for example of the flow whose helper expected another flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowTuple {
    /// IP protocol of the flow.
    pub protocol: Protocol,
    /// Addresses and layer-4 numbers of the direction.
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
