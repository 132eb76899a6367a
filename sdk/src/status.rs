//! Status bits of an entry, by the kernel's names.

use std::fmt;
use std::ops::BitOr;

/// `IPS_*` bits of linux/netfilter/nf_conntrack_common.h. A bit without a name here is kept.
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
    /// A helper expected this connection.
    EXPECTED = 0,
    /// Packets went both ways.
    SEEN_REPLY = 1,
    /// The kernel does not evict it early.
    ASSURED = 2,
    /// It is in the table.
    CONFIRMED = 3,
    /// Its source is translated.
    SRC_NAT = 4,
    /// Its destination is translated.
    DST_NAT = 5,
    /// Its TCP sequence numbers are adjusted.
    SEQ_ADJUST = 6,
    /// Source translation was decided.
    SRC_NAT_DONE = 7,
    /// Destination translation was decided.
    DST_NAT_DONE = 8,
    /// It is being removed.
    DYING = 9,
    /// Packets do not renew its timeout.
    FIXED_TIMEOUT = 10,
    /// It is the template of a rule.
    TEMPLATE = 11,
    /// It clashed with another in NAT (before Linux 5.19: untracked).
    NAT_CLASH = 12,
    /// A rule chose its helper.
    HELPER = 13,
    /// A flow table forwards it in software.
    OFFLOAD = 14,
    /// Hardware forwards it.
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
