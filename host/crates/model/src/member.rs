//! What a claim covers: a network, or one service of the network.

use core::fmt;

use core::str::FromStr;

use thiserror::Error;

use crate::{Prefix, PrefixError, Service, ServiceError};

/// A network, or one service of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    network: Prefix,
    service: Option<Service>,
}

impl Member {
    /// All traffic of a network. An IPv4-mapped IPv6 network is the IPv4 network.
    #[must_use]
    pub const fn network(network: Prefix) -> Self {
        Self { network: network.canonical(), service: None }
    }

    /// One service of a network.
    #[must_use]
    pub const fn service(network: Prefix, service: Service) -> Self {
        Self { network: network.canonical(), service: Some(service) }
    }

    /// A network, or one service of the network. The network is taken as it is.
    #[must_use]
    pub const fn with(network: Prefix, service: Option<Service>) -> Self {
        Self { network, service }
    }

    #[must_use]
    pub const fn prefix(self) -> Prefix {
        self.network
    }

    /// `None` means all traffic.
    #[must_use]
    pub const fn only(self) -> Option<Service> {
        self.service
    }

    /// Whether all traffic of the other member is traffic of this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        let service = match (self.service, other.service) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(this), Some(other)) => this.covers(other),
        };
        service && self.network.covers(other.network)
    }
}

impl fmt::Display for Member {
    /// `198.51.100.0/24` or `198.51.100.7 tcp/443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        self.service.map_or(Ok(()), |service| write!(f, " {service}"))
    }
}

/// The text names no member.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemberError {
    #[error(transparent)]
    Network(#[from] PrefixError),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl FromStr for Member {
    type Err = MemberError;

    /// Reads a member as [`Display`](fmt::Display) writes one.
    fn from_str(text: &str) -> Result<Self, MemberError> {
        Ok(match text.split_once(' ') {
            None => Self::network(text.parse()?),
            Some((network, service)) => Self::service(network.parse()?, service.parse()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use crate::{PortRange, Protocol};

    use super::*;

    fn member(network: &str, service: Option<(u8, u16, u16)>) -> Member {
        let service = service
            .map(|(protocol, first, last)| Service { protocol: Protocol(protocol), ports: PortRange { first, last } });
        Member::with(network.parse().unwrap(), service)
    }

    #[test]
    fn a_member_covers_narrower_networks_and_fewer_ports() {
        let whole = member("198.51.100.0/24", None);
        let web = member("198.51.100.0/24", Some((6, 80, 443)));
        let one = member("198.51.100.7", Some((6, 443, 443)));
        assert!(whole.covers(whole) && whole.covers(web) && whole.covers(one));
        assert!(web.covers(one) && web.covers(web) && !web.covers(whole) && !one.covers(web));
        assert!(!web.covers(member("198.51.100.7", Some((17, 443, 443)))), "another protocol");
        assert!(!web.covers(member("198.51.100.7", Some((6, 443, 444)))), "one port too many");
        assert!(!web.covers(member("203.0.113.7", Some((6, 443, 443)))));
    }

    #[test]
    fn a_member_is_written_as_people_write_it() {
        assert_eq!(member("198.51.100.0/24", None).to_string(), "198.51.100.0/24");
        assert_eq!(member("198.51.100.7", Some((6, 443, 443))).to_string(), "198.51.100.7 tcp/443");
        assert_eq!(member("198.51.100.7", Some((17, 1, 9))).to_string(), "198.51.100.7 udp/1-9");
        let ping = Member::service("2001:db8::1".parse().unwrap(), Service::all(Protocol::ICMPV6));
        assert_eq!(ping.to_string(), "2001:db8::1 icmpv6");
    }

    #[test]
    fn a_member_is_read_as_it_is_written() {
        for text in ["198.51.100.0/24", "198.51.100.7 tcp/443", "2001:db8::/32 udp/1-9", "2001:db8::1 icmpv6"] {
            assert_eq!(text.parse::<Member>().unwrap().to_string(), text);
        }
        for text in ["198.51.100.7 tcp/", "198.51.100.7 tcp/9-1", "198.51.100.7 x/1", "tcp/443", ""] {
            assert!(text.parse::<Member>().is_err(), "{text}");
        }
    }
}
