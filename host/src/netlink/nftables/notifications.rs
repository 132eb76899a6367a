//! Notifications of nftables: the kernel reports each change of the rule set, of this and of other programs.
//!
//! The kernel sends the notifications of a change before the program that makes the change goes on.

use std::io;
use std::time::Duration;

use ctwarden_netlink::{NetlinkSocket, OpenError, Protocol, Read};
use ctwarden_wire::{Messages, MulticastGroup};

use super::SUBSYSTEM;

/// Length of `struct nfgenmsg`.
const HEAD: usize = 4;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notification<'a> {
    /// `nlmsg_pid` of the socket that made the change.
    pub(crate) port: u32,
    /// `NFT_MSG_*`.
    pub(crate) message: u16,
    /// `NFPROTO_*`.
    pub(crate) family: u8,
    pub(crate) attributes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    Change(Notification<'a>),
    /// The kernel dropped notifications, or one cannot be read. Anything may have changed.
    Anything,
}

/// A socket in the network namespace of the thread that opened it.
pub(crate) struct Notifications {
    socket: NetlinkSocket,
}

impl Notifications {
    /// `buffer` is the size of the receive buffer in bytes.
    pub(crate) fn listen(buffer: usize) -> Result<Self, OpenError> {
        let socket = NetlinkSocket::open(Protocol::Netfilter)?;
        socket.size_receive_buffer(buffer)?;
        socket.join(MulticastGroup::NFTABLES)?;
        Ok(Self { socket })
    }

    /// Waits until something can be read. Returns false if nothing came in time.
    pub(crate) fn wait(&self, at_most: Duration) -> io::Result<bool> {
        self.socket.wait(at_most)
    }

    /// Reads once. Returns false if nothing was left to read.
    pub(crate) fn read(&mut self, mut each: impl FnMut(Heard<'_>)) -> io::Result<bool> {
        match self.socket.read()? {
            Read::Nothing => return Ok(false),
            Read::Overrun => each(Heard::Anything),
            Read::Bytes => hear(self.socket.bytes(), each),
        }
        Ok(true)
    }
}

/// Passes on the notifications of one read.
pub(crate) fn hear(bytes: &[u8], mut each: impl FnMut(Heard<'_>)) {
    for message in Messages::new(bytes) {
        let Ok(message) = message else { return each(Heard::Anything) };
        if message.header.kind >> 8 == SUBSYSTEM {
            each(Heard::Change(Notification {
                port: message.header.port,
                message: message.header.kind & 0xff,
                family: message.payload.first().copied().unwrap_or_default(),
                attributes: message.payload.get(HEAD..).unwrap_or_default(),
            }));
        }
    }
}
