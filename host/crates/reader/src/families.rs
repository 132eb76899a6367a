//! How many flows of each family the table has, and whether a dump is divided by family.
//!
//! The kernel walks the table on the processor of the process that reads the dump. With one socket for each family, two
//! processors walk the table at the same time. The two dumps together miss no flow: the family is part of the tuple,
//! which never changes, and conntrack has only these two families (`nf_conntrack_proto.c`). Any other property, such as
//! the status, may change after one dump has passed the entry and before the other one reaches it.

use ctwarden_model::{Family, Flow};

/// Minimum number of flows for two readers. One reader dumps a smaller table in less than 40 ms.
const LEAST: u64 = 10_000;
/// The smaller family must have at least one part in `LEAST_SHARE` of the table. The second reader passes all entries,
/// which costs a tenth of reading them.
const LEAST_SHARE: u64 = 8;

/// How many readers a dump of the flows has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpReaders {
    /// One reader for both families.
    One,
    /// One reader for each family.
    EachFamily,
}

/// Number of flows of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Families {
    ipv4: u64,
    ipv6: u64,
}

impl Families {
    pub(crate) const fn count(&mut self, flow: &Flow) {
        match flow.family() {
            Family::Ipv4 => self.ipv4 += 1,
            Family::Ipv6 => self.ipv6 += 1,
        }
    }

    /// The number of readers that dump a table with these flows fastest, if two processors are free.
    pub(crate) const fn readers(self) -> DumpReaders {
        let (all, fewer) = (self.ipv4 + self.ipv6, if self.ipv4 < self.ipv6 { self.ipv4 } else { self.ipv6 });
        if all >= LEAST && fewer >= all / LEAST_SHARE { DumpReaders::EachFamily } else { DumpReaders::One }
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
            let expected = if two { DumpReaders::EachFamily } else { DumpReaders::One };
            assert_eq!(Families { ipv4, ipv6 }.readers(), expected, "{ipv4} and {ipv6}");
        }
    }
}
