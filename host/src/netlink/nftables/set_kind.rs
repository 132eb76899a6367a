//! The kind of a set: what its elements are.

use ctwarden_model::Family;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetKind {
    /// Family of its addresses.
    pub(crate) family: Family,
}

impl SetKind {
    /// Number of the key's type in `nft` (its `enum datatypes`). The kernel stores the number without interpreting it.
    pub(super) const fn key_type(self) -> u32 {
        match self.family {
            Family::Ipv4 => 7,
            Family::Ipv6 => 8,
        }
    }

    /// Name of the key's type in `nft`.
    pub(super) const fn key_type_name(self) -> &'static str {
        match self.family {
            Family::Ipv4 => "ipv4_addr",
            Family::Ipv6 => "ipv6_addr",
        }
    }
}
