//! The search tree: a node for each bit of an address, and two records in each node.

use alloc::vec::Vec;

use super::damage::Damage;
use super::joining::Branch;
use super::metadata::SEPARATOR;

/// Bits of an address of IPv6 before those that IPv4 addresses have in a tree of both families.
const BEFORE_IPV4: u8 = 96;
/// Nodes are visited at most so often, on average. A tree visits each once. The format does not forbid that branches meet
/// again, and some databases save space that way.
const VISITS_A_NODE: u64 = 8;
/// Visits that even the smallest tree may take.
const VISITS_LEAST: u64 = 1024;

/// The size of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Bits24,
    Bits28,
    Bits32,
}

impl Record {
    /// Bytes of a node, which has two records.
    pub(super) const fn node_bytes(self) -> usize {
        match self {
            Self::Bits24 => 6,
            Self::Bits28 => 7,
            Self::Bits32 => 8,
        }
    }

    /// The records of a node, for a 0 and for a 1.
    fn of_node(self, node: &[u8]) -> Option<(usize, usize)> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        Some(match (self, node) {
            (Self::Bits24, [left @ .., _, _, _]) => (number(left), number(node.get(3..)?)),
            (Self::Bits28, [left @ .., middle, _, _, _]) => {
                let middle = usize::from(*middle);
                (number(left) | (middle & 0xf0) << 20, number(node.get(4..)?) | (middle & 0x0f) << 24)
            }
            (Self::Bits32, [left @ .., _, _, _, _]) => (number(left), number(node.get(4..)?)),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tree<'d> {
    bytes: &'d [u8],
    nodes: usize,
    record: Record,
    is_ipv6: bool,
    data_bytes: usize,
}

/// A record that is still to be visited.
#[derive(Clone, Copy, Debug)]
struct Visit {
    record: usize,
    bits: u128,
    length: u8,
}

impl<'d> Tree<'d> {
    pub(super) const fn new(bytes: &'d [u8], nodes: usize, record: Record, is_ipv6: bool, data_bytes: usize) -> Self {
        Self { bytes, nodes, record, is_ipv6, data_bytes }
    }

    /// Calls `take` with each network that has a record, and the place of its record in the data section, in the order of
    /// the addresses.
    ///
    /// A tree of both families has the IPv4 networks below `::/96`. Other networks that stand for IPv4 addresses, such as
    /// `2002::/16`, point to the same branch. That branch is taken once, as IPv4.
    pub(super) fn walk<E: From<Damage>>(&self, take: &mut dyn FnMut(Branch, usize) -> Result<(), E>) -> Result<(), E> {
        if self.nodes == 0 {
            return Ok(());
        }
        let ipv4 = self.ipv4_branch();
        let bits = if self.is_ipv6 { 128 } else { 32 };
        let mut left =
            u64::try_from(self.nodes).unwrap_or(u64::MAX).saturating_mul(VISITS_A_NODE).saturating_add(VISITS_LEAST);
        let mut visits = Vec::with_capacity(usize::from(bits) + 1);
        visits.push(Visit { record: 0, bits: 0, length: 0 });
        while let Some(visit) = visits.pop() {
            left = left.checked_sub(1).ok_or(Damage::Broken("its search tree repeats itself"))?;
            let Visit { record, bits: address, length } = visit;
            if record == self.nodes {
                continue;
            }
            if record > self.nodes {
                take(self.branch(visit), self.place(record)?)?;
                continue;
            }
            if ipv4 == Some(record) && address != 0 {
                continue;
            }
            if length >= bits {
                return Err(Damage::Broken("its search tree is deeper than an address is long").into());
            }
            let (zero, one) = self.node(record)?;
            visits.push(Visit { record: one, bits: address | 1_u128 << 127 >> length, length: length + 1 });
            visits.push(Visit { record: zero, bits: address, length: length + 1 });
        }
        Ok(())
    }

    /// The node below which the IPv4 networks of a tree of both families are.
    fn ipv4_branch(&self) -> Option<usize> {
        let mut node = 0;
        for _ in 0..BEFORE_IPV4 {
            node = self.node(node).ok()?.0;
        }
        (self.is_ipv6 && node < self.nodes).then_some(node)
    }

    fn node(&self, node: usize) -> Result<(usize, usize), Damage> {
        let bytes = self.record.node_bytes();
        let begin = node.saturating_mul(bytes);
        let node = self.bytes.get(begin..begin.saturating_add(bytes));
        node.and_then(|node| self.record.of_node(node)).ok_or(Damage::Broken("its search tree is cut off"))
    }

    /// The place of a record in the data section.
    fn place(&self, record: usize) -> Result<usize, Damage> {
        let place = record.checked_sub(self.nodes).and_then(|behind| behind.checked_sub(SEPARATOR));
        let outside = Damage::Broken("its search tree points outside of the data section");
        place.filter(|place| *place < self.data_bytes).ok_or(outside)
    }

    fn branch(&self, Visit { bits, length, .. }: Visit) -> Branch {
        let is_mapped = matches!(bits >> 32, 0 | 0xffff) && length >= BEFORE_IPV4;
        match length.checked_sub(BEFORE_IPV4).filter(|_| self.is_ipv6 && is_mapped) {
            Some(length) => Branch { is_ipv4: true, bits: bits << BEFORE_IPV4, length },
            None => Branch { is_ipv4: !self.is_ipv6, bits, length },
        }
    }
}
