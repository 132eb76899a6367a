//! Networks of the tree, joined where two halves of a wider network have the same value.
//!
//! A database of cities has many networks for one country. A set of countries needs only the wide ones.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::Prefix;

use super::damage::Damage;

/// Most networks of a set, about half a gigabyte of memory.
const NETWORKS_MAX: usize = 16_000_000;

/// A network as the tree has it: the address begins at the highest bit, in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) is_ipv4: bool,
    pub(super) bits: u128,
    pub(super) length: u8,
}

impl Branch {
    pub(super) fn prefix(self) -> Option<Prefix> {
        let address = if self.is_ipv4 {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.bits >> 96).ok()?))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.bits))
        };
        Prefix::new(address, self.length).ok()
    }

    /// The network whose first half is this network and whose second half is `second`.
    fn joined(self, second: Self) -> Option<Self> {
        let length = self.length.checked_sub(1)?;
        let half = 1_u128 << 127 >> length;
        let halves = Self { bits: self.bits | half, ..self } == second && self.bits & half == 0;
        halves.then_some(Self { length, ..self })
    }
}

/// Networks in the order of the tree, each with the number of its value.
#[derive(Debug, Default)]
pub(super) struct Joining(Vec<(Branch, usize)>);

impl Joining {
    /// Adds the next network.
    pub(super) fn add(&mut self, mut network: Branch, value: usize) -> Result<(), Damage> {
        while let Some(wider) = self.joined(network, value) {
            self.0.pop();
            network = wider;
        }
        if self.0.len() >= NETWORKS_MAX {
            return Err(Damage::Networks(NETWORKS_MAX));
        }
        self.0.push((network, value));
        Ok(())
    }

    /// The network that the last one and this one are together.
    fn joined(&self, network: Branch, value: usize) -> Option<Branch> {
        let (last, _) = self.0.last().filter(|(_, last_value)| *last_value == value)?;
        last.joined(network)
    }

    pub(super) fn into_networks(self) -> Vec<(Prefix, usize)> {
        self.0.into_iter().filter_map(|(network, value)| Some((network.prefix()?, value))).collect()
    }
}
