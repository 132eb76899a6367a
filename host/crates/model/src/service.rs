//! A service of a network: what a ban on one port covers.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::{PortRange, Protocol};

/// A service: a protocol, and the destination ports of the flows that use the service. A protocol without ports has all
/// ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    pub protocol: Protocol,
    pub ports: PortRange,
}

impl Service {
    /// Every port of a protocol.
    #[must_use]
    pub const fn all(protocol: Protocol) -> Self {
        Self { protocol, ports: PortRange { first: 0, last: u16::MAX } }
    }

    /// Whether all flows of the other service are flows of this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.protocol == other.protocol
            && self.ports.contains(other.ports.first)
            && self.ports.contains(other.ports.last)
    }
}

impl fmt::Display for Service {
    /// `tcp`, `tcp/443` or `tcp/8000-8999`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all(self.protocol) {
            write!(f, "{}", self.protocol)
        } else {
            write!(f, "{}/{}", self.protocol, self.ports)
        }
    }
}

/// The text names no service.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "\"{0}\" is not a service; write a protocol, or a protocol and ports, for example udp or tcp/22 or tcp/8000-8999"
)]
pub struct ServiceError(pub String);

impl FromStr for Service {
    type Err = ServiceError;

    /// Reads a service as [`Display`](fmt::Display) writes one.
    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let refused = || ServiceError(text.to_owned());
        match text.split_once('/') {
            None => Ok(Self::all(text.parse().map_err(|_| refused())?)),
            Some((protocol, ports)) => Ok(Self {
                protocol: protocol.parse().map_err(|_| refused())?,
                ports: ports.parse().map_err(|_| refused())?,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_service_is_read_as_it_is_written() {
        for text in ["tcp/22", "udp/1-9", "icmp", "50"] {
            assert_eq!(text.parse::<Service>().unwrap().to_string(), text);
        }
        assert_eq!("tcp/0-65535".parse::<Service>().unwrap().to_string(), "tcp");
        for text in ["", "ssh", "tcp/", "/22", "tcp/9-1", "tcp/22/23"] {
            let error = text.parse::<Service>().unwrap_err().to_string();
            assert!(error.contains("tcp/22"), "{error}");
        }
    }
}
