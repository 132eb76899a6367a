//! Status bits of an entry.

use core::fmt;
use core::ops::BitOr;

/// `IPS_*` bits (linux/netfilter/nf_conntrack_common.h). Bits without a name here are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

impl Status {
    /// The flow was expected (an expectation matched it).
    pub const EXPECTED: Self = Self(1);
    /// The kernel has seen packets in both directions.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// The kernel does not evict the entry early.
    pub const ASSURED: Self = Self(1 << 2);
    /// The entry is in the table.
    pub const CONFIRMED: Self = Self(1 << 3);
    /// The flow needs source NAT in the original direction.
    pub const SRC_NAT: Self = Self(1 << 4);
    /// The flow needs destination NAT in the original direction.
    pub const DST_NAT: Self = Self(1 << 5);
    /// The kernel adjusts the TCP sequence numbers.
    pub const SEQ_ADJUST: Self = Self(1 << 6);
    /// Source NAT has been set up.
    pub const SRC_NAT_DONE: Self = Self(1 << 7);
    /// Destination NAT has been set up.
    pub const DST_NAT_DONE: Self = Self(1 << 8);
    /// The kernel is removing the entry.
    pub const DYING: Self = Self(1 << 9);
    /// Packets do not change the timeout.
    pub const FIXED_TIMEOUT: Self = Self(1 << 10);
    /// The entry is a template that a rule uses.
    pub const TEMPLATE: Self = Self(1 << 11);
    /// The entry clashed with another one when the kernel inserted it (kernels before 5.19: untracked).
    pub const NAT_CLASH: Self = Self(1 << 12);
    /// A rule or a netlink request has attached the helper.
    pub const HELPER: Self = Self(1 << 13);
    /// A flow table forwards the flow in software.
    pub const OFFLOAD: Self = Self(1 << 14);
    pub const HW_OFFLOAD: Self = Self(1 << 15);

    /// Names of the known bits, lowest bit first: the kernel's names without `IPS_`.
    pub const NAMES: [(Self, &'static str); 16] = [
        (Self::EXPECTED, "EXPECTED"),
        (Self::SEEN_REPLY, "SEEN_REPLY"),
        (Self::ASSURED, "ASSURED"),
        (Self::CONFIRMED, "CONFIRMED"),
        (Self::SRC_NAT, "SRC_NAT"),
        (Self::DST_NAT, "DST_NAT"),
        (Self::SEQ_ADJUST, "SEQ_ADJUST"),
        (Self::SRC_NAT_DONE, "SRC_NAT_DONE"),
        (Self::DST_NAT_DONE, "DST_NAT_DONE"),
        (Self::DYING, "DYING"),
        (Self::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
        (Self::TEMPLATE, "TEMPLATE"),
        (Self::NAT_CLASH, "NAT_CLASH"),
        (Self::HELPER, "HELPER"),
        (Self::OFFLOAD, "OFFLOAD"),
        (Self::HW_OFFLOAD, "HW_OFFLOAD"),
    ];

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Status {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#x}", self.0)?;
        for (bit, name) in Self::NAMES {
            if self.contains(bit) {
                write!(f, " {name}")?;
            }
        }
        f.write_str(")")
    }
}
