//! Uses of the conntrack netlink socket: events, dumps and requests, one file each. The `wire` crate encodes and
//! decodes the messages.

mod changes;
mod dump;
mod events;
mod interfaces;
pub(crate) mod nftables;
mod own_addresses;
mod requests;
pub(crate) mod sockets;

pub(crate) use ctwarden_netlink::exchange::ExchangeError;
pub(crate) use ctwarden_netlink::{OpenError, exchange};
pub(crate) use dump::{Dump, DumpProgress, Row};
pub(crate) use events::{Drained, Ends, EventSocket, Groups, KernelMessage};
pub(crate) use own_addresses::{HostAddresses, own_addresses};
pub(crate) use requests::Requests;
