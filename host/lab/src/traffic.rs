//! Real traffic between client and server.
//!
//! All traffic runs on its own threads. It ends when its count is reached, or with the lab's [`Bound`].

mod connect;
mod exchanges;
mod held;
mod ping;
mod server;
mod transfer;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use super::bound::Bound;
use super::host::{Host, HostError};

pub use exchanges::Exchanges;
pub use held::Held;
pub use server::{Server, Service};
pub use transfer::Transfer;

/// Longest wait for a connection or an answer.
const ANSWER_TIME: Duration = Duration::from_secs(1);

#[derive(Debug, Error)]
pub enum TrafficError {
    #[error("the lab's server cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the lab's client cannot connect from {from} to {to}")]
    Connect {
        from: IpAddr,
        to: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("a host of the lab is gone")]
    Host(#[from] HostError),
}

/// The host that opens connections and sends requests. Each method takes the source address, which is any address of
/// the client's networks.
pub struct Client {
    host: Host,
    bound: Bound,
}

impl Client {
    pub(super) const fn new(host: Host, bound: Bound) -> Self {
        Self { host, bound }
    }

    /// Starts to read from a [`Service::Stream`]. The transfer ends with the lab or when the value is dropped.
    ///
    /// # Errors
    /// Returns [`TrafficError::Connect`] if there is no connection within a second.
    pub fn transfer(&self, from: IpAddr, to: SocketAddr) -> Result<Transfer, TrafficError> {
        Transfer::start(connect::connect(&self.host, from, to)?, &self.host, &self.bound)
    }

    /// Connects to a [`Service::Echo`] and keeps the connection open.
    ///
    /// # Errors
    /// Returns [`TrafficError::Connect`] if there is no connection within a second.
    pub fn hold(&self, from: IpAddr, to: SocketAddr) -> Result<Held, TrafficError> {
        connect::connect(&self.host, from, to).map(Held::new)
    }

    /// Opens short connections to a [`Service::Echo`], one after the other. Each connects, sends a question, reads the
    /// answer and closes.
    pub fn connections(
        &self,
        from: IpAddr,
        to: SocketAddr,
        count: u32,
        pause: Duration,
    ) -> Result<Exchanges, TrafficError> {
        Exchanges::start(&self.host, &self.bound, count, pause, move || Ok(move |_number| connect::ask(from, to)))
    }

    /// Sends datagrams from one port to a UDP service. Each waits for the answer to the previous one.
    pub fn datagrams(
        &self,
        from: IpAddr,
        to: SocketAddr,
        count: u32,
        pause: Duration,
    ) -> Result<Exchanges, TrafficError> {
        Exchanges::start(&self.host, &self.bound, count, pause, move || {
            let socket = std::net::UdpSocket::bind(SocketAddr::new(from, 0))?;
            socket.connect(to)?;
            socket.set_read_timeout(Some(ANSWER_TIME))?;
            Ok(move |number: u32| {
                let mut answer = [0; 4];
                socket.send(&number.to_be_bytes())?;
                loop {
                    // A late answer to an earlier question may arrive first.
                    let length = socket.recv(&mut answer)?;
                    if answer.get(..length) == Some(&number.to_be_bytes()) {
                        return Ok(());
                    }
                }
            })
        })
    }

    /// Sends echo requests (ICMP, ICMPv6) with the identifier. Each waits for the answer to the previous one.
    pub fn ping(
        &self,
        from: IpAddr,
        to: IpAddr,
        identifier: u16,
        count: u32,
        pause: Duration,
    ) -> Result<Exchanges, TrafficError> {
        Exchanges::start(&self.host, &self.bound, count, pause, move || {
            let socket = ping::Echo::open(from, to, identifier, ANSWER_TIME)?;
            Ok(move |number| socket.ask(number))
        })
    }
}
