//! Counters over a sliding window, as the rules need them. The host keeps them.

use std::fmt;
use std::net::IpAddr;

use ctwarden_net::Prefix;

/// How a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterKind {
    /// The sum of amounts.
    Sum,
    /// The number of different values.
    Distinct,
}

/// A counter: one number for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Name of the counter.
    pub name: String,
    /// How it counts.
    pub kind: CounterKind,
    /// Length of the window in seconds.
    pub window: u32,
}

/// What a number is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// One address.
    Address(IpAddr),
    /// Sender and receiver.
    Pair(IpAddr, IpAddr),
    /// Address, protocol and port.
    Service(IpAddr, u8, u16),
    /// A network.
    Network(Prefix),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Pair(src, dst) => write!(f, "{src} > {dst}"),
            Self::Service(address, protocol, port) => {
                write!(f, "{} {}", ctwarden_net::Protocol(*protocol), std::net::SocketAddr::new(*address, *port))
            }
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

/// Counters that rules add to. `counter` is the index of the counter in [`Rules::counters`](crate::Rules::counters).
pub trait Counters {
    /// Adds to the sums of keys, in order. Returns the sum of the window after each addition.
    ///
    /// # Errors
    /// Nothing was counted, and why.
    fn add_all(&mut self, counter: usize, additions: &[(Key, u64)]) -> Result<Vec<u64>, String>;
    /// Notes values of keys, in order. Returns the number of different values in the window after each.
    ///
    /// # Errors
    /// Nothing was counted, and why.
    fn add_all_distinct(&mut self, counter: usize, additions: &[(Key, Key)]) -> Result<Vec<u64>, String>;
}
