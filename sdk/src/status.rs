//! Status bits of an entry, under the kernel's names.

use std::fmt;
use std::ops::BitOr;

/// `IPS_*` bits of linux/netfilter/nf_conntrack_common.h. Bits without a name here are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $number:literal),+ $(,)?) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self(1 << $number);)+

            const NAMES: &[(Self, &str)] = &[$((Self::$name, stringify!($name))),+];
        }
    };
}

bits! {
    /// `IPS_EXPECTED`: a helper expected this flow.
    EXPECTED = 0,
    /// `IPS_SEEN_REPLY`: packets travelled in both directions.
    SEEN_REPLY = 1,
    /// `IPS_ASSURED`: the kernel does not evict the entry early.
    ASSURED = 2,
    /// `IPS_CONFIRMED`: the entry is in the table.
    CONFIRMED = 3,
    /// `IPS_SRC_NAT`: the source is translated.
    SRC_NAT = 4,
    /// `IPS_DST_NAT`: the destination is translated.
    DST_NAT = 5,
    /// `IPS_SEQ_ADJUST`: the kernel adjusts TCP sequence numbers.
    SEQ_ADJUST = 6,
    /// `IPS_SRC_NAT_DONE`: the kernel has decided about source translation.
    SRC_NAT_DONE = 7,
    /// `IPS_DST_NAT_DONE`: the kernel has decided about destination translation.
    DST_NAT_DONE = 8,
    /// `IPS_DYING`: the kernel is removing the entry.
    DYING = 9,
    /// `IPS_FIXED_TIMEOUT`: packets do not renew the timeout.
    FIXED_TIMEOUT = 10,
    /// `IPS_TEMPLATE`: the entry is the template of a rule.
    TEMPLATE = 11,
    /// `IPS_NAT_CLASH`: the entry clashed with another in NAT (before Linux 5.19: untracked).
    NAT_CLASH = 12,
    /// `IPS_HELPER`: a rule chose the helper.
    HELPER = 13,
    /// `IPS_OFFLOAD`: a flow table forwards the flow in software.
    OFFLOAD = 14,
    /// `IPS_HW_OFFLOAD`: hardware forwards the flow.
    HW_OFFLOAD = 15,
}

impl Status {
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
        let names: Vec<&str> =
            Self::NAMES.iter().filter(|(bit, _)| self.contains(*bit)).map(|(_, name)| *name).collect();
        write!(f, "{:#x} ({})", self.0, names.join(" | "))
    }
}
