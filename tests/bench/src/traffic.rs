//! Real UDP flows at a rate: each datagram has a tuple of its own, so that each makes an entry and an event.
//!
//! They leave through loopback, whose ingress drops them: the entry is confirmed on the way out, and nothing is spent on
//! receiving.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ctwarden_tests::load;
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

/// Datagrams in one call at most.
const IN_ONE_CALL: u64 = 64;
/// Flows come evenly, no more than this time's at once.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Ports of each address.
const PORTS: u64 = 60_000;

/// A sender of new flows.
#[derive(Debug)]
pub(crate) struct Flood {
    socket: UdpSocket,
    next: u64,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Flows.
    pub(crate) flows: u64,
    /// In that time.
    pub(crate) took: Duration,
}

impl Sent {
    /// Flows a second.
    pub(crate) fn rate(self) -> f64 {
        self.flows as f64 / self.took.as_secs_f64()
    }
}

impl Flood {
    /// In the network namespace of the calling thread.
    pub(crate) fn new() -> Result<Self> {
        load("table netdev bench { chain in { type filter hook ingress device lo priority 0; drop; }; }");
        let socket = UdpSocket::bind("127.0.0.1:9").context("cannot bind a socket in the namespace")?;
        Ok(Self { socket, next: 0 })
    }

    /// Sends so many, spread evenly over the time, or as fast as the machine makes them where that is slower.
    pub(crate) fn send(&mut self, flows: u64, within: Duration) -> Result<Sent> {
        let even = flows as f64 * AT_ONCE.as_secs_f64() / within.as_secs_f64();
        let in_one_call = (even as u64).clamp(1, IN_ONE_CALL);
        let begin = Instant::now();
        let mut sent = 0;
        while sent < flows {
            let due = begin + within.mul_f64(sent as f64 / flows as f64);
            let early = due.saturating_duration_since(Instant::now());
            if early > Duration::from_micros(100) {
                std::thread::sleep(early);
            }
            let count = in_one_call.min(flows - sent);
            self.burst(count)?;
            sent += count;
        }
        Ok(Sent { flows, took: begin.elapsed() })
    }

    /// The flow that the next datagram makes: where it goes.
    pub(crate) fn next_receiver(&self) -> SocketAddrV4 {
        receiver(self.next)
    }

    /// Sends the next datagrams at once.
    pub(crate) fn burst(&mut self, count: u64) -> Result<()> {
        let addresses: Vec<SocketAddrAny> =
            (self.next..self.next + count).map(|number| receiver(number).as_any()).collect();
        let content = [IoSlice::new(b"*")];
        let mut rest = addresses.as_slice();
        while !rest.is_empty() {
            let mut nothing: Vec<SendAncillaryBuffer<'_, '_, '_>> = rest.iter().map(|_| <_>::default()).collect();
            let mut messages: Vec<MMsgHdr<'_>> = rest
                .iter()
                .zip(&mut nothing)
                .map(|(address, nothing)| MMsgHdr::new_with_addr(address, &content, nothing))
                .collect();
            match sendmmsg(&self.socket, &mut messages, SendFlags::empty()) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR | Errno::NOBUFS | Errno::AGAIN) => {}
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        self.next += count;
        Ok(())
    }
}

/// 127.1.0.0 and on, so that all of it is loopback.
fn receiver(number: u64) -> SocketAddrV4 {
    let (address, port) = (number / PORTS, number % PORTS);
    let bits = Ipv4Addr::new(127, 1, 0, 1).to_bits() + u32::try_from(address).unwrap_or_default();
    SocketAddrV4::new(Ipv4Addr::from_bits(bits), 1_024 + u16::try_from(port).unwrap_or_default())
}
