//! Links, addresses and routes over rtnetlink (RFC 3549).
//!
//! Each change carries its description, so that an error can name the change that failed.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ctwarden_netlink::Protocol;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use thiserror::Error;

use crate::requests::{Request, RequestError, carry_out};

/// Index of the loopback device in every namespace.
pub(super) const LOOPBACK: u32 = 1;

/// Number of the table of local addresses (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u8 = 255;

/// An address with the length of its network.
pub(super) type Network = (IpAddr, u8);

#[derive(Debug, Error)]
pub enum LinkError {
    #[error("cannot {what}: {}{}", std::io::Error::from(*errno), way_out(*errno))]
    Refused { what: String, errno: Errno },
    #[error("the kernel could not be asked to change the network")]
    Request(#[source] RequestError),
}

fn way_out(errno: Errno) -> &'static str {
    if errno == Errno::EOPNOTSUPP { "; this kernel lacks virtual Ethernet, load it as root: modprobe veth" } else { "" }
}

pub(super) struct LinkChange {
    what: String,
    message: RouteNetlinkMessage,
    flags: u16,
}

/// Applies the changes in the namespace of the calling thread, in order.
pub(super) fn make(changes: Vec<LinkChange>) -> Result<(), LinkError> {
    let mut names = Vec::with_capacity(changes.len());
    let mut requests = Vec::with_capacity(changes.len());
    for change in changes {
        names.push(change.what);
        requests.push(Request { message: change.message, flags: change.flags | NLM_F_ACK });
    }
    ask(requests, &names).map(drop)
}

/// Whether a link in the namespace of the calling thread can carry packets.
pub(super) fn is_up(index: u32) -> Result<bool, LinkError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let question = Request { message: RouteNetlinkMessage::GetLink(message), flags: NLM_F_ACK };
    let messages = ask(vec![question], &[format!("look at link {index}")])?;
    let is_up = |link: &LinkMessage| link.attributes.contains(&LinkAttribute::OperState(State::Up));
    Ok(messages.into_iter().any(|message| matches!(&message, RouteNetlinkMessage::NewLink(link) if is_up(link))))
}

/// Sends the requests. `names` describes each request for errors.
fn ask(requests: Vec<Request<RouteNetlinkMessage>>, names: &[String]) -> Result<Vec<RouteNetlinkMessage>, LinkError> {
    carry_out(Protocol::Route, requests).map_err(|error| {
        if let RequestError::Refused { index, errno } = error {
            LinkError::Refused { what: names.get(index).cloned().unwrap_or_default(), errno }
        } else {
            LinkError::Request(error)
        }
    })
}

/// One end of a veth pair.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    /// Index of the link. The lab chooses the index, so it need not ask the kernel for it.
    pub(super) index: u32,
    pub(super) name: &'a str,
}

/// Creates a veth pair: one end in this namespace, the other end in the given one.
pub(super) fn cable(here: End<'_>, there: End<'_>, namespace: BorrowedFd<'_>) -> LinkChange {
    let mut peer = LinkMessage::default();
    peer.header.index = there.index;
    peer.attributes.push(LinkAttribute::IfName(there.name.to_owned()));
    peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
    let mut message = LinkMessage::default();
    message.header.index = here.index;
    message.attributes.push(LinkAttribute::IfName(here.name.to_owned()));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    LinkChange {
        what: format!("make the virtual cable from {} to {}", here.name, there.name),
        message: RouteNetlinkMessage::NewLink(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
    }
}

pub(super) fn up(index: u32) -> LinkChange {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    LinkChange { what: format!("switch link {index} on"), message: RouteNetlinkMessage::SetLink(message), flags: 0 }
}

/// Adds an address to a link. The address is usable at once, because the kernel skips duplicate address detection
/// (`IFA_F_NODAD`).
pub(super) fn address(index: u32, (address, length): Network) -> LinkChange {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = length;
    message.header.index = index;
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    LinkChange {
        what: format!("give address {address}/{length} to link {index}"),
        message: RouteNetlinkMessage::NewAddress(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
    }
}

/// Adds a route to a network through a neighbour.
pub(super) fn route((network, length): Network, neighbour: IpAddr) -> LinkChange {
    let mut message = route_message((network, length), RouteHeader::RT_TABLE_MAIN, RouteType::Unicast);
    message.header.scope = RouteScope::Universe;
    message.attributes.push(RouteAttribute::Gateway(neighbour.into()));
    added(format!("route {network}/{length} over {neighbour}"), message)
}

/// Makes every address of a network an address of this host.
pub(super) fn own((network, length): Network) -> LinkChange {
    let mut message = route_message((network, length), LOCAL_TABLE, RouteType::Local);
    message.header.scope = RouteScope::Host;
    message.attributes.push(RouteAttribute::Oif(LOOPBACK));
    added(format!("take the addresses of {network}/{length}"), message)
}

fn route_message((network, length): Network, table: u8, kind: RouteType) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(network);
    message.header.destination_prefix_length = length;
    message.header.table = table;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = kind;
    message.attributes.push(RouteAttribute::Destination(network.into()));
    message
}

fn added(what: String, message: RouteMessage) -> LinkChange {
    LinkChange { what, message: RouteNetlinkMessage::NewRoute(message), flags: NLM_F_CREATE | NLM_F_EXCL }
}

const fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
