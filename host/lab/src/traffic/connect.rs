//! TCP connections from a chosen address.
//!
//! The standard library cannot bind a socket before it connects, so this module creates the socket itself.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{ANSWER_TIME, TrafficError};
use crate::host::Host;

/// The question on short and held connections. The answer has the same bytes.
const QUESTION: &[u8] = b"ctwarden";

/// Connects to an address. The host's thread creates the socket, and the calling thread waits.
pub(super) fn connect(host: &Host, from: IpAddr, to: SocketAddr) -> Result<TcpStream, TrafficError> {
    let connected = match host.run(move || socket(from))? {
        Ok(socket) => connected(socket, to),
        Err(error) => Err(error),
    };
    connected.map_err(|source| TrafficError::Connect { from, to, source })
}

/// Makes one short connection, on a thread of the host.
pub(super) fn ask(from: IpAddr, to: SocketAddr) -> io::Result<()> {
    let stream = connected(socket(from)?, to)?;
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    exchange(&stream)
}

/// Sends the question and reads the same bytes back.
pub(super) fn exchange(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(QUESTION)?;
    let mut answer = [0; QUESTION.len()];
    stream.read_exact(&mut answer)?;
    if answer == QUESTION { Ok(()) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
}

fn socket(from: IpAddr) -> io::Result<Socket> {
    let from = SocketAddr::new(from, 0);
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, None)?;
    socket.bind(&from.into())?;
    Ok(socket)
}

fn connected(socket: Socket, to: SocketAddr) -> io::Result<TcpStream> {
    socket.connect_timeout(&to.into(), ANSWER_TIME)?;
    Ok(socket.into())
}
