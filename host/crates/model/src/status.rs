//! Status bits of an entry.

use core::fmt;
use core::ops::BitOr;

/// `IPS_*` bits (linux/netfilter/nf_conntrack_common.h). Bits that have no name here are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

impl Status {
    /// It is an expected connection.
    pub const EXPECTED: Self = Self(1);
    /// Packets were seen both ways.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// It is not evicted early.
    pub const ASSURED: Self = Self(1 << 2);
    /// It is in the table.
    pub const CONFIRMED: Self = Self(1 << 3);
    /// Source NAT in the original direction.
    pub const SRC_NAT: Self = Self(1 << 4);
    /// Destination NAT in the original direction.
    pub const DST_NAT: Self = Self(1 << 5);
    /// TCP sequence numbers are adjusted.
    pub const SEQ_ADJUST: Self = Self(1 << 6);
    /// Source NAT was set up.
    pub const SRC_NAT_DONE: Self = Self(1 << 7);
    /// Destination NAT was set up.
    pub const DST_NAT_DONE: Self = Self(1 << 8);
    /// It is being removed.
    pub const DYING: Self = Self(1 << 9);
    /// Its timeout does not follow packets.
    pub const FIXED_TIMEOUT: Self = Self(1 << 10);
    /// It is a template of a rule.
    pub const TEMPLATE: Self = Self(1 << 11);
    /// A NAT clash (kernels before 5.19: untracked).
    pub const NAT_CLASH: Self = Self(1 << 12);
    /// Its helper was set by a rule.
    pub const HELPER: Self = Self(1 << 13);
    /// A flow table forwards it in software.
    pub const OFFLOAD: Self = Self(1 << 14);
    pub const HW_OFFLOAD: Self = Self(1 << 15);

    /// Names of the known bits, lowest first, as the kernel's header has them without `IPS_`.
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
