//! Real traffic: TCP, UDP and ICMP between addresses of one network namespace or of several.
//!
//! Entries made by `conntrack -I` show the effect on the table. Only packets show the effect on a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::patience::PATIENCE;

/// The longest time that a packet takes to arrive.
const ARRIVAL: Duration = Duration::from_secs(5);
/// The wait for a packet that should not arrive.
const ABSENCE: Duration = Duration::from_millis(300);

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap_or_else(|_| panic!("{address} is no address")), port)
}

/// An established TCP connection with both of its ends.
#[derive(Debug)]
pub struct Tcp {
    /// The end that connected.
    pub client: TcpStream,
    /// The end that accepted.
    pub server: TcpStream,
}

impl Tcp {
    /// Connects from one address to a port of another, both in the thread's namespace.
    #[must_use]
    pub fn connect(from: &str, to: &str, port: u16) -> Self {
        Self::to(&Self::listen(to, port), from, to, port)
    }

    /// A listening socket in the thread's namespace.
    #[must_use]
    pub fn listen(address: &str, port: u16) -> TcpListener {
        let local = at(address, port);
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.set_reuse_address(true).expect("a new socket can be set up");
        socket.bind(&local.into()).unwrap_or_else(|error| panic!("cannot listen at {local}: {error}"));
        socket.listen(64).expect("a bound socket can listen");
        socket.into()
    }

    /// Connects to a listening socket, which several connections may share.
    #[must_use]
    pub fn to(listener: &TcpListener, from: &str, to: &str, port: u16) -> Self {
        let client =
            Self::dial(from, to, port).unwrap_or_else(|error| panic!("no connection from {from} to {to}: {error}"));
        let (server, _) = listener.accept().expect("who is connected was accepted");
        Self { client, server }
    }

    /// Connects from an address.
    ///
    /// # Errors
    /// The error of the system call that failed.
    pub fn dial(from: &str, to: &str, port: u16) -> std::io::Result<TcpStream> {
        Self::dial_within(from, to, port, ARRIVAL)
    }

    /// Whether a connection comes about in a time that is short, but far longer than any step takes.
    #[must_use]
    pub fn can_dial(from: &str, to: &str, port: u16) -> bool {
        Self::dial_within(from, to, port, ABSENCE).is_ok()
    }

    fn dial_within(from: &str, to: &str, port: u16, time: Duration) -> std::io::Result<TcpStream> {
        let remote = at(to, port);
        let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&at(from, 0).into())?;
        socket.connect_timeout(&remote.into(), time)?;
        Ok(socket.into())
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.client.local_addr().expect("a connection has an address").port()
    }

    /// Whether data passes from the client to the server and back.
    #[must_use]
    pub fn works(&mut self) -> bool {
        Self::passes(&mut self.client, &mut self.server, ARRIVAL)
            && Self::passes(&mut self.server, &mut self.client, ARRIVAL)
    }

    /// Whether no data passes in either direction.
    #[must_use]
    pub fn is_dead(&mut self) -> bool {
        !Self::passes(&mut self.client, &mut self.server, ABSENCE)
            && !Self::passes(&mut self.server, &mut self.client, ABSENCE)
    }

    fn passes(from: &mut TcpStream, to: &mut TcpStream, within: Duration) -> bool {
        if from.write_all(b"!").is_err() {
            return false;
        }
        to.set_read_timeout(Some(within)).expect("a timeout can be set");
        matches!(to.read(&mut [0; 64]), Ok(1..))
    }
}

/// Two UDP sockets that are connected to each other.
#[derive(Debug)]
pub struct Udp {
    pub client: UdpSocket,
    pub server: UdpSocket,
}

impl Udp {
    /// Binds sockets at two addresses, the second one at this port. Sends nothing yet.
    #[must_use]
    pub fn between(from: &str, to: &str, port: u16) -> Self {
        let client = UdpSocket::bind(at(from, 0)).expect("a free port");
        let server =
            UdpSocket::bind(at(to, port)).unwrap_or_else(|error| panic!("cannot use port {port} of {to}: {error}"));
        client.connect(at(to, port)).expect("an address can be connected to");
        server
            .connect(client.local_addr().expect("a bound socket has an address"))
            .expect("an address can be connected to");
        Self { client, server }
    }

    /// Whether two addresses reach each other at this moment. Returns `None` if not.
    pub(crate) fn reach(one: &str, other: &str) -> Option<()> {
        let sockets = [UdpSocket::bind(at(one, 0)).ok()?, UdpSocket::bind(at(other, 0)).ok()?];
        for (from, to) in [(&sockets[0], &sockets[1]), (&sockets[1], &sockets[0])] {
            to.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
            from.send_to(b"?", to.local_addr().ok()?).ok()?;
            to.recv(&mut [0; 8]).ok()?;
        }
        Some(())
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.client.local_addr().expect("a bound socket has an address").port()
    }

    /// Whether a datagram reaches the server and another one comes back.
    #[must_use]
    pub fn works(&self) -> bool {
        [(&self.client, &self.server), (&self.server, &self.client)].into_iter().all(|(from, to)| {
            to.set_read_timeout(Some(ARRIVAL)).expect("a timeout can be set");
            from.send(b"?").is_ok() && to.recv(&mut [0; 64]).is_ok()
        })
    }

    /// Sends one datagram to each of many ports of an address, which makes one new flow per port. Nobody has to listen
    /// there.
    pub fn flood(from: &str, to: &str, ports: impl Iterator<Item = u16>) {
        let socket = UdpSocket::bind(at(from, 0)).expect("a free port");
        for port in ports {
            let end = Instant::now() + PATIENCE;
            // A port without a listener answers with an ICMP error, which the next send reports once.
            while let Err(error) = socket.send_to(b"*", at(to, port)) {
                let known = matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused | ErrorKind::WouldBlock | ErrorKind::OutOfMemory
                );
                assert!(known && Instant::now() < end, "cannot send to port {port}: {error}");
            }
        }
    }
}

/// Sends an ICMP or ICMPv6 echo request with this identifier and waits for the reply.
#[must_use]
pub fn ping(from: &str, to: &str, id: u16) -> bool {
    let remote = at(to, 0);
    let (protocol, request, reply) = match remote.ip() {
        IpAddr::V4(_) => (Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Protocol::ICMPV6, 128, 129),
    };
    let socket = Socket::new(Domain::for_address(remote), Type::RAW, Some(protocol)).expect("root may use raw sockets");
    socket.bind(&at(from, 0).into()).expect("the address is ours");
    let [high, low] = id.to_be_bytes();
    // Type, code, checksum, identifier, sequence number (RFC 792; RFC 4443, where the kernel fills in the checksum).
    let mut echo = [request, 0, 0, 0, high, low, 0, 1];
    if remote.is_ipv4() {
        let sum = echo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = u16::try_from(!folded & 0xffff).expect("16 bits");
        echo[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    socket.send_to(&echo, &remote.into()).expect("a request can be sent");
    let end = Instant::now() + ARRIVAL;
    let mut socket = socket;
    socket.set_read_timeout(Some(ARRIVAL)).expect("a timeout can be set");
    let mut packet = [0; 256];
    while Instant::now() < end {
        let Ok(length) = socket.read(&mut packet) else { return false };
        // A raw IPv4 socket also returns the IP header (raw(7)). Its first byte holds its length.
        let skip = if remote.is_ipv4() { usize::from(packet[0] & 0xf) * 4 } else { 0 };
        let icmp = packet.get(skip..length).unwrap_or_default();
        if icmp.first() == Some(&reply) && icmp.get(4..6) == Some(&[high, low]) {
            return true;
        }
    }
    false
}
