//! Echo requests of ICMP and ICMPv6 over raw sockets (RFC 792, RFC 4443).
//!
//! A raw socket lets the caller choose the identifier, which an ICMP flow has in place of ports. The host may open raw
//! sockets, because it is root in its namespace.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// Data after the header of each request.
const PAYLOAD: [u8; 8] = *b"ctwarden";

/// A raw socket from one address to another.
pub(super) struct Echo {
    socket: Socket,
    request: u8,
    answer: u8,
    identifier: u16,
    time: Duration,
}

impl Echo {
    pub(super) fn open(from: IpAddr, to: IpAddr, identifier: u16, time: Duration) -> io::Result<Self> {
        let (domain, protocol, request, answer) = match to {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect(&SocketAddr::new(to, 0).into())?;
        socket.set_read_timeout(Some(time))?;
        Ok(Self { socket, request, answer, identifier, time })
    }

    /// Sends one request and waits for the answer. The header has room for `number` modulo 65536.
    pub(super) fn ask(&self, number: u32) -> io::Result<()> {
        let sequence = (number & 0xffff) as u16;
        let message = message(self.request, self.identifier, sequence);
        (&self.socket).write_all(&message)?;
        let since = Instant::now();
        let mut read = [0; 512];
        while since.elapsed() < self.time {
            let length = (&self.socket).read(&mut read)?;
            let packet = read.get(..length).unwrap_or_default();
            if self.is_answer(packet, sequence) {
                return Ok(());
            }
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }

    /// Whether the packet answers the request. A raw IPv4 socket also delivers the IP header, and a raw IPv6 socket
    /// does not.
    fn is_answer(&self, packet: &[u8], sequence: u16) -> bool {
        let header = match (self.request, packet) {
            (8, [first, ..]) => usize::from(first & 0x0f) * 4,
            _ => 0,
        };
        let [high, low] = self.identifier.to_be_bytes();
        let [sequence_high, sequence_low] = sequence.to_be_bytes();
        matches!(packet.get(header..), Some([kind, 0, _, _, a, b, c, d, ..])
            if (*kind, *a, *b, *c, *d) == (self.answer, high, low, sequence_high, sequence_low))
    }
}

/// The ICMP message with its checksum (RFC 1071). For ICMPv6 the kernel fills in the checksum.
fn message(kind: u8, identifier: u16, sequence: u16) -> Vec<u8> {
    let with_checksum = |checksum: u16| {
        let mut message = vec![kind, 0];
        message.extend(checksum.to_be_bytes());
        message.extend(identifier.to_be_bytes());
        message.extend(sequence.to_be_bytes());
        message.extend(PAYLOAD);
        message
    };
    with_checksum(checksum(&with_checksum(0)))
}

/// The ones' complement of the ones' complement sum of the 16-bit words. The number of bytes must be even.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|word| word.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_its_checksum_sums_up_to_nothing() {
        for sequence in [0, 1, 0xff00, 0xffff] {
            assert_eq!(checksum(&message(8, 0x1234, sequence)), 0);
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // The sum of these words is ddf2 (RFC 1071, section 3).
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
