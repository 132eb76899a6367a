//! What an address set has: networks, and services of networks.

use std::fmt;

use crate::bindings::ctwarden::conntrack::types as wit;
use crate::{Filter, Ports, Prefix, Protocol};

/// A service: a protocol, and the destination ports of the flows that use the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    protocol: Protocol,
    ports: Ports,
}

impl Service {
    /// Returns the service on a port or a range of ports.
    pub fn new(protocol: Protocol, ports: impl Into<Ports>) -> Self {
        Self { protocol, ports: ports.into() }
    }

    /// Returns the protocol.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        self.protocol
    }

    /// Returns the destination ports.
    #[must_use]
    pub const fn ports(self) -> Ports {
        self.ports
    }

    pub(crate) const fn read(given: wit::Service) -> Self {
        let ports = Ports { first: given.ports.first, last: given.ports.last };
        Self { protocol: Protocol(given.protocol), ports }
    }
}

impl From<Service> for wit::Service {
    fn from(service: Service) -> Self {
        Self { protocol: service.protocol.0, ports: service.ports.into() }
    }
}

/// A network, or one service of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    network: Prefix,
    service: Option<Service>,
}

impl Member {
    pub(crate) const fn new(network: Prefix, service: Option<Service>) -> Self {
        Self { network, service }
    }

    /// Returns the network.
    #[must_use]
    pub const fn network(self) -> Prefix {
        self.network
    }

    /// Returns the service. `None` means all traffic of the network.
    #[must_use]
    pub const fn service(self) -> Option<Service> {
        self.service
    }

    /// Returns the flows in `scope` of this member.
    pub(crate) fn flows(self, scope: &Filter) -> Filter {
        let filter = scope.clone().either(self.network);
        match self.service {
            None => filter,
            Some(service) => filter.protocol(service.protocol).dst_port(service.ports),
        }
    }
}

impl fmt::Display for Member {
    /// Writes `198.51.100.0/24` or `198.51.100.7 tcp/443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        self.service.map_or(Ok(()), |service| write!(f, " {}/{}", service.protocol, service.ports))
    }
}
