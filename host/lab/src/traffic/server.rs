//! The host that answers: TCP and UDP services on chosen addresses. Its kernel answers echo requests.
//!
//! Each service listens on one address, so that its answers come from that address and not from the one that a route
//! prefers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::TrafficError;
use crate::bound::{Bound, LOOK};
use crate::host::Host;

/// Maximum number of open connections of a service. The service closes further connections at once.
const MOST_AT_ONCE: usize = 1024;

/// Stack size of a connection's thread in bytes. The thread has one small buffer.
const STACK: usize = 128 * 1024;

/// Number of writes of a stream in one second.
const PIECES: u32 = 100;

/// What a TCP service does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends back what it receives, until the client closes.
    Echo,
    /// Sends data without end at this rate.
    Stream { bytes_per_second: u32 },
}

/// The host whose services answer.
pub struct Server {
    host: Host,
    bound: Bound,
}

impl Server {
    pub const fn new(host: Host, bound: Bound) -> Self {
        Self { host, bound }
    }

    #[cfg(test)]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Listens for TCP connections on the address, until the lab ends.
    ///
    /// # Errors
    /// Returns [`TrafficError::Listen`] if the host cannot listen there.
    pub fn serve_tcp(&self, address: SocketAddr, service: Service) -> Result<(), TrafficError> {
        let listener = self.host.run(move || listen(address))?;
        let listener = listener.map_err(|source| TrafficError::Listen { address, source })?;
        let bound = self.bound.clone();
        self.host.spawn("listener", move || accept(&listener, service, &bound))?;
        Ok(())
    }

    /// Returns each datagram that arrives at the address to its sender, until the lab ends.
    ///
    /// # Errors
    /// Returns [`TrafficError::Listen`] if the host cannot listen there.
    pub fn serve_udp(&self, address: SocketAddr) -> Result<(), TrafficError> {
        let bind = move || {
            let socket = UdpSocket::bind(address)?;
            socket.set_read_timeout(Some(LOOK))?;
            io::Result::Ok(socket)
        };
        let socket = self.host.run(bind)?.map_err(|source| TrafficError::Listen { address, source })?;
        let bound = self.bound.clone();
        self.host.spawn("datagrams", move || {
            let mut bytes = [0; 2048];
            while !bound.is_over() {
                // An error here belongs to an earlier answer, not to the next datagram.
                if let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    let _ = socket.send_to(bytes.get(..length).unwrap_or_default(), from);
                }
            }
        })?;
        Ok(())
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    // The read timeout also applies to accept(2).
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket.into())
}

fn accept(listener: &TcpListener, service: Service, bound: &Bound) {
    let open = Arc::<AtomicUsize>::default();
    while !bound.is_over() {
        let Ok((stream, _)) = listener.accept() else { continue };
        if open.fetch_add(1, Ordering::AcqRel) >= MOST_AT_ONCE {
            open.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (bound, counted) = (bound.clone(), Arc::clone(&open));
        let work = move || {
            // Either the other end closes or the lab ends, and neither needs a report.
            let _ = match service {
                Service::Echo => echo(&stream, &bound),
                Service::Stream { bytes_per_second } => send(&stream, bytes_per_second, &bound),
            };
            counted.fetch_sub(1, Ordering::AcqRel);
        };
        let thread = thread::Builder::new().name("connection".to_owned()).stack_size(STACK);
        if thread.spawn(work).is_err() {
            open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn echo(mut stream: &TcpStream, bound: &Bound) -> io::Result<()> {
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    let mut bytes = [0; 2048];
    while !bound.is_over() {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => stream.write_all(bytes.get(..length).unwrap_or_default())?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send(mut stream: &TcpStream, bytes_per_second: u32, bound: &Bound) -> io::Result<()> {
    stream.set_write_timeout(Some(LOOK))?;
    let length = usize::try_from((bytes_per_second / PIECES).max(1)).unwrap_or(usize::MAX);
    let piece = vec![0; length.min(1 << 20)];
    while !bound.is_over() {
        match stream.write(&piece) {
            Ok(_) => bound.sleep(Duration::from_secs(1) / PIECES),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
