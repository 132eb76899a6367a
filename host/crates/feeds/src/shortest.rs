//! The shortest prefixes that a set accepts.

use ctwarden_model::{Family, Prefix};

use crate::fault::Fault;

/// Shortest prefixes of a set. A wider network is a mistake or part of an unfinished line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortest {
    /// Shortest IPv4 prefix that an entry may have.
    pub ipv4: u8,
    /// Shortest IPv6 prefix that an entry may have.
    pub ipv6: u8,
}

impl Default for Shortest {
    /// Wider networks are rarely allocated to anybody, and an unfinished line may name one.
    fn default() -> Self {
        Self { ipv4: 8, ipv6: 16 }
    }
}

impl Shortest {
    /// Refuses networks if one of them is too wide.
    pub(crate) fn check(self, networks: &[Prefix]) -> Result<(), Fault> {
        networks.iter().try_for_each(|network| {
            let (length, key) = match network.family() {
                Family::Ipv4 => (self.ipv4, "shortest-ipv4-prefix"),
                Family::Ipv6 => (self.ipv6, "shortest-ipv6-prefix"),
            };
            if network.length() < length { Err(Fault::Wide { length, key }) } else { Ok(()) }
        })
    }
}
