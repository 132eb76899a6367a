//! How many flows of each family there are, by which a reading of the whole table is divided.
//!
//! The kernel walks through a table on the processor of who reads it. Two sockets, one for each family, have it walked by
//! two at the same time, and no flow is missed between them: the family is part of the tuple, which no flow ever changes, and
//! conntrack knows only these two (`nf_conntrack_proto.c`). Whatever else the kernel could divide a table by, such as
//! the status, may change between the one's passing and the other's.

use std::num::NonZero;
use std::thread::available_parallelism;

use ctwarden_model::{Family, Flow};

/// Flows of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Families {
    ipv4: u64,
    ipv6: u64,
}

/// A smaller table is read in less than 40 ms by one.
const LEAST: u64 = 10_000;
/// The part of the table that the smaller family has at least: the second reader has to pass all entries, which costs a tenth of
/// reading them.
const LEAST_SHARE: u64 = 8;

impl Families {
    pub(crate) const fn count(&mut self, flow: &Flow) {
        match flow.tuples.original.family() {
            Family::Ipv4 => self.ipv4 += 1,
            Family::Ipv6 => self.ipv6 += 1,
        }
    }

    /// Whether a table of these is sooner read by two, on this machine.
    pub(crate) fn are_for_two(self) -> bool {
        available_parallelism().is_ok_and(|processors| processors > NonZero::<usize>::MIN) && self.are_many()
    }

    const fn are_many(self) -> bool {
        let (all, fewer) = (self.ipv4 + self.ipv6, if self.ipv4 < self.ipv6 { self.ipv4 } else { self.ipv6 });
        all >= LEAST && fewer >= all / LEAST_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_read_a_large_table_with_enough_of_both() {
        for (ipv4, ipv6, two) in [
            (0, 0, false),
            (5_000, 4_999, false),
            (5_000, 5_000, true),
            (1_000_000, 0, false),
            (0, 1_000_000, false),
            (875_001, 124_999, false),
            (875_000, 125_000, true),
            (125_000, 875_000, true),
        ] {
            assert_eq!(Families { ipv4, ipv6 }.are_many(), two, "{ipv4} and {ipv6}");
        }
    }
}
