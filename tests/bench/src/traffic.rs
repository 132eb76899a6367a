//! Real UDP flows at a given rate. Each datagram has a tuple of its own, so each makes an entry and an event.
//!
//! The egress hook of loopback drops the datagrams. The kernel confirms the entry before that, and no time goes into
//! receiving.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use ctwarden_tests::load;
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

/// The most datagrams in one call.
const IN_ONE_CALL: u64 = 64;
/// Flows are spread evenly: at most the flows of this time are sent at once.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The number of ports of each address.
const PORTS: u64 = 60_000;

/// Senders of new flows: first one, then more if the machine cannot make enough flows with it.
#[derive(Debug)]
pub(crate) struct Flood {
    senders: Vec<Sender>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) flows: u64,
    pub(crate) took: Duration,
}

impl Sent {
    pub(crate) fn rate(self) -> f64 {
        self.flows as f64 / self.took.as_secs_f64()
    }
}

impl Flood {
    /// Prepares the network namespace of the calling thread, with one sender.
    pub(crate) fn new() -> Result<Self> {
        load("table netdev bench { chain out { type filter hook egress device lo priority 0; drop; }; }");
        Ok(Self { senders: vec![Sender::new()?] })
    }

    /// Adds a sender. Returns false if there is already one for every processor.
    pub(crate) fn grow(&mut self) -> Result<bool> {
        if self.senders.len() >= available_parallelism()?.get() {
            return Ok(false);
        }
        self.senders.push(Sender::new()?);
        Ok(true)
    }

    /// Sends this number of datagrams, spread evenly over the time. Takes longer if the machine is slower.
    pub(crate) fn send(&mut self, flows: u64, within: Duration) -> Result<Sent> {
        let begin = Instant::now();
        let senders = self.senders.len() as u64;
        thread::scope(|scope| {
            let parts = self.senders.iter_mut().zip(0..).map(|(sender, number)| {
                let part = flows * (number + 1) / senders - flows * number / senders;
                scope.spawn(move || sender.send(part, within))
            });
            let parts: Vec<_> = parts.collect();
            parts.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow!("a sender thread panicked"))?)
        })?;
        Ok(Sent { flows, took: begin.elapsed() })
    }

    /// The destination of the next datagram of [`Flood::one`].
    pub(crate) fn next_receiver(&self) -> SocketAddrV4 {
        receiver(self.senders.first().map_or(0, |sender| sender.next))
    }

    /// Sends one datagram at once.
    pub(crate) fn one(&mut self) -> Result<()> {
        self.senders.first_mut().map_or(Ok(()), |sender| sender.burst(1))
    }
}

/// A socket with a port of its own, so that no two senders have the same flows.
#[derive(Debug)]
struct Sender {
    socket: UdpSocket,
    next: u64,
}

impl Sender {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("cannot bind a socket in the namespace")?;
        Ok(Self { socket, next: 0 })
    }

    fn send(&mut self, flows: u64, within: Duration) -> Result<()> {
        let even = flows as f64 * AT_ONCE.as_secs_f64() / within.as_secs_f64();
        let in_one_call = (even as u64).clamp(1, IN_ONE_CALL);
        let begin = Instant::now();
        let mut sent = 0;
        while sent < flows {
            let due = begin + within.mul_f64(sent as f64 / flows as f64);
            let early = due.saturating_duration_since(Instant::now());
            if early > Duration::from_micros(100) {
                thread::sleep(early);
            }
            let count = in_one_call.min(flows - sent);
            self.burst(count)?;
            sent += count;
        }
        Ok(())
    }

    /// Sends the next datagrams at once.
    fn burst(&mut self, count: u64) -> Result<()> {
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

/// The receiver with this number, from 127.1.0.1 on, so that all traffic stays on loopback.
fn receiver(number: u64) -> SocketAddrV4 {
    let (address, port) = (number / PORTS, number % PORTS);
    let bits = Ipv4Addr::new(127, 1, 0, 1).to_bits() + u32::try_from(address).unwrap_or_default();
    SocketAddrV4::new(Ipv4Addr::from_bits(bits), 1_024 + u16::try_from(port).unwrap_or_default())
}
