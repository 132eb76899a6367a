//! The interfaces of this network namespace, and the addresses that packets to this host have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ctwarden_netlink::Protocol;
use ctwarden_netlink::exchange::{Answer, Connection, ExchangeError, Request};
use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;

use super::own_addresses::of_interface;

pub(crate) struct Interfaces {
    numbers: Vec<u32>,
    addresses: BTreeSet<IpAddr>,
}

impl Interfaces {
    /// Reads the interfaces in the network namespace of the calling thread.
    pub(crate) fn read() -> Result<Self, ExchangeError> {
        let mut connection = Connection::open(Protocol::Route)?;
        let mut interfaces = Self { numbers: Vec::new(), addresses: BTreeSet::new() };
        let lists = [
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        ];
        for message in lists {
            let answers: Vec<Answer<RouteNetlinkMessage>> =
                connection.exchange(vec![Request { message, flags: NLM_F_DUMP }])?;
            for message in answers.into_iter().flat_map(|answer| answer.messages) {
                if let RouteNetlinkMessage::NewLink(link) = &message {
                    interfaces.numbers.push(link.header.index);
                } else if let RouteNetlinkMessage::NewAddress(address) = &message {
                    interfaces.addresses.extend(of_interface(address));
                }
            }
        }
        Ok(interfaces)
    }

    /// The numbers of the interfaces (`ifindex`).
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Whether the address is one of this host.
    pub(crate) fn have(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }
}
