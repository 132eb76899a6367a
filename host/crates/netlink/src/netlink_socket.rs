//! A netlink socket: opened, sized, read and written, with errors that name the remedy.
//!
//! Events, dumps and requests share this module. It checks the sender, notices a truncated read, and distinguishes an
//! overrun from a failure.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use ctwarden_wire::{EventFilter, Instruction, MulticastGroup};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{SockFilter, SockRef};
use thiserror::Error;

use crate::burst::Burst;
use crate::protocol::Protocol;

/// Bytes of one read. A dump fills 32 KiB at a time, and an event or an answer is far smaller. Twice that size is
/// always enough.
const READ_BYTES: usize = 64 * 1024;

/// Size of one place in a burst in bytes, for sockets that receive many messages with one call.
///
/// An entry needs some hundred bytes. Its longest part, a security context, is no longer than a page. The size is a
/// little above a round number, so that the places do not compete for the same lines of the processor's caches.
const MESSAGE_BYTES: usize = 8 * 1024 + 64;

/// Room that the kernel wants in the send buffer beside the message itself.
const SEND_OVERHEAD: usize = 4096;

/// Why a socket could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "no permission to use conntrack's netlink socket: it needs CAP_NET_ADMIN; run ctwarden as root, or grant it \
         once: setcap cap_net_admin+ep \"$(command -v ctwarden)\""
    )]
    NotPermitted,
    /// The kernel lacks support for the protocol.
    #[error("this kernel has no netfilter netlink socket; load it: modprobe nf_conntrack_netlink")]
    Unsupported,
    #[error("cannot {what} the netlink socket")]
    System {
        what: &'static str,
        /// The error of the system call.
        source: io::Error,
    },
}

impl OpenError {
    /// Creates the error of a step from the error of its system call.
    pub fn new(what: &'static str, source: io::Error) -> Self {
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM | Errno::EACCES) => Self::NotPermitted,
            Some(Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT) => Self::Unsupported,
            _ => Self::System { what, source },
        }
    }
}

/// The result of a read.
pub enum Read {
    /// Bytes are in the buffer.
    Bytes,
    /// Nothing can be read now.
    Nothing,
    /// The kernel dropped messages because the receive buffer was full (ENOBUFS).
    Overrun,
}

/// An open socket with its read buffer.
pub struct NetlinkSocket {
    socket: Socket,
    port: u32,
    burst: Burst,
}

impl NetlinkSocket {
    /// Opens and binds a socket that never blocks, for a dump.
    pub fn open(protocol: Protocol) -> Result<Self, OpenError> {
        Self::with(protocol, Burst::new(1, READ_BYTES))
    }

    /// Opens a socket for events, or for the answers to many requests. One system call receives many short messages, so
    /// the caller must read until [`Read::Nothing`] before it waits.
    pub fn open_for_many(protocol: Protocol) -> Result<Self, OpenError> {
        Self::with(protocol, Burst::new(Burst::MOST, MESSAGE_BYTES))
    }

    fn with(protocol: Protocol, burst: Burst) -> Result<Self, OpenError> {
        let step = |what| move |error| OpenError::new(what, error);
        let mut socket = Socket::new(protocol.number()).map_err(step("open"))?;
        let port = socket.bind_auto().map_err(step("bind"))?.port_number();
        socket.set_non_blocking(true).map_err(step("set up"))?;
        // Errors then come with a text from the kernel and without a copy of the request.
        socket.set_ext_ack(true).map_err(step("set up"))?;
        socket.set_cap_ack(true).map_err(step("set up"))?;
        Ok(Self { socket, port, burst })
    }

    /// The port that the kernel assigned: the `nlmsg_pid` of events that this socket's requests cause.
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// Sets the size of the receive buffer in bytes, which includes the kernel's own overhead. CAP_NET_ADMIN allows a
    /// size above the system's limit. Returns the actual size.
    pub fn size_receive_buffer(&self, bytes: usize) -> Result<usize, OpenError> {
        // The kernel doubles the value that it receives (socket(7)).
        let half = bytes / 2;
        let step = |error: Errno| OpenError::new("set the receive buffer size of", error.into());
        // nix truncates a number that does not fit.
        i32::try_from(half).map_err(|_| step(Errno::EINVAL))?;
        if setsockopt(&self.socket, sockopt::RcvBufForce, &half).is_err() {
            setsockopt(&self.socket, sockopt::RcvBuf, &half).map_err(step)?;
        }
        getsockopt(&self.socket, sockopt::RcvBuf).map_err(step)
    }

    pub fn join(&self, group: MulticastGroup) -> Result<(), OpenError> {
        self.socket.add_membership(group.0).map_err(|error| OpenError::new("join a multicast group with", error))
    }

    pub fn leave(&self, group: MulticastGroup) -> Result<(), OpenError> {
        self.socket.drop_membership(group.0).map_err(|error| OpenError::new("leave a multicast group with", error))
    }

    /// Attaches a program to the socket in place of the present one, or detaches the present one.
    pub fn attach(&self, program: Option<&EventFilter>) -> Result<(), OpenError> {
        let socket = SockRef::from(&self.socket);
        let outcome = match program {
            Some(program) => {
                let raw = |i: &Instruction| SockFilter::new(i.code, i.jump_true, i.jump_false, i.operand);
                socket.attach_filter(&program.instructions().iter().map(raw).collect::<Vec<_>>())
            }
            None => socket.detach_filter(),
        };
        outcome.map_err(|error| OpenError::new("attach a filter to", error))
    }

    /// Sends requests. The kernel has handled all of them when this method returns.
    pub fn send(&self, requests: &[u8]) -> io::Result<()> {
        let to_kernel = SocketAddr::new(0, 0);
        let sent = match self.socket.send_to(requests, &to_kernel, 0) {
            // A long transaction of nftables must go out with one send.
            Err(error) if error.raw_os_error() == Some(Errno::EMSGSIZE as i32) => {
                // The kernel doubles the value that it receives (socket(7)).
                setsockopt(&self.socket, sockopt::SndBufForce, &requests.len().saturating_add(SEND_OVERHEAD))?;
                self.socket.send_to(requests, &to_kernel, 0)?
            }
            sent => sent?,
        };
        if sent == requests.len() {
            Ok(())
        } else {
            Err(io::Error::other("the kernel accepted only a part of the requests"))
        }
    }

    /// Reads the next message from the kernel. Messages from other senders are dropped.
    pub fn read(&mut self) -> io::Result<Read> {
        loop {
            if self.burst.advance() {
                return Ok(Read::Bytes);
            }
            if let Err(error) = self.burst.receive(self.socket.as_raw_fd()) {
                match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN) => return Ok(Read::Nothing),
                    Some(Errno::ENOBUFS) => return Ok(Read::Overrun),
                    Some(Errno::EINTR) => {}
                    _ => return Err(error),
                }
            }
        }
    }

    /// Whether the next read may return a message that the last read already received. Neither [`NetlinkSocket::wait`]
    /// nor epoll reports such a message as readable.
    pub const fn has_taken_more(&self) -> bool {
        self.burst.has_more()
    }

    /// The bytes of the last read.
    pub fn bytes(&self) -> &[u8] {
        self.burst.bytes()
    }

    /// Waits until the socket is readable. Returns false if nothing came in time.
    pub fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut fds, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for NetlinkSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests;
