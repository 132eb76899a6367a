//! Uses of the conntrack netlink socket: events, dumps and requests, one file each. The `wire` crate encodes and
//! decodes the messages.

mod changes;
mod dump;
mod events;
pub(crate) mod nftables;
mod own_addresses;
mod requests;

pub(crate) use ctwarden_netlink::{OpenError, exchange};
pub(crate) use dump::{Dump, DumpProgress, Row};
pub(crate) use events::{Drained, Ends, EventSocket, Groups, KernelMessage};
pub(crate) use own_addresses::{HostAddresses, own_addresses};
pub(crate) use requests::Requests;
