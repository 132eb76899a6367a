//! Sockets of this network namespace: found by the two ends of a connection, and closed (sock_diag(7)).
//!
//! The kernel's lookup also returns sockets that are not the end of the connection: a listening socket, or a UDP socket
//! that serves everyone. So each found socket is compared with the connection, and then closed by its cookie, which no
//! other socket gets.

use std::net::SocketAddr;

use ctwarden_model::{Layer4, PerDirection, Protocol, Tuple};
use ctwarden_netlink::Protocol as Netlink;
use ctwarden_netlink::exchange::{Answer, Connection, ExchangeError, Request};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags};
use netlink_packet_sock_diag::{AF_INET, AF_INET6, SockDiagDestroy, SockDiagMessage, TCP_ESTABLISHED, TCP_LISTEN};
use rustix::io::Errno;

use super::interfaces::Interfaces;

/// Most requests in one exchange. Each found socket takes about 2 KiB of the receive buffer.
const IN_ONE_EXCHANGE: usize = 32;

/// The interface of a socket that is bound to none.
const NO_INTERFACE: u32 = 0;

/// A connection seen from one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketEnd {
    protocol: Protocol,
    local: SocketAddr,
    peer: SocketAddr,
}

impl SocketEnd {
    /// The ends of a flow that sockets of this host can have. The socket of the sender knows the original direction, and
    /// the socket of the receiver knows the reply direction, whatever NAT does between them. Returns `None` if sockets
    /// of the protocol are not connected.
    pub(crate) fn of(tuples: &PerDirection<Tuple>) -> Option<[Self; 2]> {
        Some([Self::sending(&tuples.original)?, Self::sending(&tuples.reply)?])
    }

    fn sending(tuple: &Tuple) -> Option<Self> {
        let Tuple { src, dst, protocol, layer4: Layer4::Ports { src: src_port, dst: dst_port } } = *tuple else {
            return None;
        };
        let is_known = protocol == Protocol::TCP || protocol == Protocol::UDP;
        let end = Self { protocol, local: (src, src_port).into(), peer: (dst, dst_port).into() };
        is_known.then_some(end)
    }

    /// The lookup of this end, or the request to close the socket with this cookie.
    fn request(&self, cookie: [u8; 8], interface: u32, swapped: bool) -> SockDiagMessage {
        let (source, destination) = if swapped { (self.peer, self.local) } else { (self.local, self.peer) };
        SockDiagMessage::InetRequest(InetRequest {
            family: if self.local.is_ipv4() { AF_INET } else { AF_INET6 },
            protocol: self.protocol.0,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::empty(),
            socket_id: SocketId {
                source_port: source.port(),
                destination_port: destination.port(),
                source_address: source.ip(),
                destination_address: destination.ip(),
                interface_id: interface,
                cookie,
            },
        })
    }

    /// Whether the socket is connected and is this end. An IPv6 socket may have an IPv4 connection.
    fn is(&self, found: &InetResponseHeader) -> bool {
        let id = &found.socket_id;
        let local = SocketAddr::new(id.source_address.to_canonical(), id.source_port);
        let peer = SocketAddr::new(id.destination_address.to_canonical(), id.destination_port);
        let is_connected =
            if self.protocol == Protocol::UDP { found.state == TCP_ESTABLISHED } else { found.state != TCP_LISTEN };
        is_connected && (local, peer) == (self.local, self.peer)
    }
}

/// A connected socket of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectedSocket {
    end: SocketEnd,
    /// The interface that the socket is bound to, or [`NO_INTERFACE`].
    interface: u32,
    cookie: [u8; 8],
}

/// What became of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The socket is closed.
    Yes,
    /// The kernel has no function that closes sockets.
    Unsupported,
    /// The kernel refused with this `errno`.
    Refused(i32),
}

/// Requests about sockets.
pub(crate) struct Sockets {
    connection: Connection,
    /// Protocols whose sockets the kernel reports.
    known: Vec<Protocol>,
}

impl Sockets {
    /// Any socket (`INET_DIAG_NOCOOKIE`, linux/inet_diag.h).
    const NO_COOKIE: [u8; 8] = [0xff; 8];

    pub(crate) fn open() -> Result<Self, ExchangeError> {
        Ok(Self { connection: Connection::open(Netlink::SocketDiagnostics)?, known: Vec::new() })
    }

    /// Whether the kernel reports sockets of the protocol. A lookup does not show this: without the module that knows
    /// the protocol, it finds nothing.
    pub(crate) fn knows(&mut self, protocol: Protocol) -> Result<bool, ExchangeError> {
        if self.known.contains(&protocol) {
            return Ok(true);
        }
        let any: SocketAddr = ([0, 0, 0, 0], 0).into();
        // A list of the sockets in none of the states.
        let message = SocketEnd { protocol, local: any, peer: any }.request(Self::NO_COOKIE, NO_INTERFACE, false);
        let answers = self.ask(vec![Request { message, flags: NLM_F_DUMP }])?;
        let is_known = answers.iter().all(|answer| answer.errno.is_none());
        if is_known {
            self.known.push(protocol);
        }
        Ok(is_known)
    }

    /// Whether the kernel can close sockets. It is asked to close a socket that does not exist.
    pub(crate) fn can_close(&mut self) -> Result<bool, ExchangeError> {
        let any: SocketAddr = ([0, 0, 0, 0], 0).into();
        let end = SocketEnd { protocol: Protocol::TCP, local: any, peer: any };
        let nothing = ConnectedSocket { end, interface: NO_INTERFACE, cookie: [0; 8] };
        let closed = self.close(&[nothing])?;
        Ok(!closed.contains(&Closed::Unsupported))
    }

    /// Returns the connected sockets of each connection.
    pub(crate) fn find(&mut self, connections: &[[SocketEnd; 2]]) -> Result<Vec<Vec<ConnectedSocket>>, ExchangeError> {
        let mut found = self.find_bound(connections, NO_INTERFACE)?;
        let mut missing: Vec<&mut Vec<ConnectedSocket>> = Vec::new();
        let mut ends = Vec::new();
        let mut interfaces = None;
        for (found, connection) in found.iter_mut().zip(connections).filter(|(found, _)| found.is_empty()) {
            let interfaces = match &mut interfaces {
                Some(interfaces) => interfaces,
                None => interfaces.insert(Interfaces::read()?),
            };
            // Forwarded flows have no address of this host.
            if connection.iter().any(|end| interfaces.have(end.local.ip())) {
                missing.push(found);
                ends.push(*connection);
            }
        }
        for interface in interfaces.iter().flat_map(Interfaces::numbers) {
            for (found, bound) in missing.iter_mut().zip(self.find_bound(&ends, *interface)?) {
                found.extend(bound);
            }
        }
        Ok(found)
    }

    /// Returns the connected sockets of each connection that are bound to this interface. A lookup without an interface
    /// does not find them.
    fn find_bound(
        &mut self,
        connections: &[[SocketEnd; 2]],
        interface: u32,
    ) -> Result<Vec<Vec<ConnectedSocket>>, ExchangeError> {
        let mut found = Vec::with_capacity(connections.len());
        for few in connections.chunks(IN_ONE_EXCHANGE / 2) {
            let lookup = |end: &SocketEnd| Request {
                // A lookup of a UDP socket has its two ends swapped (udp_dump_one in net/ipv4/udp_diag.c).
                message: end.request(Self::NO_COOKIE, interface, end.protocol == Protocol::UDP),
                flags: NLM_F_ACK,
            };
            let answers = self.ask(few.iter().flatten().map(lookup).collect())?;
            for (ends, answers) in few.iter().zip(answers.chunks(2)) {
                let sockets = ends.iter().zip(answers).filter_map(|(end, answer)| socket(*end, answer, interface));
                found.push(sockets.collect());
            }
        }
        Ok(found)
    }

    /// Closes sockets, and returns what became of each. A socket that no longer exists is closed.
    pub(crate) fn close(&mut self, sockets: &[ConnectedSocket]) -> Result<Vec<Closed>, ExchangeError> {
        let mut closed = Vec::with_capacity(sockets.len());
        for few in sockets.chunks(IN_ONE_EXCHANGE) {
            let request = |socket: &ConnectedSocket| Request {
                message: SockDiagDestroy::new(socket.end.request(socket.cookie, socket.interface, false)),
                flags: NLM_F_ACK,
            };
            let answers: Vec<Answer<SockDiagMessage>> = self.connection.exchange(few.iter().map(request).collect())?;
            closed.extend(answers.iter().map(|answer| match answer.errno.map(Errno::from_raw_os_error) {
                None | Some(Errno::NOENT) => Closed::Yes,
                Some(Errno::OPNOTSUPP) => Closed::Unsupported,
                Some(errno) => Closed::Refused(errno.raw_os_error()),
            }));
        }
        Ok(closed)
    }

    fn ask(&mut self, requests: Vec<Request<SockDiagMessage>>) -> Result<Vec<Answer<SockDiagMessage>>, ExchangeError> {
        self.connection.exchange(requests)
    }
}

fn socket(end: SocketEnd, answer: &Answer<SockDiagMessage>, interface: u32) -> Option<ConnectedSocket> {
    let found = answer.messages.iter().find_map(|message| match message {
        SockDiagMessage::InetResponse(found) => Some(&found.header),
        SockDiagMessage::InetRequest(_) | SockDiagMessage::UnixRequest(_) | SockDiagMessage::UnixResponse(_) => None,
    })?;
    end.is(found).then_some(ConnectedSocket { end, interface, cookie: found.socket_id.cookie })
}

#[cfg(test)]
mod tests;
