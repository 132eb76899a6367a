//! The multicast groups to which the kernel sends events.

/// Number of a multicast group, as in `enum nfnetlink_groups` (linux/netfilter/nfnetlink.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MulticastGroup(pub u32);

impl MulticastGroup {
    /// `NFNLGRP_CONNTRACK_NEW`: entries that were created.
    pub const CONNTRACK_NEW: Self = Self(1);
    /// `NFNLGRP_CONNTRACK_UPDATE`: entries that changed.
    pub const CONNTRACK_UPDATE: Self = Self(2);
    /// `NFNLGRP_CONNTRACK_DESTROY`: entries that were removed.
    pub const CONNTRACK_DESTROY: Self = Self(3);
    /// `NFNLGRP_CONNTRACK_EXP_NEW`: expectations that were created.
    pub const EXPECTATION_NEW: Self = Self(4);
    /// `NFNLGRP_CONNTRACK_EXP_UPDATE`: expectations that changed.
    pub const EXPECTATION_UPDATE: Self = Self(5);
    /// `NFNLGRP_CONNTRACK_EXP_DESTROY`: expectations that were removed.
    pub const EXPECTATION_DESTROY: Self = Self(6);
    /// `NFNLGRP_NFTABLES`: changes of the rule set.
    pub const NFTABLES: Self = Self(7);
}
