//! The addresses of this host, and of its next hops to other networks. Blocking one of them cuts the host off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::{Prefix, PrefixSet};
use ctwarden_netlink::Protocol;
use ctwarden_netlink::exchange::{Answer, Connection, ExchangeError, Request};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// Addresses to which usually only the default route leads: one of a class that is not in use, and one of a test
/// network that was given back. The kernel is asked for their route, because a router's routing table is too long to
/// read repeatedly.
const FAR_AWAY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(240, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 1))];

/// A default route's destination is at most this long: some systems write it in two halves, or as 2000::/3.
const DEFAULT_LENGTH: u8 = 3;

/// Addresses whose loss cuts the host off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostAddresses {
    pub(crate) own: PrefixSet,
    /// Next hops of default routes.
    pub(crate) gateways: PrefixSet,
}

impl HostAddresses {
    pub(crate) fn all(&self) -> PrefixSet {
        self.own.iter().chain(self.gateways.iter()).collect()
    }
}

/// Returns the present addresses in the network namespace of the calling thread.
pub(crate) fn own_addresses() -> Result<HostAddresses, ExchangeError> {
    let mut connection = Connection::open(Protocol::Route)?;
    let everything = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut requests = vec![Request { message: everything, flags: NLM_F_DUMP }];
    let of_interfaces: Vec<Answer<RouteNetlinkMessage>> = connection.exchange(requests)?;
    requests = FAR_AWAY.into_iter().map(|address| Request { message: route_to(address), flags: NLM_F_ACK }).collect();
    let routes: Vec<Answer<RouteNetlinkMessage>> = connection.exchange(requests)?;
    let networks = |answers: Vec<Answer<RouteNetlinkMessage>>| {
        answers.into_iter().flat_map(|answer| answer.messages).flat_map(addresses).map(Prefix::host).collect()
    };
    Ok(HostAddresses { own: networks(of_interfaces), gateways: networks(routes) })
}

fn route_to(address: IpAddr) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    (message.header.address_family, message.header.destination_prefix_length) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    // Request the route itself, not its resolution for this address.
    message.header.flags = RouteFlags::FibMatch;
    message.attributes.push(RouteAttribute::Destination(address.into()));
    RouteNetlinkMessage::GetRoute(message)
}

/// Returns the addresses that a message names: an interface's own addresses, or the next hops of a default route.
fn addresses(message: RouteNetlinkMessage) -> Vec<IpAddr> {
    if let RouteNetlinkMessage::NewAddress(address) = &message {
        return of_interface(address);
    }
    if let RouteNetlinkMessage::NewRoute(route) = message
        && route.header.destination_prefix_length <= DEFAULT_LENGTH
    {
        return route.attributes.into_iter().flat_map(next_hosts).collect();
    }
    Vec::new()
}

/// On a point-to-point link the address attribute is the peer's. IPv6 has only that attribute.
pub(super) fn of_interface(message: &AddressMessage) -> Vec<IpAddr> {
    let (mut local, mut other) = (Vec::new(), Vec::new());
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            local.push(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            other.push(*address);
        }
    }
    if local.is_empty() { other } else { local }
}

fn next_hosts(attribute: RouteAttribute) -> Vec<IpAddr> {
    if let RouteAttribute::MultiPath(hops) = attribute {
        return hops.into_iter().flat_map(|hop| hop.attributes).flat_map(next_hosts).collect();
    }
    let address = if let RouteAttribute::Gateway(RouteAddress::Inet(address)) = attribute {
        Some(IpAddr::V4(address))
    } else if let RouteAttribute::Gateway(RouteAddress::Inet6(address))
    | RouteAttribute::Via(RouteVia::Inet6(address)) = attribute
    {
        Some(IpAddr::V6(address))
    } else {
        None
    };
    address.into_iter().collect()
}
